"""Unprocessed Payments: money that its invoice did not take, and what a person decides about it."""

from collections.abc import Callable

import pytest

from accounting.models import HandTask, LedgerInvoice, Share
from merchants.models import Notification
from payments.models import Payment
from tests.accounting.invoices import Billing
from tests.accounting.test_share_postings import give_back, reverse
from tests.journeys import notes_of, rows_of
from tests.people import House
from wisepay.models import AuditEntry

Drain = Callable[..., int]


@pytest.fixture
def billing(any_house: House) -> Billing:
    return Billing(any_house)


@pytest.fixture
def invoice(billing: Billing) -> LedgerInvoice:
    return billing.bill("500.00")


@pytest.fixture
def stuck(billing: Billing, invoice: LedgerInvoice, drain: Drain) -> Payment:
    """Paid here, and voided in the books before it was posted there."""
    payment = billing.chosen(invoice)
    billing.pay(payment)
    billing.by_hand("void", invoice=invoice.number)
    drain()
    return payment


def decide(billing: Billing, act: str, **more: str) -> str:
    """Press a button of the page; what it says then."""
    [task] = HandTask.objects.filter(state="open")
    path = billing.house.url(f"unprocessed/{task.reference}/decisions")
    answer = billing.house.admin.post(path, {"act": act, **more}, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_voided_invoice_leaves_its_payment_unprocessed_with_a_reason(
    billing: Billing, invoice: LedgerInvoice, stuck: Payment
) -> None:
    assert billing.postings(stuck) == [("invoice_payment", "rejected", 50000)]
    page = billing.house.admin.get(billing.house.url("unprocessed")).content.decode()
    for words in (invoice.number, "A$500.00", "Retry", "Leave as credit", "Fixed Manually"):
        assert words in page
    panel = billing.house.admin.get(billing.house.url("unprocessed"), headers={"HX-Request": "true"}).content.decode()
    assert 'id="accounting-unprocessed"' in panel
    assert "<html" not in panel
    assert Notification.objects.filter(event="books_task").count() == 1


def test_it_goes_to_another_invoice_of_the_payer(billing: Billing, stuck: Payment, drain: Drain) -> None:
    other, small = billing.bill("600.00"), billing.bill("499.99")
    page = billing.house.admin.get(billing.house.url("unprocessed")).content.decode()
    assert f'value="{other.reference}"' in page
    assert f'value="{small.reference}"' not in page
    decide(billing, "invoice", invoice=other.reference)
    drain()
    assert billing.standing(other) == ("AUTHORISED", "100.00")
    assert [state for _, state, _ in billing.postings(stuck)] == ["cancelled", "posted"]
    assert AuditEntry.objects.filter(act="unprocessed.invoice").count() == 1
    assert not HandTask.objects.filter(state="open").exists()


def test_it_never_goes_to_somebody_elses_invoice_or_one_that_is_too_small(
    billing: Billing, stuck: Payment, drain: Drain
) -> None:
    foreign = Billing(billing.house, name="Reef Physio", email="reef@example.com").bill("600.00")
    small = billing.bill("499.99")
    [task] = HandTask.objects.filter(state="open")
    path = billing.house.url(f"unprocessed/{task.reference}/decisions")
    assert billing.house.admin.post(path, {"act": "invoice", "invoice": foreign.reference}).status_code == 404
    assert "A$499.99 can be paid now" in decide(billing, "invoice", invoice=small.reference)
    drain()
    assert [state for _, state, _ in billing.postings(stuck)] == ["rejected"]


def test_it_stays_with_the_payer_as_credit(billing: Billing, stuck: Payment, drain: Drain) -> None:
    decide(billing, "credit")
    drain()
    stem = stuck.reference[:12].upper()
    assert notes_of(billing.house, stem) == [("AUTHORISED", 500.0)]
    [pf] = rows_of(billing.house, "Invoices", where=f'InvoiceNumber=="PF-{stem}"')
    assert (pf["Status"], pf["Total"]) == ("PAID", 500.0)
    assert billing.shares(stuck)[0].outcome == Share.Outcome.CREDIT
    [share] = billing.shares(stuck)
    page = billing.client.get(f"/my/payments/{stuck.reference}/documents").content.decode()
    assert "Kept as credit" in page
    assert share.invoice.number in page


def test_what_was_left_as_credit_follows_refunds_and_reversals(billing: Billing, stuck: Payment, drain: Drain) -> None:
    decide(billing, "credit")
    drain()
    give_back(stuck, billing.house, 10000)
    drain()
    where = f'CreditNoteNumber.StartsWith("PF_CR-{stuck.reference[:12].upper()}")'
    assert [row["RemainingCredit"] for row in rows_of(billing.house, "CreditNotes", where=where)] == [400.0]
    assert billing.postings(stuck)[-1] == ("refund", "posted", 10000)


def test_a_reversal_takes_the_credit_out_of_the_books(billing: Billing, stuck: Payment, drain: Drain) -> None:
    decide(billing, "credit")
    drain()
    reverse(billing, stuck)
    drain()
    assert notes_of(billing.house, stuck.reference[:12].upper()) in ([], [("VOIDED", 500.0)])


def test_retry_goes_through_once_the_invoice_takes_it(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("500.00")
    payment = billing.chosen(invoice)
    billing.pay(payment)
    billing.by_hand("pay", invoice=invoice.number)
    drain()
    assert [state for _, state, _ in billing.postings(payment)] == ["rejected"]
    billing.by_hand("delete_payment", invoice=invoice.number)
    decide(billing, "retry")
    drain()
    assert billing.standing(invoice) == ("PAID", "0.00")
    assert not HandTask.objects.filter(state="open").exists()


def test_fixed_manually_is_done_once_and_audited(billing: Billing, stuck: Payment, drain: Drain) -> None:
    [task] = HandTask.objects.filter(state="open")
    decide(billing, "by_hand")
    path = billing.house.url(f"unprocessed/{task.reference}/decisions")
    again = billing.house.admin.post(path, {"act": "retry"}, follow=True)
    assert "decided already" in again.content.decode()
    drain()
    assert [state for _, state, _ in billing.postings(stuck)] == ["cancelled"]
    assert [e.act for e in AuditEntry.objects.filter(act__startswith="unprocessed")] == ["unprocessed.by_hand"]


def test_other_merchants_find_nothing_to_decide(billing: Billing, stuck: Payment, stranger: House) -> None:
    [task] = HandTask.objects.filter(state="open")
    path = stranger.url(f"unprocessed/{task.reference}/decisions")
    assert stranger.admin.post(path, {"act": "by_hand"}).status_code == 404
    assert stranger.admin.get(billing.house.url("unprocessed")).status_code == 404
    assert HandTask.objects.get().state == "open"


def test_a_refund_out_of_the_credit_leaves_the_other_invoices_of_a_batch_alone(billing: Billing, drain: Drain) -> None:
    one, two = billing.bill("100.00"), billing.bill("200.00")
    payment = billing.payment_behind(billing.batch({one: "100.00", two: "200.00"})["Location"])
    billing.pay(payment)
    billing.by_hand("void", invoice=one.number)
    drain()
    decide(billing, "credit")
    drain()
    give_back(payment, billing.house, 10000)
    drain()
    assert billing.standing(two) == ("PAID", "0.00")
    assert [row[:2] for row in billing.postings(payment)[-1:]] == [("refund", "posted")]
