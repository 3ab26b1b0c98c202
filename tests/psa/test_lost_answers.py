"""Answers lost after a write, writes that land late, foreign writers: the payment stands once, or a person decides.

PSA has neither an idempotency key nor a reference field on payments.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from psa.models import PsaPayment
from psa.processing import process_psa_payment
from tests.psa.scene import PsaScene, deliver_later
from tests.tenants import Checkout, deliver_outbox
from wisepay.outbox import Retry

PAYMENTS = "/v4_6_release/apis/3.0/finance/invoices/*/payments"


def lose_answer(scene: PsaScene, sold: dict[str, int]) -> None:
    scene.tenant.world.fault("psa", "drop_after", method="POST", path=PAYMENTS)


def lose_request(scene: PsaScene, sold: dict[str, int]) -> None:
    scene.tenant.world.fault("psa", "drop_before", method="POST", path=PAYMENTS)


def lose_request_twice(scene: PsaScene, sold: dict[str, int]) -> None:
    scene.tenant.world.fault("psa", "drop_before", method="POST", path=PAYMENTS, times=2)


def lose_request_then_answer(scene: PsaScene, sold: dict[str, int]) -> None:
    lose_request(scene, sold)
    lose_answer(scene, sold)


def answer_html(scene: PsaScene, sold: dict[str, int]) -> None:
    scene.tenant.world.fault("psa", "html", status=502, method="POST", path=PAYMENTS)


def lose_answer_and_reads(scene: PsaScene, sold: dict[str, int]) -> None:
    lose_answer(scene, sold)
    scene.tenant.world.fault("psa", "status", status=503, method="GET", path=PAYMENTS, skip=1, times=2)


def throttle(scene: PsaScene, sold: dict[str, int]) -> None:
    scene.tenant.world.fault("psa", "status", status=429, method="POST", path=PAYMENTS)


def time_out_reading(scene: PsaScene, sold: dict[str, int]) -> None:
    scene.tenant.world.fault("psa", "drop_before", method="GET", path="*/sales/orders")


def delete_between_list_and_read(scene: PsaScene, sold: dict[str, int]) -> None:
    scene.tenant.world.fault("psa", "status", status=404, method="GET", path=PAYMENTS)


LOST: dict[str, Callable[[PsaScene, dict[str, int]], None]] = {
    "the answer": lose_answer,
    "the request": lose_request,
    "the request, twice running": lose_request_twice,
    "the request, then the answer": lose_request_then_answer,
    "a gateway answers in HTML": answer_html,
    "the answer, and PSA is away afterwards": lose_answer_and_reads,
    "too many calls": throttle,
    "a read": time_out_reading,
    "the record, between list and read": delete_between_list_and_read,
}


@pytest.mark.parametrize("name", LOST)
def test_whatever_is_lost_the_payment_stands_on_the_invoice_once(scene: PsaScene, name: str) -> None:
    """connectwise-rest and the Developer Guide know no idempotency key: a blind repeat would pay twice."""
    sold = scene.sell()
    LOST[name](scene, sold)
    checkout = scene.pay(sold)
    deliver_later()
    scene.tenant.world.clear_faults()
    deliver_later(timezone.now() + timedelta(minutes=20))
    row = scene.get_row(checkout)
    assert row.state == "written", row.explanation
    assert [p["id"] for p in scene.list_payments(sold["invoice"])] == [row.psa_payment_id]
    assert scene.get_invoice(sold["invoice"])["balance"] == 0


def test_a_lost_answer_costs_one_more_read(scene: PsaScene) -> None:
    sold = scene.sell()
    lose_answer(scene, sold)
    checkout = scene.pay(sold)
    before = len(scene.list_calls())
    deliver_later()
    assert scene.get_row(checkout).state == "written"
    assert len(scene.list_calls()) == before + 6


ODD_READS: dict[str, tuple[dict[str, object], str]] = {
    "nothing": ({"kind": "odd", "name": "200 null"}, "written"),
    "an object": ({"kind": "odd", "name": "200 an empty object"}, "written"),
    "no content": ({"kind": "odd", "name": "204"}, "written"),
    "a page": ({"kind": "odd", "name": "200 HTML"}, "written"),
    "payments without ids": ({"kind": "mutate", "field": "*.id", "drop": True}, "written"),
    "amounts that are words": ({"kind": "mutate", "field": "*.amount", "value": "much"}, "unclear"),
}


@pytest.mark.parametrize("name", ODD_READS)
def test_what_cannot_be_read_after_a_lost_answer_is_not_taken_for_nothing(scene: PsaScene, name: str) -> None:
    """Whether nulls come or fields stay away is not published: only a list without our payment says that it is none."""
    fault, state = dict(ODD_READS[name][0]), ODD_READS[name][1]
    sold = scene.sell()
    lose_answer(scene, sold)
    checkout = scene.pay(sold)
    deliver_outbox()
    scene.tenant.world.fault("psa", str(fault.pop("kind")), method="GET", path=PAYMENTS, times=3, **fault)
    for hours in range(4):
        deliver_later(timezone.now() + timedelta(hours=hours))
    assert scene.get_row(checkout).state == state
    assert len(scene.list_payments(sold["invoice"])) == 1


def begin_lost(scene: PsaScene, sold: dict[str, int]) -> Checkout:
    """A payment whose request was lost, and which has been looked for once."""
    lose_request(scene, sold)
    checkout = scene.pay(sold)
    now = timezone.now()
    deliver_outbox(at=now)
    deliver_outbox(at=now + timedelta(seconds=10))
    assert scene.get_row(checkout).state == "sending"
    return checkout


def test_a_write_that_lands_within_two_minutes_is_not_repeated(scene: PsaScene) -> None:
    sold = scene.sell()
    checkout = begin_lost(scene, sold)
    scene.control(pay={"invoice": sold["invoice"], "amount": 625.0, "by": "wisepay"})  # it lands after all
    deliver_later()
    row = scene.get_row(checkout)
    assert (row.state, row.times_sent) == ("written", 1)
    assert len(scene.list_payments(sold["invoice"])) == 1


def test_two_new_payments_after_a_lost_answer_are_for_a_person(scene: PsaScene) -> None:
    sold = scene.sell()
    lose_answer(scene, sold)
    checkout = scene.pay(sold)
    deliver_outbox()
    scene.control(pay={"invoice": sold["invoice"], "amount": 625.0})
    deliver_later()
    row = scene.get_row(checkout)
    assert row.state == "unclear"
    assert len(row.candidates) == 2
    assert len(scene.list_calls("POST")) == 2  # the callback's registration, and the payment
    path = scene.tenant.url(f"psa/{row.reference}/decisions")
    ours = row.candidates[0]["id"]
    assert scene.tenant.admin.post(path, {"act": "assign", "payment": ours + 10_000}).status_code == 422
    assert scene.tenant.admin.post(path, {"act": "assign", "payment": ours}).status_code == 302
    assert scene.get_row(checkout).psa_payment_id == ours


def test_an_invoice_deleted_after_a_lost_answer_is_looked_for_anew(scene: PsaScene) -> None:
    sold = scene.sell()
    lose_answer(scene, sold)
    checkout = scene.pay(sold)
    deliver_outbox()
    scene.control(delete_invoice={"invoice": sold["invoice"]})
    second = scene.control(down_payment={"order": sold["order"], "amount": 625.0})["down_payment"]
    deliver_later()
    row = scene.get_row(checkout)
    assert (row.state, row.invoice_id) == ("written", second), row.explanation
    assert len(scene.list_payments(second)) == 1


def test_rights_withdrawn_while_an_answer_is_looked_for_end_nothing(scene: PsaScene) -> None:
    """A refused question is no answer: nothing is written again because of it."""
    sold = scene.sell()
    lose_answer(scene, sold)
    checkout = scene.pay(sold)
    deliver_outbox()
    scene.control(withdraw={"right": "invoicing:inquire"})
    deliver_later()
    assert scene.get_row(checkout).state == "sending"
    assert len(scene.list_payments(sold["invoice"])) == 1
    scene.control(grant={})
    deliver_later(timezone.now() + timedelta(hours=2))
    assert scene.get_row(checkout).state == "written"
    assert len(scene.list_payments(sold["invoice"])) == 1


def test_two_workers_never_have_one_payment(scene: PsaScene) -> None:
    sold = scene.sell()
    checkout = scene.pay(sold)
    now = timezone.now()
    row = PsaPayment.objects.create(
        connection=scene.connection,
        merchant=scene.tenant.merchant,
        payment=checkout.payment,
        attempt=checkout.attempts[0],
        amount=62500,
        currency="AUD",
        paid_on=now.date(),
        state="planned",
        state_at=now,
        lease_until=now + timedelta(seconds=30),
    )
    with pytest.raises(Retry):
        process_psa_payment(row.pk, now=now)
    assert scene.list_payments(sold["invoice"]) == []
