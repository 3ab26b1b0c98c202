"""Payments of invoices in the ledger: posted once, reduced by refunds, removed after reversals."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import ManualTask, PaymentAllocation, Posting
from payments.models import Attempt, Payment, Refund
from payments.refunds import send_refund, start_refund
from tests.accounting.invoices.scenario import InvoiceScenario, get_future_time, only_xero
from tests.accounting.posting.debits import (
    AttemptScenario,
    hold_messages,
    receive_refund_outcome,
    redeliver_messages,
    release_messages,
)
from tests.tenants import Tenant

DeliverOutbox = Callable[..., int]
AUTHORISED = "AUTHORISED"


@pytest.fixture
def billing(any_tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(any_tenant)


def list_active_amounts(billing: InvoiceScenario, invoice: Any) -> list[str]:
    """The amounts of an invoice's payments that the ledger has."""
    return [amount for _, amount, status in billing.list_ledger_payments(invoice) if status == AUTHORISED]


def refund_payment(payment: Payment, tenant: Tenant, amount: int) -> Refund:
    """A refund ordered in the console, which the gateway takes at once."""
    payment.refresh_from_db()
    now = timezone.now()
    refund = start_refund(payment, amount=amount, reason="", by=tenant.user, now=now)
    rows = Refund.objects.select_related("payment__merchant", "attempt__account", "attempt__payment")
    send_refund(rows.get(pk=refund.pk), now=now)
    refund.refresh_from_db()
    return refund


def reverse_settled_payment(billing: InvoiceScenario, payment: Payment) -> None:
    """The bank takes a settled payment back."""
    AttemptScenario(billing.tenant, billing.get_latest_attempt(payment), None).reverse()  # type: ignore[arg-type]


def test_a_refund_of_a_part_is_a_smaller_payment_in_the_books(billing: InvoiceScenario, deliver: DeliverOutbox) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    deliver()
    refund_payment(payment, billing.tenant, 12000)
    deliver()
    stem = f"PF-{payment.reference[:12].upper()}/1"
    assert [row for row in billing.list_ledger_payments(invoice) if row[2] == AUTHORISED] == [
        (f"{stem}-2", "380.00", AUTHORISED)
    ]
    assert billing.get_ledger_status(invoice) == ("AUTHORISED", "120.00")
    billing.sync_mirror()
    assert "A$120.00" in billing.get_outstanding_widget()


def test_a_full_refund_takes_the_payment_off_and_the_invoice_can_be_paid_again(
    billing: InvoiceScenario, deliver: DeliverOutbox
) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    deliver()
    refund_payment(payment, billing.tenant, 50000)
    deliver()
    assert (list_active_amounts(billing, invoice), billing.get_ledger_status(invoice)) == ([], ("AUTHORISED", "500.00"))
    billing.sync_mirror()
    billing.pay(billing.create_payment(invoice))
    deliver()
    assert list_active_amounts(billing, invoice) == ["500.00"]


def test_a_refund_of_a_batch_is_taken_off_the_last_invoice_first(
    billing: InvoiceScenario, deliver: DeliverOutbox
) -> None:
    one, two = billing.create_invoice("100.00"), billing.create_invoice("200.00")
    payment = billing.get_payment_by_path(billing.submit_batch({one: "100.00", two: "200.00"})["Location"])
    billing.pay(payment)
    deliver()
    refund_payment(payment, billing.tenant, 25000)
    deliver()
    assert (list_active_amounts(billing, one), list_active_amounts(billing, two)) == (["50.00"], [])


def test_a_refund_that_fails_after_all_is_booked_back(billing: InvoiceScenario, deliver: DeliverOutbox) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    deliver()
    refund = refund_payment(payment, billing.tenant, 12000)
    deliver()
    receive_refund_outcome(refund, "failed")
    deliver()
    assert list_active_amounts(billing, invoice) == ["500.00"]


def test_a_refund_that_comes_before_the_payment_was_posted_leaves_one_payment(
    billing: InvoiceScenario, deliver: DeliverOutbox
) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    hold_messages("payments.follow_success")
    refund_payment(payment, billing.tenant, 12000)
    deliver()
    release_messages("payments.follow_success")
    deliver()
    assert billing.list_ledger_payments(invoice) == [(f"PF-{payment.reference[:12].upper()}/1", "380.00", AUTHORISED)]


def test_the_same_message_again_posts_nothing_more(billing: InvoiceScenario, deliver: DeliverOutbox) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    deliver()
    redeliver_messages("accounting.post_payment")
    deliver()
    assert list_active_amounts(billing, invoice) == ["500.00"]
    assert Posting.objects.filter(payment=payment).count() == 1


def test_a_reversed_debit_is_taken_off_its_invoice_and_paid_again_by_the_same_link(
    billing: InvoiceScenario, deliver: DeliverOutbox
) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay_by_bank(payment)
    billing.tenant.act_at_stripe("settle", billing.get_latest_attempt(payment).stripe_payment_intent_id)
    deliver(at=get_future_time(hours=1))
    reverse_settled_payment(billing, payment)
    deliver(at=get_future_time(hours=1))
    assert (list_active_amounts(billing, invoice), billing.get_ledger_status(invoice)) == ([], ("AUTHORISED", "500.00"))
    billing.sync_mirror(get_future_time(hours=2))
    assert "took this payment back" in billing.get_outstanding_widget()
    assert billing.pay(payment)["status"] == "succeeded"
    deliver(at=get_future_time(hours=2))
    assert list_active_amounts(billing, invoice) == ["500.00"]
    states = list(Attempt.objects.filter(payment=payment).order_by("pk").values_list("state", flat=True))
    assert states == ["reversed", "succeeded"]


@only_xero
@pytest.mark.parametrize("elsewhere", ["in the books", "by another payment", "in part"])
def test_the_old_link_of_a_reversed_debit_pays_nothing_that_was_paid_otherwise_meanwhile(
    billing: InvoiceScenario, deliver: DeliverOutbox, elsewhere: str
) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay_by_bank(payment)
    billing.tenant.act_at_stripe("settle", billing.get_latest_attempt(payment).stripe_payment_intent_id)
    deliver(at=get_future_time(hours=1))
    reverse_settled_payment(billing, payment)
    deliver(at=get_future_time(hours=1))
    billing.sync_mirror(get_future_time(hours=2))
    if elsewhere == "by another payment":
        another = billing.create_payment(billing.get_invoice(invoice.number))
        assert another != payment
        assert billing.pay(another)["status"] == "succeeded"
    else:
        billing.act_in_ledger("pay", invoice=invoice.number, amount="200.00" if elsewhere == "in part" else "500.00")
        billing.sync_mirror(get_future_time(hours=3))
    charged = billing.tenant.total_charged()
    answer = billing.pay(payment)
    assert answer["code"] == {"in part": "amount_changed"}.get(elsewhere, "not_payable"), answer
    assert billing.tenant.total_charged() == charged
    assert [a.state for a in Attempt.objects.filter(payment=payment)] == ["reversed"]


@only_xero
@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
def test_an_outage_ends_with_one_payment_of_the_invoice(
    billing: InvoiceScenario, deliver: DeliverOutbox, kind: str
) -> None:
    invoice = billing.create_invoice("500.00")
    billing.tenant.world.fault("xero", kind, method="PUT", path="/Payments*", times=1)
    billing.pay(billing.create_payment(invoice))
    deliver()
    deliver(at=get_future_time(seconds=30))
    assert list_active_amounts(billing, invoice) == ["500.00"]


@only_xero
def test_a_bookkeepers_payment_of_the_same_amount_is_not_taken_for_ours(
    billing: InvoiceScenario, deliver: DeliverOutbox
) -> None:
    invoice = billing.create_invoice("500.00")
    billing.act_in_ledger("pay", invoice=invoice.number, amount="200.00")
    billing.sync_mirror()
    billing.tenant.world.fault("xero", "drop_before", method="PUT", path="/Payments*", times=1)
    billing.pay(billing.create_payment(billing.get_invoice(invoice.number), "200.00"))
    deliver()
    deliver(at=get_future_time(seconds=30))
    assert list_active_amounts(billing, invoice) == ["200.00", "200.00"]


def test_a_refund_of_what_a_person_booked_opens_a_task(billing: InvoiceScenario, deliver: DeliverOutbox) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    billing.act_in_ledger("void", invoice=invoice.number)
    deliver()
    task = ManualTask.objects.get()
    path = billing.tenant.url(f"unprocessed/{task.reference}/decisions")
    assert billing.tenant.admin.post(path, {"act": "by_hand", "note": "Entered it in Xero."}).status_code == 302
    assert billing.list_allocations(payment)[0].outcome == PaymentAllocation.Outcome.BY_HAND
    redeliver_messages("accounting.post_payment")
    deliver()
    assert [state for _, state, _ in billing.list_postings(payment)] == ["cancelled"]
    refund_payment(payment, billing.tenant, 50000)
    deliver()
    [task] = ManualTask.objects.filter(state="open")
    assert task.title == f"Take the payment of A$500.00 off invoice {invoice.number}"
