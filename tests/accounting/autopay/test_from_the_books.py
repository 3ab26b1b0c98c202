"""From the books and back: an invoice that a bookkeeper makes is charged by itself, booked, and seen as paid."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.autopay.running import arm_due, run_scheduled
from accounting.autopay.terms import read_ledger_terms
from accounting.models import (
    AutoPayMapping,
    AutoPaySettings,
    BillingTerm,
    LedgerInvoice,
    LedgerTerm,
    ScheduledPayment,
)
from tests.accounting.autopay.stage import GOOD, Stage
from tests.accounting.invoices import Billing
from tests.journeys import rows_of
from tests.people import House, drain_outbox

pytestmark = pytest.mark.django_db(transaction=True)


class Books:
    """A merchant whose books are read, one billing term over all themes, and a payer with a card and a mapping."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.stage = Stage(house)
        self.billing = Billing(house)
        read_ledger_terms(house.merchant, now=timezone.now())
        themes = LedgerTerm.objects.exclude(term_id__startswith="theme-").exclude(term_id="")
        themes.update(billing_term=self.stage.term)
        self.theme = themes[0].term_id
        self.stage.company = self.billing.company
        self.mapping = self.stage.map(self.stage.card(GOOD))

    def bill(self, amount: str = "349.00", **more: Any) -> LedgerInvoice:
        """A bookkeeper's invoice that the mirror has read and planning has seen."""
        word = {"xero": "branding_theme", "quickbooks": "term"}[self.house.connection.provider]
        invoice = self.billing.bill(amount, **{word: self.theme} | more)
        drain_outbox()
        return invoice

    def make_due(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """Its time has come."""
        ScheduledPayment.objects.filter(invoice=invoice, state="scheduled").update(run_at=timezone.now())
        return self.stage.scheduled(invoice)

    def in_books(self, invoice: LedgerInvoice) -> tuple[str, float, list[float]]:
        """Status, what is due, and the payments of it in the books."""
        [row] = rows_of(self.house, "Invoices", where=f'InvoiceNumber=="{invoice.number}"')
        standing = [p["Amount"] for p in row["Payments"] if p.get("Status") != "DELETED"]
        return row["Status"], row["AmountDue"], standing


def test_an_invoice_of_the_books_is_charged_booked_and_mirrored(any_house: House) -> None:
    books = Books(any_house)
    invoice = books.bill()
    assert books.stage.scheduled(invoice).amount == 34900, "the mirror woke planning"
    books.make_due(invoice)
    assert arm_due(now=timezone.now()) == 1
    drain_outbox()
    assert books.stage.scheduled(invoice).state == "settled"
    assert books.in_books(invoice) == ("PAID", 0.0, [349.0])
    books.billing.read()
    drain_outbox()
    assert books.billing.invoice(invoice.number).status == "paid"
    assert [row.state for row in ScheduledPayment.objects.filter(invoice=invoice)] == ["settled"]
    assert any_house.charged() == 34900


def test_a_credit_of_a_paid_quote_holds_the_charge_until_a_person_says_so(any_house: House) -> None:
    books = Books(any_house)
    AutoPaySettings.objects.update(from_quotes=AutoPaySettings.FromQuotes.NEVER)
    assert any_house.open_checkout().pay().status_code == 200
    drain_outbox()
    invoice = books.bill("111.00")
    assert invoice.company_id == books.stage.company.pk
    run_scheduled(books.make_due(invoice).pk, now=timezone.now())
    held = books.stage.scheduled(invoice)
    assert held.state == "held"
    assert "PF_CR" in held.reason
    path = any_house.url(f"automatic-payments/p/{held.reference}/requeue")
    assert any_house.admin.post(path).status_code == 302
    drain_outbox()
    assert books.stage.scheduled(invoice).state == "settled"
    [share] = books.stage.attempts(invoice)[0].payment.shares.all()
    assert share.confirmed_by == any_house.user
    assert "PF_CR" in share.warning


def test_an_invoice_paid_in_the_books_meanwhile_is_not_charged(any_house: House) -> None:
    books = Books(any_house)
    invoice = books.bill()
    books.billing.by_hand("pay", invoice=invoice.number, amount="349.00")
    books.make_due(invoice)
    books.billing.read()
    drain_outbox()
    assert books.stage.scheduled(invoice).state == "cancelled"
    assert arm_due(now=timezone.now()) == 0
    assert any_house.charged() == 0


# ---- looked at once more ----------------------------------------------------------------------------


def forget(*invoices: LedgerInvoice) -> None:
    """A while passes since these were read."""
    LedgerInvoice.objects.filter(pk__in=[row.pk for row in invoices]).update(
        read_at=timezone.now() - timedelta(minutes=11)
    )


def run(books: Books, invoice: LedgerInvoice) -> ScheduledPayment:
    """Its time has come, long after it was read."""
    scheduled = books.make_due(invoice)
    forget(invoice)
    run_scheduled(scheduled.pk, now=timezone.now())
    drain_outbox()
    return books.stage.scheduled(invoice)


def test_what_was_paid_in_the_books_and_nobody_told_is_not_charged(any_house: House) -> None:
    books = Books(any_house)
    invoice = books.bill()
    books.billing.by_hand("pay", invoice=invoice.number, amount="349.00")
    ended = run(books, invoice)
    assert (ended.state, ended.reason, any_house.charged()) == ("cancelled", "It is paid.", 0)


def test_of_what_was_part_paid_there_only_the_rest_is_charged(any_house: House) -> None:
    books = Books(any_house)
    invoice = books.bill()
    books.billing.by_hand("pay", invoice=invoice.number, amount="300.00")
    assert run(books, invoice).state == "settled"
    assert (any_house.charged(), books.in_books(invoice)[:2]) == (4900, ("PAID", 0.0))


def test_while_the_books_cannot_be_asked_nothing_is_charged_and_afterwards_it_is(house: House) -> None:
    books = Books(house)
    invoice = books.bill()
    house.world.fault("xero", "status", status=503, times=None)
    waiting = run(books, invoice)
    assert (waiting.state, house.charged()) == ("scheduled", 0)
    assert "looked at in the accounting package. Xero answered 503" in waiting.reason
    house.world.clear_faults()
    at = timezone.now() + timedelta(minutes=12)
    assert arm_due(now=at) == 1
    drain_outbox(at=at)
    assert books.stage.scheduled(invoice).state == "settled"


def test_an_invoice_that_the_books_do_not_know_is_held(house: House) -> None:
    books = Books(house)
    invoice = books.bill()
    LedgerInvoice.objects.filter(pk=invoice.pk).update(ledger_id="00000000-0000-4000-8000-000000000000")
    held = run(books, invoice)
    assert (held.state, held.reason) == ("held", "The accounting package does not know the invoice any more.")
    assert house.charged() == 0


def test_all_that_are_due_are_looked_at_in_one_call(house: House) -> None:
    books = Books(house)
    invoices = [books.bill("5.00") for _ in range(3)]
    for invoice in invoices:
        books.make_due(invoice)
    forget(*invoices)
    before = len(house.world.journal("xero"))
    for invoice in invoices:
        run_scheduled(books.stage.scheduled(invoice).pk, now=timezone.now())
    asked = house.world.journal("xero")[before:]
    assert [(e["method"], e["path"].rpartition("/")[2]) for e in asked] == [("GET", "Invoices")]
    assert house.charged() == 1500


def test_a_billing_term_may_cover_only_one_theme(any_house: House) -> None:
    books = Books(any_house)
    second = BillingTerm.objects.create(merchant=any_house.merchant, name="Other", mode="days_after", days=3)
    LedgerTerm.objects.exclude(term_id__startswith="theme-").update(billing_term=second)
    AutoPayMapping.objects.filter(pk=books.mapping.pk).update(term=books.stage.term)
    invoice = books.bill()
    assert not ScheduledPayment.objects.filter(invoice=invoice).exists()
    assert invoice.unmatched.code == "unmatched"


def test_a_custom_field_of_quickbooks_or_the_reference_of_xero_names_the_billing_term(any_house: House) -> None:
    books = Books(any_house)
    named = BillingTerm.objects.create(merchant=any_house.merchant, name="By hand", keyword="AutoPay")
    AutoPayMapping.objects.filter(pk=books.mapping.pk).update(term=named)
    provider = any_house.connection.provider
    words: dict[str, Any] = {"xero": {"reference": "PO 7 autopay"}, "quickbooks": {"fields": {"Billing": "autopay"}}}
    assert books.stage.scheduled(books.bill(**words[provider])).amount == 34900
    assert books.bill().unmatched.code == "unmatched"
