"""Unprocessed Payments: payments whose posting was rejected, and what a person decides about them."""

from collections.abc import Callable

import pytest

from accounting.models import LedgerInvoice, ManualTask, PaymentAllocation
from merchants.models import Notification
from payments.models import Payment
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.accounting.posting.test_invoice_payments import refund_payment, reverse_settled_payment
from tests.scenarios.base import list_credit_notes, list_ledger_rows
from tests.tenants import Tenant
from wisepay.models import AuditEntry

Deliver = Callable[..., int]


@pytest.fixture
def billing(any_tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(any_tenant)


@pytest.fixture
def invoice(billing: InvoiceScenario) -> LedgerInvoice:
    return billing.create_invoice("500.00")


@pytest.fixture
def unprocessed_payment(billing: InvoiceScenario, invoice: LedgerInvoice, deliver: Deliver) -> Payment:
    """A payment whose invoice was voided in the ledger before it was posted."""
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    billing.act_in_ledger("void", invoice=invoice.number)
    deliver()
    return payment


def press_decision(billing: InvoiceScenario, act: str, **more: str) -> str:
    """Press a button of the page; what it says then."""
    [task] = ManualTask.objects.filter(state="open")
    path = billing.tenant.url(f"unprocessed/{task.reference}/decisions")
    answer = billing.tenant.admin.post(path, {"act": act, **more}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_voided_invoice_leaves_its_payment_unprocessed_with_a_reason(
    billing: InvoiceScenario, invoice: LedgerInvoice, unprocessed_payment: Payment
) -> None:
    assert billing.list_postings(unprocessed_payment) == [("invoice_payment", "rejected", 50000)]
    page = billing.tenant.admin.get(billing.tenant.url("unprocessed")).content.decode()
    for words in (invoice.number, "A$500.00", "Retry", "Leave as credit", "Fixed Manually"):
        assert words in page
    panel = billing.tenant.admin.get(billing.tenant.url("unprocessed"), headers={"HX-Request": "true"}).content.decode()
    assert 'id="accounting-unprocessed"' in panel
    assert "<html" not in panel
    assert Notification.objects.filter(event="books_task").count() == 1


def test_it_goes_to_another_invoice_of_the_payer(
    billing: InvoiceScenario, unprocessed_payment: Payment, deliver: Deliver
) -> None:
    other, small = billing.create_invoice("600.00"), billing.create_invoice("499.99")
    page = billing.tenant.admin.get(billing.tenant.url("unprocessed")).content.decode()
    assert f'value="{other.reference}"' in page
    assert f'value="{small.reference}"' not in page
    press_decision(billing, "invoice", invoice=other.reference)
    deliver()
    assert billing.get_ledger_status(other) == ("AUTHORISED", "100.00")
    assert [state for _, state, _ in billing.list_postings(unprocessed_payment)] == ["cancelled", "posted"]
    assert AuditEntry.objects.filter(action="unprocessed.invoice").count() == 1
    assert not ManualTask.objects.filter(state="open").exists()


def test_it_never_goes_to_somebody_elses_invoice_or_one_that_is_too_small(
    billing: InvoiceScenario, unprocessed_payment: Payment, deliver: Deliver
) -> None:
    foreign = InvoiceScenario(billing.tenant, name="Reef Physio", email="reef@example.com").create_invoice("600.00")
    small = billing.create_invoice("499.99")
    assert "Choose one of the invoices" in press_decision(billing, "invoice", invoice=foreign.reference)
    assert "A$499.99 can be paid now" in press_decision(billing, "invoice", invoice=small.reference)
    deliver()
    assert [state for _, state, _ in billing.list_postings(unprocessed_payment)] == ["rejected"]


def test_it_stays_with_the_payer_as_credit(
    billing: InvoiceScenario, unprocessed_payment: Payment, deliver: Deliver
) -> None:
    press_decision(billing, "credit")
    deliver()
    stem = unprocessed_payment.reference[:12].upper()
    assert list_credit_notes(billing.tenant, stem) == [("AUTHORISED", 500.0)]
    [pf] = list_ledger_rows(billing.tenant, "Invoices", where=f'InvoiceNumber=="PF-{stem}"')
    assert (pf["Status"], pf["Total"]) == ("PAID", 500.0)
    assert billing.list_allocations(unprocessed_payment)[0].outcome == PaymentAllocation.Outcome.CREDIT
    [allocation] = billing.list_allocations(unprocessed_payment)
    page = billing.client.get(f"/my/payments/{unprocessed_payment.reference}/documents").content.decode()
    assert "Kept as credit" in page
    assert allocation.invoice.number in page


def test_a_payment_kept_as_credit_follows_refunds_and_reversals(
    billing: InvoiceScenario, unprocessed_payment: Payment, deliver: Deliver
) -> None:
    press_decision(billing, "credit")
    deliver()
    refund_payment(unprocessed_payment, billing.tenant, 10000)
    deliver()
    where = f'CreditNoteNumber.StartsWith("PF_CR-{unprocessed_payment.reference[:12].upper()}")'
    assert [row["RemainingCredit"] for row in list_ledger_rows(billing.tenant, "CreditNotes", where=where)] == [400.0]
    assert billing.list_postings(unprocessed_payment)[-1] == ("refund", "posted", 10000)


def test_a_reversal_takes_the_credit_out_of_the_books(
    billing: InvoiceScenario, unprocessed_payment: Payment, deliver: Deliver
) -> None:
    press_decision(billing, "credit")
    deliver()
    reverse_settled_payment(billing, unprocessed_payment)
    deliver()
    assert list_credit_notes(billing.tenant, unprocessed_payment.reference[:12].upper()) in ([], [("VOIDED", 500.0)])


def test_retry_goes_through_once_the_invoice_takes_it(billing: InvoiceScenario, deliver: Deliver) -> None:
    invoice = billing.create_invoice("500.00")
    payment = billing.create_payment(invoice)
    billing.pay(payment)
    billing.act_in_ledger("pay", invoice=invoice.number)
    deliver()
    assert [state for _, state, _ in billing.list_postings(payment)] == ["rejected"]
    billing.act_in_ledger("delete_payment", invoice=invoice.number)
    press_decision(billing, "retry")
    deliver()
    assert billing.get_ledger_status(invoice) == ("PAID", "0.00")
    assert not ManualTask.objects.filter(state="open").exists()


def test_fixed_manually_is_done_once_and_audited(
    billing: InvoiceScenario, unprocessed_payment: Payment, deliver: Deliver
) -> None:
    [task] = ManualTask.objects.filter(state="open")
    bare = billing.tenant.admin.post(billing.tenant.url(f"unprocessed/{task.reference}/decisions"), {"act": "by_hand"})
    assert bare.status_code == 422
    assert "Say what was done" in bare.content.decode()
    press_decision(billing, "by_hand", note="Entered it in Xero under INV-7.")
    path = billing.tenant.url(f"unprocessed/{task.reference}/decisions")
    again = billing.tenant.admin.post(path, {"act": "retry"}, follow=True)
    assert "decided already" in again.content.decode()
    deliver()
    assert [state for _, state, _ in billing.list_postings(unprocessed_payment)] == ["cancelled"]
    assert [e.action for e in AuditEntry.objects.filter(action__startswith="unprocessed")] == ["unprocessed.by_hand"]
    assert AuditEntry.objects.get(action="unprocessed.by_hand").detail == "Entered it in Xero under INV-7."


def test_other_merchants_find_nothing_to_decide(
    billing: InvoiceScenario, unprocessed_payment: Payment, stranger: Tenant
) -> None:
    [task] = ManualTask.objects.filter(state="open")
    path = stranger.url(f"unprocessed/{task.reference}/decisions")
    assert stranger.admin.post(path, {"act": "by_hand"}).status_code == 404
    assert stranger.admin.get(billing.tenant.url("unprocessed")).status_code == 404
    assert ManualTask.objects.get().state == "open"


def test_a_refund_out_of_the_credit_leaves_the_other_invoices_of_a_batch_alone(
    billing: InvoiceScenario, deliver: Deliver
) -> None:
    one, two = billing.create_invoice("100.00"), billing.create_invoice("200.00")
    payment = billing.get_payment_by_path(billing.submit_batch({one: "100.00", two: "200.00"})["Location"])
    billing.pay(payment)
    billing.act_in_ledger("void", invoice=one.number)
    deliver()
    press_decision(billing, "credit")
    deliver()
    refund_payment(payment, billing.tenant, 10000)
    deliver()
    assert billing.get_ledger_status(two) == ("PAID", "0.00")
    assert [row[:2] for row in billing.list_postings(payment)[-1:]] == [("refund", "posted")]
