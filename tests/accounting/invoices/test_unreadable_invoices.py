"""An invoice that has become unreadable in the books is charged to nobody, and is payable again once it can be read.

Reports: xero-php-oauth2#274, #324; xero-ruby#311; node-quickbooks#128 (a value of a record that its reader refuses).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.autopay.charging import charge_scheduled_payment
from accounting.mirror.services import schedule_unreadable_invoices
from accounting.models import LedgerInvoice, PendingChange, ScheduledPayment, UnreadableRecord
from payments.models import Attempt, Payment
from tests.accounting.autopay.test_with_the_ledger import LedgerScenario
from tests.accounting.invoices.scenario import InvoiceScenario, get_future_time
from tests.accounting.mirror.ledger_actions import poll_everything
from tests.tenants import Tenant, deliver_outbox

Spoil = Callable[[LedgerInvoice], None]
WORDS = "we cannot read the change yet"
PLACES = {
    "xero": {"/Invoices*": "Invoices.*.AmountDue"},
    "quickbooks": {
        "*/cdc": "CDCResponse.*.QueryResponse.*.Invoice.*.Balance",
        "*/query": "QueryResponse.Invoice.*.Balance",
        "*/batch": "BatchItemResponse.*.QueryResponse.Invoice.*.Balance",
    },
}


@pytest.fixture
def billing(any_tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(any_tenant)


@contextmanager
def unreadable_amounts(tenant: Tenant) -> Iterator[None]:
    """What is due on invoices is told in words for the length of a block."""
    provider = tenant.connection.provider
    for path, field in PLACES[provider].items():
        tenant.world.fault(provider, "mutate", path=path, field=field, value="a few", times=None)
    try:
        yield
    finally:
        tenant.world.clear_faults()


def reduce(billing: InvoiceScenario, invoice: LedgerInvoice, amount: str) -> None:
    """Let the bookkeeper record money that came another way."""
    billing.act_in_ledger("pay", invoice=invoice.number, amount=amount)


def test_nothing_is_offered_or_taken_until_the_invoice_is_read_again(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    other = billing.create_invoice("80.00")
    chosen = billing.create_payment(invoice)
    with unreadable_amounts(billing.tenant):
        reduce(billing, invoice, "200.00")
        poll_everything()
        assert UnreadableRecord.objects.filter(ledger_id=invoice.ledger_id).exists()
        page = billing.client.get(f"/my/invoices/{invoice.reference}").content.decode()
        assert WORDS in page
        assert 'name="amount"' not in page
        assert billing.submit_pay_invoice(invoice).status_code == 422
        assert "we look again what is due" in billing.get_outstanding_widget()
        batch = billing.submit_batch({invoice: "500.00", other: "80.00"})
        assert batch.status_code != 302 or not billing.get_payment_by_path(batch["Location"]).allocations.filter(
            invoice=invoice
        )
        answer = billing.pay(chosen)
        assert WORDS in str(answer)
    assert not Attempt.objects.exists()
    assert billing.tenant.total_charged() == 0
    assert schedule_unreadable_invoices(now=timezone.now()) == 0, "it was looked at just now"
    later, count = get_future_time(hours=2), UnreadableRecord.objects.count()
    assert [schedule_unreadable_invoices(now=later) for _ in range(2)] == [count, 0], "once an hour"
    deliver_outbox(at=later)
    assert not UnreadableRecord.objects.exists()
    assert billing.get_invoice(invoice.number).due == 30000
    assert "At most A$300.00" in billing.submit_pay_invoice(invoice, "500.00").content.decode()
    assert billing.pay(billing.create_payment(billing.get_invoice(invoice.number)))["status"] == "succeeded"
    assert billing.tenant.total_charged() == 30000


def test_an_invoice_that_stays_unreadable_is_asked_for_once_an_hour(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    with unreadable_amounts(billing.tenant):
        reduce(billing, invoice, "200.00")
        poll_everything()
        found = []
        for hours in (2, 2.5, 3.1):
            found.append(schedule_unreadable_invoices(now=get_future_time(hours=hours)))
            deliver_outbox(at=get_future_time(hours=hours))
    assert found == [1, 0, 1]
    assert UnreadableRecord.objects.get().ledger_id == invoice.ledger_id
    assert not PendingChange.objects.filter(read_at=None).exists()


def test_a_stranger_with_the_same_number_is_not_held_up(billing: InvoiceScenario, stranger: Tenant) -> None:
    invoice = billing.create_invoice("500.00")
    with unreadable_amounts(billing.tenant):
        reduce(billing, invoice, "200.00")
        poll_everything()
    UnreadableRecord.objects.update(merchant=stranger.merchant)
    assert billing.pay(billing.create_payment(invoice))["status"] == "succeeded"


def test_an_automatic_payment_waits_and_then_takes_what_is_due(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    invoice = scenario.create_invoice()
    scheduled = scenario.make_due(invoice)
    with unreadable_amounts(any_tenant):
        reduce(scenario.billing, invoice, "149.00")
        poll_everything()
        charge_scheduled_payment(scheduled.pk, now=timezone.now())
    found = scenario.autopay.get_scheduled(invoice)
    assert (found.state, any_tenant.total_charged()) == ("scheduled", 0)
    assert "can" in found.reason
    assert found.run_at > timezone.now()
    ScheduledPayment.objects.filter(pk=found.pk).update(run_at=timezone.now() - timedelta(seconds=1))
    charge_scheduled_payment(found.pk, now=timezone.now())
    assert any_tenant.total_charged() == 20000
    assert Payment.objects.get(origin="automatic").amount == 20000
