"""Money that went back: the payment is taken off PSA's invoice, or a person is asked to."""

from datetime import timedelta

import pytest
from django.utils import timezone

from psa.services import update_psa_settings
from quotes.models import Quote
from quotes.timeline import get_timeline
from tests.accounting.posting.debits import (
    CARD,
    AttemptScenario,
    create_processing_attempt,
    receive_refund_outcome,
)
from tests.psa.scene import PsaScene, deliver_later
from tests.psa.test_connections import KEYS, PAGE
from tests.psa.test_lost_answers import PAYMENTS
from tests.tenants import Checkout, deliver_outbox
from wisepay.models import OutboxMessage


def refund(scene: PsaScene, checkout: Checkout, amount: int) -> AttemptScenario:
    """Money goes back to the payer."""
    found = AttemptScenario(scene.tenant, checkout.attempts[-1], CARD)
    found.refund(amount)
    deliver_later()
    return found


def pay_and_write(scene: PsaScene) -> tuple[dict[str, int], Checkout]:
    """A quote that is paid, and written to PSA."""
    sold = scene.sell()
    checkout = scene.pay(sold)
    deliver_later()
    assert scene.get_row(checkout).state == "written"
    return sold, checkout


def test_a_full_refund_takes_the_payment_back_and_the_balance_is_there_again(scene: PsaScene) -> None:
    sold, checkout = pay_and_write(scene)
    refund(scene, checkout, 62500)
    row = scene.get_row(checkout)
    assert row.state == "removed", (row.state, row.explanation)
    assert "A$625.00" in row.explanation
    assert scene.list_payments(sold["invoice"]) == []


def test_a_refund_in_part_is_for_a_person_who_says_what_was_done(scene: PsaScene) -> None:
    sold, checkout = pay_and_write(scene)
    refund(scene, checkout, 10000)
    row = scene.get_row(checkout)
    assert row.state == "stuck"
    assert "A$525.00" in row.explanation
    path = scene.tenant.url(f"psa/{row.reference}/decisions")
    assert scene.tenant.admin.post(path, {"act": "settle", "note": ""}).status_code == 422
    assert scene.tenant.admin.post(path, {"act": "settle", "note": "Corrected to 525.00"}).status_code == 302
    assert scene.get_row(checkout).state == "settled"
    assert len(scene.list_payments(sold["invoice"])) == 1


def test_a_refund_before_anything_was_written_cancels_it(scene: PsaScene) -> None:
    sold = scene.sell(invoice=False)
    checkout = scene.pay(sold)
    deliver_outbox()
    refund(scene, checkout, 62500)
    assert scene.get_row(checkout).state == "cancelled"


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_lost_answer_to_a_deletion_is_found_out(scene: PsaScene, kind: str) -> None:
    sold, checkout = pay_and_write(scene)
    scene.tenant.world.fault("psa", kind, method="DELETE", path=f"{PAYMENTS}/*")
    refund(scene, checkout, 62500)
    assert scene.get_row(checkout).state == "removed"
    assert scene.list_payments(sold["invoice"]) == []


@pytest.mark.parametrize("obstacle", ["closed", "right", "foreign"])
def test_what_cannot_be_taken_back_is_a_task(scene: PsaScene, obstacle: str) -> None:
    sold = scene.sell()
    if obstacle == "foreign":
        scene.control(pay={"invoice": sold["invoice"], "amount": 625.0})
    checkout = scene.pay(sold)
    deliver_later()
    if obstacle == "closed":
        scene.control(close={"invoice": sold["invoice"]})
    if obstacle == "right":
        scene.control(withdraw={"right": "invoicing:delete"})
    refund(scene, checkout, 62500)
    row = scene.get_row(checkout)
    assert (row.state, "by hand" in row.explanation) == ("stuck", True), row.explanation
    assert len(scene.list_payments(sold["invoice"])) == 1


def test_a_payment_that_the_bank_takes_back_is_taken_off(scene: PsaScene) -> None:
    sold, checkout = pay_and_write(scene)
    AttemptScenario(scene.tenant, checkout.attempts[-1], CARD).reverse()
    deliver_later()
    assert scene.get_row(checkout).state == "removed"
    assert scene.list_payments(sold["invoice"]) == []


def list_psa_steps(checkout: Checkout) -> list[str]:
    """Name and state of each step at PSA, which stand in the order in which they happened, each with its time."""
    steps = [step for step in get_timeline(checkout.quote, now=timezone.now()) if step.name.startswith("PSA ")]
    times = [step.at for step in steps if step.at]
    assert (len(times), times) == (len(steps), sorted(times))
    return [f"{step.label} {step.state}" for step in steps]


def follow_hours_later(hours: int) -> None:
    """Deliver what is due then, and in the quarter of an hour after."""
    deliver_later(timezone.now() + timedelta(hours=hours))


def test_the_timeline_keeps_what_was_written_taken_off_and_written_again(scene: PsaScene) -> None:
    _, checkout = pay_and_write(scene)
    written = ["PSA invoice done", "PSA payment done"]
    assert list_psa_steps(checkout) == written
    refunded = AttemptScenario(scene.tenant, checkout.attempts[-1], CARD).refund(62500)
    follow_hours_later(1)
    assert list_psa_steps(checkout) == [*written, "PSA removal done"]
    receive_refund_outcome(refunded, "failed")
    follow_hours_later(2)
    assert list_psa_steps(checkout) == [*written, "PSA removal done", "PSA payment done"]


def test_the_timeline_says_that_another_tool_had_written_it_before_it_went_back(scene: PsaScene) -> None:
    sold = scene.sell()
    scene.control(pay={"invoice": sold["invoice"], "amount": 625.0})
    checkout = scene.pay(sold)
    deliver_later()
    AttemptScenario(scene.tenant, checkout.attempts[-1], CARD).refund(62500)
    follow_hours_later(1)
    assert list_psa_steps(checkout) == ["PSA invoice done", "PSA payment done", "PSA removal stuck"]


def test_a_payment_deleted_at_psa_meanwhile_counts_as_taken_back(scene: PsaScene) -> None:
    sold, checkout = pay_and_write(scene)
    scene.control(delete={"table": "payments", "id": scene.get_row(checkout).psa_payment_id})
    refund(scene, checkout, 62500)
    assert scene.get_row(checkout).state == "removed"
    assert scene.list_payments(sold["invoice"]) == []


def test_a_refund_that_failed_after_all_is_written_again(scene: PsaScene) -> None:
    sold, checkout = pay_and_write(scene)
    refund(scene, checkout, 62500)
    row = checkout.attempts[-1].refunds.get()
    receive_refund_outcome(row, "failed")
    deliver_later()
    assert scene.get_row(checkout).state == "written"
    assert [p["amount"] for p in scene.list_payments(sold["invoice"])] == [625.0]


@pytest.mark.parametrize(("timing", "written_first"), [("settled", False), ("submitted", True)])
@pytest.mark.parametrize("outcome", ["settles", "fails", "is returned late"])
def test_a_bank_debit_is_written_when_the_settings_say(
    scene: PsaScene, timing: str, written_first: bool, outcome: str
) -> None:
    """A debit that fails before it settles writes nothing; a late return takes it back."""
    update_psa_settings(scene.connection, written_by="us", writes_debits=timing, now=timezone.now())
    sold = scene.sell()
    checkout = scene.open_checkout(sold)
    debit = create_processing_attempt(scene.tenant, checkout.payment)
    debit.receive_outcome("processing")
    deliver_later()
    assert bool(scene.list_payments(sold["invoice"])) is written_first
    if not written_first:
        page = scene.tenant.admin.get(scene.tenant.url(f"quotes/timeline/{checkout.payment.reference}"))
        assert "On its way" in page.content.decode()
    debit.fail() if outcome == "fails" else debit.settle()
    deliver_later()
    assert len(scene.list_payments(sold["invoice"])) == (outcome != "fails")
    if outcome == "is returned late":
        debit.reverse()
        deliver_later()
        assert scene.list_payments(sold["invoice"]) == []
    assert not OutboxMessage.objects.filter(state="dead").exists()


def disconnect(scene: PsaScene) -> None:
    """Somebody of the merchant disconnects PSA."""
    assert scene.tenant.admin.post(scene.tenant.url(f"{PAGE}/disconnect")).status_code == 302


def reconnect(scene: PsaScene) -> None:
    """They connect it again, by the same keys."""
    assert scene.tenant.admin.post(scene.tenant.url(PAGE), KEYS).status_code == 302
    deliver_later()


def test_what_is_paid_while_psa_is_disconnected_is_written_once_it_is_back(scene: PsaScene) -> None:
    sold = scene.sell()
    disconnect(scene)
    checkout = scene.pay(sold)
    deliver_later()
    row = scene.get_row(checkout)
    assert (row.state, scene.list_payments(sold["invoice"])) == ("planned", [])
    steps = {step.name: step.words for step in get_timeline(Quote.objects.get(), now=timezone.now())}
    assert "once it is connected again" in steps["PSA payment"]
    reconnect(scene)
    assert (scene.get_row(checkout).state, len(scene.list_payments(sold["invoice"]))) == ("written", 1)


def test_what_goes_back_while_psa_is_disconnected_is_taken_off_once_it_is_back(scene: PsaScene) -> None:
    sold, checkout = pay_and_write(scene)
    kept, second = pay_and_write(scene)
    disconnect(scene)
    refund(scene, checkout, 62500)
    assert (scene.get_row(checkout).state, len(scene.list_payments(sold["invoice"]))) == ("written", 1)
    before = len(scene.list_calls("DELETE"))
    reconnect(scene)
    assert (scene.get_row(checkout).state, scene.list_payments(sold["invoice"])) == ("removed", [])
    assert (scene.get_row(second).state, len(scene.list_payments(kept["invoice"]))) == ("written", 1)
    assert len(scene.list_calls("DELETE")) == before + 1
