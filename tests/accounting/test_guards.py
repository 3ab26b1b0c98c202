"""The duplicate guard: what may pay an invoice already is said, and paid again only by somebody who says so."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounting.guards import possible_duplicates
from accounting.invoice_rows import company_of
from accounting.models import CreditMatch, CreditNote, LedgerInvoice, ScheduledPayment
from accounting.paying import MayBePaidAlready, Part, promise_invoice_payment
from payments.models import Payment
from tests.accounting.invoices import Billing, later
from tests.people import House

Drain = Callable[..., int]


@pytest.fixture
def billing(house: House) -> Billing:
    return Billing(house)


@pytest.fixture
def credit(billing: Billing, drain: Drain) -> CreditNote:
    """The credit of a paid quote that nobody has used."""
    billing.house.open_checkout().pay()
    drain()
    return CreditNote.objects.get()


def kinds(*invoices: LedgerInvoice) -> list[str]:
    """What the guard finds."""
    return [doubt.kind for doubt in possible_duplicates(invoices, now=timezone.now())]


def schedule(invoice: LedgerInvoice) -> ScheduledPayment:
    """An automatic payment of the invoice that is to come."""
    return ScheduledPayment.objects.create(
        merchant=invoice.merchant,
        company=company_of(invoice),
        invoice=invoice,
        amount=invoice.due,
        run_at=later(days=3),
        state="scheduled",
        state_at=timezone.now(),
    )


def test_without_anything_else_there_is_no_doubt(billing: Billing) -> None:
    assert kinds(billing.bill("625.00")) == []


def test_an_unused_credit_is_said_with_its_amount_and_paid_anyway_only_with_a_tick(
    billing: Billing, credit: CreditNote
) -> None:
    invoice = billing.bill("625.00")
    page = billing.client.get(f"/my/invoices/{invoice.reference}").content.decode()
    assert credit.number in page
    assert "its credit of A$625.00" in page
    refused = billing.choose(invoice)
    assert refused.status_code == 422
    assert "tick this if you want to pay anyway" in refused.content.decode()
    assert not Payment.objects.filter(origin="invoices").exists()
    payment = billing.chosen(invoice, confirmed="on")
    [share] = billing.shares(payment)
    assert credit.number in share.warning
    assert (share.confirmed_by, share.confirmed_at is not None) == (billing.access.user, True)
    assert billing.pay(payment)["status"] == "succeeded"
    shown = billing.house.admin.get(billing.house.url(f"postings/of/{payment.reference}")).content.decode()
    assert "Paid anyway by" in shown


def test_a_used_or_dismissed_credit_is_no_doubt(billing: Billing, credit: CreditNote) -> None:
    one, two = billing.bill("625.00"), billing.bill("300.00")
    assert kinds(one, two) == ["credit", "credit"]
    now = timezone.now()
    CreditMatch.objects.create(
        merchant=one.merchant, note=credit, invoice=one, amount=100, confidence=20, state="dismissed", state_at=now
    )
    assert kinds(one, two) == ["credit"]
    billing.by_hand("allocate", credit_note=credit.number, invoice=two.number, amount="300.00")
    billing.read()
    [doubt] = possible_duplicates([two], now=now)
    assert doubt.amount.amount == 32500
    CreditNote.objects.update(remaining=0)
    assert kinds(one, two) == []


def test_a_credit_of_another_company_or_currency_is_no_doubt(billing: Billing, credit: CreditNote) -> None:
    other = Billing(billing.house, name="Reef Physio", email="reef@example.com")
    assert kinds(other.bill("625.00"), billing.bill("625.00", currency="USD")) == []


def test_a_credit_that_only_the_books_know_counts_too(billing: Billing) -> None:
    billing.by_hand("make_credit_note", contact=billing.name, amount="80.00", number="PF_CR-OLD")
    billing.by_hand("make_credit_note", contact=billing.name, amount="90.00", number="CN-0001")
    invoice = billing.bill("625.00")
    [doubt] = possible_duplicates([invoice], now=timezone.now())
    assert (doubt.kind, doubt.amount.plain) == ("credit", "80.00")


def test_a_debit_in_flight_is_said_and_a_second_part_needs_the_tick(billing: Billing) -> None:
    invoice = billing.bill("500.00")
    billing.pay_by_bank(billing.chosen(invoice, "300.00"))
    assert kinds(invoice) == ["in_flight"]
    answer = billing.choose(invoice, "200.00")
    assert (answer.status_code, "is being processed already" in answer.content.decode()) == (422, True)
    assert billing.pay(billing.chosen(invoice, "200.00", confirmed="on"))["status"] == "succeeded"


def test_a_scheduled_payment_is_said_but_not_to_the_one_who_runs_it(billing: Billing) -> None:
    invoice = billing.bill("500.00")
    schedule(invoice)
    assert kinds(invoice) == ["scheduled"]
    assert "will be taken by itself" in billing.choose(invoice).content.decode()
    widget = billing.outstanding()
    assert "icon-calendar" in widget
    assert "Scheduled: A$500.00 on" in widget
    parts = [Part(invoice, 50000)]
    own = promise_invoice_payment(billing.company, parts, by=None, origin="automatic", now=later())
    assert own.origin == "automatic"


def test_an_automatic_payment_is_not_promised_while_a_credit_is_open(billing: Billing, credit: CreditNote) -> None:
    invoice = billing.bill("625.00")
    with pytest.raises(MayBePaidAlready) as told:
        promise_invoice_payment(
            billing.company, [Part(invoice, 62500)], by=None, origin="automatic", now=timezone.now()
        )
    assert credit.number in told.value.sentences[0]


def test_a_batch_says_which_invoice_may_be_paid_already(billing: Billing) -> None:
    one, two = billing.bill("500.00"), billing.bill("200.00")
    schedule(one)
    answer = billing.batch({one: "500.00", two: "200.00"})
    assert answer.status_code == 422
    assert f"A$500.00 for invoice {one.number} will be taken" in answer.content.decode()
    payment = billing.payment_behind(billing.batch({one: "500.00", two: "200.00"}, confirmed="on")["Location"])
    told = {share.invoice.number: bool(share.warning) for share in billing.shares(payment)}
    assert told == {one.number: True, two.number: False}


def test_a_doubt_that_came_up_after_choosing_stops_the_charge(billing: Billing, drain: Drain) -> None:
    invoice = billing.bill("625.00")
    payment = billing.chosen(invoice)
    billing.house.open_checkout().pay()
    drain()
    answer = billing.pay(payment)
    assert answer["code"] == "may_be_paid_already"
    assert "Choose again" in billing.client.get(answer["next"]).content.decode()
    assert billing.house.charged() == 62500
