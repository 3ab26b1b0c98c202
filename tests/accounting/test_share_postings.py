"""Payments of invoices in the books: posted once, made smaller by refunds, taken off after reversals."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import HandTask, Posting, Share
from payments.models import Attempt, Payment, Refund
from payments.refunds import order_refund, run_refund
from tests.accounting.debits import Attempted, come_again, hold_back, let_come, say_refund
from tests.accounting.invoices import Billing, later, only_xero
from tests.people import House

Drain = Callable[..., int]
STANDING = "AUTHORISED"


@pytest.fixture
def billing(any_house: House) -> Billing:
    return Billing(any_house)


def standing(billing: Billing, invoice: Any) -> list[str]:
    """The amounts of the payments of an invoice that stand in the books."""
    return [amount for _, amount, status in billing.booked(invoice) if status == STANDING]


def give_back(payment: Payment, house: House, amount: int) -> Refund:
    """A refund ordered in the console, which the gateway takes at once."""
    payment.refresh_from_db()
    now = timezone.now()
    refund = order_refund(payment, amount=amount, reason="", by=house.user, now=now)
    rows = Refund.objects.select_related("payment__merchant", "attempt__account", "attempt__payment")
    run_refund(rows.get(pk=refund.pk), now=now)
    refund.refresh_from_db()
    return refund


def reverse(billing: Billing, payment: Payment) -> None:
    """The bank takes a settled payment back."""
    Attempted(billing.house, billing.attempt(payment), None).reverse()  # type: ignore[arg-type]


def test_a_refund_of_a_part_is_a_smaller_payment_in_the_books(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay(payment)
    drain()
    give_back(payment, billing.house, 12000)
    drain()
    stem = f"PF-{payment.reference[:12].upper()}/1"
    assert [row for row in billing.booked(invoice) if row[2] == STANDING] == [(f"{stem}-2", "380.00", STANDING)]
    assert billing.standing(invoice) == ("AUTHORISED", "120.00")
    billing.read()
    assert "A$120.00" in billing.outstanding()


def test_a_full_refund_takes_the_payment_off_and_the_invoice_can_be_paid_again(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay(payment)
    drain()
    give_back(payment, billing.house, 50000)
    drain()
    assert (standing(billing, invoice), billing.standing(invoice)) == ([], ("AUTHORISED", "500.00"))
    billing.read()
    billing.pay(billing.chosen(invoice))
    drain()
    assert standing(billing, invoice) == ["500.00"]


def test_a_refund_of_a_batch_is_taken_off_the_last_invoice_first(billing: Billing, drain: Drain) -> None:
    one, two = billing.bill("100.00"), billing.bill("200.00")
    payment = billing.payment_behind(billing.batch({one: "100.00", two: "200.00"})["Location"])
    billing.pay(payment)
    drain()
    give_back(payment, billing.house, 25000)
    drain()
    assert (standing(billing, one), standing(billing, two)) == (["50.00"], [])


def test_a_refund_that_fails_after_all_is_booked_back(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay(payment)
    drain()
    refund = give_back(payment, billing.house, 12000)
    drain()
    say_refund(refund, "failed")
    drain()
    assert standing(billing, invoice) == ["500.00"]


def test_a_refund_that_is_told_before_the_payment_was_posted_leaves_one_payment(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay(payment)
    hold_back("payments.follow_success")
    give_back(payment, billing.house, 12000)
    drain()
    let_come("payments.follow_success")
    drain()
    assert billing.booked(invoice) == [(f"PF-{payment.reference[:12].upper()}/1", "380.00", STANDING)]


def test_the_same_message_again_posts_nothing_more(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay(payment)
    drain()
    come_again("accounting.post_payment")
    drain()
    assert standing(billing, invoice) == ["500.00"]
    assert Posting.objects.filter(payment=payment).count() == 1


def test_a_reversed_debit_is_taken_off_its_invoice_and_paid_again_by_the_same_link(
    billing: Billing, drain: Drain
) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay_by_bank(payment)
    billing.house.by_hand("settle", billing.attempt(payment).stripe_payment_intent_id)
    drain(at=later(hours=1))
    reverse(billing, payment)
    drain(at=later(hours=1))
    assert (standing(billing, invoice), billing.standing(invoice)) == ([], ("AUTHORISED", "500.00"))
    billing.read(later(hours=2))
    assert "took this payment back" in billing.outstanding()
    assert billing.pay(payment)["status"] == "succeeded"
    drain(at=later(hours=2))
    assert standing(billing, invoice) == ["500.00"]
    states = list(Attempt.objects.filter(payment=payment).order_by("pk").values_list("state", flat=True))
    assert states == ["reversed", "succeeded"]


@only_xero
@pytest.mark.parametrize("elsewhere", ["in the books", "by another payment", "in part"])
def test_the_old_link_of_a_reversed_debit_pays_nothing_that_was_paid_otherwise_meanwhile(
    billing: Billing, drain: Drain, elsewhere: str
) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay_by_bank(payment)
    billing.house.by_hand("settle", billing.attempt(payment).stripe_payment_intent_id)
    drain(at=later(hours=1))
    reverse(billing, payment)
    drain(at=later(hours=1))
    billing.read(later(hours=2))
    if elsewhere == "by another payment":
        another = billing.chosen(billing.invoice(invoice.number))
        assert another != payment
        assert billing.pay(another)["status"] == "succeeded"
    else:
        billing.by_hand("pay", invoice=invoice.number, amount="200.00" if elsewhere == "in part" else "500.00")
        billing.read(later(hours=3))
    charged = billing.house.charged()
    said = billing.pay(payment)
    assert said["code"] == {"in part": "amount_changed"}.get(elsewhere, "not_payable"), said
    assert billing.house.charged() == charged
    assert [a.state for a in Attempt.objects.filter(payment=payment)] == ["reversed"]


@only_xero
@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
def test_weather_ends_with_one_payment_of_the_invoice(billing: Billing, drain: Drain, kind: str) -> None:
    invoice = billing.bill("500.00")
    billing.house.world.fault("xero", kind, method="PUT", path="/Payments*", times=1)
    billing.pay(billing.chosen(invoice))
    drain()
    drain(at=later(seconds=30))
    assert standing(billing, invoice) == ["500.00"]


@only_xero
def test_a_bookkeepers_payment_of_the_same_amount_is_not_taken_for_ours(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    billing.by_hand("pay", invoice=invoice.number, amount="200.00")
    billing.read()
    billing.house.world.fault("xero", "drop_before", method="PUT", path="/Payments*", times=1)
    billing.pay(billing.chosen(billing.invoice(invoice.number), "200.00"))
    drain()
    drain(at=later(seconds=30))
    assert standing(billing, invoice) == ["200.00", "200.00"]


def test_money_that_goes_back_of_what_a_person_booked_is_told_to_a_person(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay(payment)
    billing.by_hand("void", invoice=invoice.number)
    drain()
    task = HandTask.objects.get()
    path = billing.house.url(f"unprocessed/{task.reference}/decisions")
    assert billing.house.admin.post(path, {"act": "by_hand"}).status_code == 302
    assert billing.shares(payment)[0].outcome == Share.Outcome.BY_HAND
    come_again("accounting.post_payment")
    drain()
    assert [state for _, state, _ in billing.postings(payment)] == ["cancelled"]
    give_back(payment, billing.house, 50000)
    drain()
    [task] = HandTask.objects.filter(state="open")
    assert task.title == f"Take the payment of A$500.00 off invoice {invoice.number}"
