"""Duplicate check: warnings about what may pay an invoice already, and payments that confirm them."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounting.invoices.duplicates import find_duplicate_warnings
from accounting.invoices.selectors import get_company
from accounting.invoices.services import InvoiceAmount, MayBePaidAlready, create_invoice_payment
from accounting.models import CreditMatch, CreditNote, LedgerInvoice, ScheduledPayment
from payments.models import Payment
from tests.accounting.invoices.scenario import InvoiceScenario, get_future_time
from tests.tenants import Tenant

Deliver = Callable[..., int]


@pytest.fixture
def billing(tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(tenant)


@pytest.fixture
def credit(billing: InvoiceScenario, deliver: Deliver) -> CreditNote:
    """The credit of a paid quote that nobody has used."""
    billing.tenant.open_checkout().pay()
    deliver()
    return CreditNote.objects.get()


def list_warning_kinds(*invoices: LedgerInvoice) -> list[str]:
    """The kinds of the warnings."""
    return [warning.kind for warning in find_duplicate_warnings(invoices, now=timezone.now())]


def create_scheduled_payment(invoice: LedgerInvoice) -> ScheduledPayment:
    """A scheduled payment of the invoice."""
    return ScheduledPayment.objects.create(
        merchant=invoice.merchant,
        company=get_company(invoice),
        invoice=invoice,
        amount=invoice.due,
        run_at=get_future_time(days=3),
        state="scheduled",
        state_at=timezone.now(),
    )


def test_without_anything_else_there_is_no_warning(billing: InvoiceScenario) -> None:
    assert list_warning_kinds(billing.create_invoice("625.00")) == []


def test_an_unused_credit_is_a_warning_with_its_amount_that_has_to_be_confirmed(
    billing: InvoiceScenario, credit: CreditNote
) -> None:
    invoice = billing.create_invoice("625.00")
    page = billing.client.get(f"/my/invoices/{invoice.reference}").content.decode()
    assert credit.number in page
    assert "its credit of A$625.00" in page
    assert f"{billing.tenant.merchant} can use the credit for you" in page
    refused = billing.submit_pay_invoice(invoice)
    assert refused.status_code == 422
    assert "tick this if you want to pay anyway" in refused.content.decode()
    assert not Payment.objects.filter(origin="invoices").exists()
    payment = billing.create_payment(invoice, confirmed="on")
    [allocation] = billing.list_allocations(payment)
    assert credit.number in allocation.warning
    assert (allocation.confirmed_by, allocation.confirmed_at is not None) == (billing.access.user, True)
    assert billing.pay(payment)["status"] == "succeeded"
    shown = billing.tenant.admin.get(billing.tenant.url(f"postings/of/{payment.reference}")).content.decode()
    assert "Paid anyway by" in shown


def test_a_used_or_dismissed_credit_gives_no_warning(billing: InvoiceScenario, credit: CreditNote) -> None:
    one, two = billing.create_invoice("625.00"), billing.create_invoice("300.00")
    assert list_warning_kinds(one, two) == ["credit", "credit"]
    now = timezone.now()
    CreditMatch.objects.create(
        merchant=one.merchant, note=credit, invoice=one, amount=100, confidence=20, state="dismissed", state_at=now
    )
    assert list_warning_kinds(one, two) == ["credit"]
    billing.act_in_ledger("allocate", credit_note=credit.number, invoice=two.number, amount="300.00")
    billing.sync_mirror()
    [warning] = find_duplicate_warnings([two], now=now)
    assert warning.amount.amount == 32500
    CreditNote.objects.update(remaining=0)
    assert list_warning_kinds(one, two) == []


def test_a_credit_of_another_company_or_currency_gives_no_warning(billing: InvoiceScenario, credit: CreditNote) -> None:
    other = InvoiceScenario(billing.tenant, name="Reef Physio", email="reef@example.com")
    assert list_warning_kinds(other.create_invoice("625.00"), billing.create_invoice("625.00", currency="USD")) == []


def test_a_credit_that_only_the_books_know_counts_too(billing: InvoiceScenario) -> None:
    billing.act_in_ledger("make_credit_note", contact=billing.name, amount="80.00", number="PF_CR-OLD")
    billing.act_in_ledger("make_credit_note", contact=billing.name, amount="90.00", number="CN-0001")
    invoice = billing.create_invoice("625.00")
    [warning] = find_duplicate_warnings([invoice], now=timezone.now())
    assert (warning.kind, warning.amount.plain) == ("credit", "80.00")


def test_a_debit_in_flight_is_a_warning_and_a_second_part_has_to_be_confirmed(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    billing.pay_by_bank(billing.create_payment(invoice, "300.00"))
    assert list_warning_kinds(invoice) == ["in_flight"]
    answer = billing.submit_pay_invoice(invoice, "200.00")
    assert (answer.status_code, "is being processed already" in answer.content.decode()) == (422, True)
    assert billing.pay(billing.create_payment(invoice, "200.00", confirmed="on"))["status"] == "succeeded"


def test_a_scheduled_payment_is_a_warning_but_not_to_itself(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    create_scheduled_payment(invoice)
    assert list_warning_kinds(invoice) == ["scheduled"]
    assert "will be taken automatically" in billing.submit_pay_invoice(invoice).content.decode()
    widget = billing.get_outstanding_widget()
    assert "icon-calendar" in widget
    assert "Scheduled: A$500.00 on" in widget
    parts = [InvoiceAmount(invoice, 50000)]
    own = create_invoice_payment(billing.company, parts, by=None, origin="automatic", now=get_future_time())
    assert own.origin == "automatic"


def test_an_automatic_payment_is_not_created_while_a_credit_is_open(
    billing: InvoiceScenario, credit: CreditNote
) -> None:
    invoice = billing.create_invoice("625.00")
    with pytest.raises(MayBePaidAlready) as refused:
        create_invoice_payment(
            billing.company, [InvoiceAmount(invoice, 62500)], by=None, origin="automatic", now=timezone.now()
        )
    assert credit.number in refused.value.messages[0]


def test_a_batch_says_which_invoice_may_be_paid_already(billing: InvoiceScenario) -> None:
    one, two = billing.create_invoice("500.00"), billing.create_invoice("200.00")
    create_scheduled_payment(one)
    answer = billing.submit_batch({one: "500.00", two: "200.00"})
    assert answer.status_code == 422
    assert f"A$500.00 for invoice {one.number} will be taken" in answer.content.decode()
    payment = billing.get_payment_by_path(
        billing.submit_batch({one: "500.00", two: "200.00"}, confirmed="on")["Location"]
    )
    warned = {allocation.invoice.number: bool(allocation.warning) for allocation in billing.list_allocations(payment)}
    assert warned == {one.number: True, two.number: False}


def test_a_warning_that_came_up_after_choosing_stops_the_charge(billing: InvoiceScenario, deliver: Deliver) -> None:
    invoice = billing.create_invoice("625.00")
    payment = billing.create_payment(invoice)
    billing.tenant.open_checkout().pay()
    deliver()
    answer = billing.pay(payment)
    assert answer["code"] == "may_be_paid_already"
    assert "Choose again" in billing.client.get(answer["next"]).content.decode()
    assert billing.tenant.total_charged() == 62500
