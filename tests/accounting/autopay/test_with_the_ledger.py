"""From the ledger and back: a bookkeeper's invoice is charged automatically, posted, and mirrored as paid."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.autopay.charging import charge_scheduled_payment, schedule_due_payments
from accounting.autopay.terms import import_ledger_terms
from accounting.models import (
    AutoPayMapping,
    AutoPaySettings,
    BillingTerm,
    CreditMatch,
    CreditNote,
    LedgerInvoice,
    LedgerTerm,
    ScheduledPayment,
)
from tests.accounting.autopay.builders import GOOD_CARD, AutoPayBuilder
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.scenarios.base import list_ledger_rows
from tests.tenants import Tenant, deliver_outbox

pytestmark = pytest.mark.django_db(transaction=True)


class LedgerScenario:
    """A merchant whose ledger is mirrored, one billing term for all themes, and a payer with a card and a mapping."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.autopay = AutoPayBuilder(tenant)
        self.billing = InvoiceScenario(tenant)
        import_ledger_terms(tenant.merchant, now=timezone.now())
        themes = LedgerTerm.objects.exclude(term_id__startswith="theme-").exclude(term_id="")
        themes.update(billing_term=self.autopay.term)
        self.theme = themes[0].term_id
        self.autopay.company = self.billing.company
        self.mapping = self.autopay.create_mapping(self.autopay.save_card(GOOD_CARD))

    def create_invoice(self, amount: str = "349.00", **more: Any) -> LedgerInvoice:
        """An invoice of a bookkeeper, mirrored and planned."""
        field = {"xero": "branding_theme", "quickbooks": "term"}[self.tenant.connection.provider]
        invoice = self.billing.create_invoice(amount, **{field: self.theme} | more)
        deliver_outbox()
        return invoice

    def make_due(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """Make its scheduled payment due now."""
        ScheduledPayment.objects.filter(invoice=invoice, state="scheduled").update(run_at=timezone.now())
        return self.autopay.get_scheduled(invoice)

    def read_invoice(self, invoice: LedgerInvoice) -> tuple[str, float, list[float]]:
        """Status, amount due and payments of the invoice in the ledger."""
        [row] = list_ledger_rows(self.tenant, "Invoices", where=f'InvoiceNumber=="{invoice.number}"')
        amounts = [p["Amount"] for p in row["Payments"] if p.get("Status") != "DELETED"]
        return row["Status"], row["AmountDue"], amounts


@pytest.mark.parametrize(("due", "charged"), [("625.00", 0), ("100.00", 24900)])
def test_the_unused_credit_is_offered_instead_of_charging_anyway(any_tenant: Tenant, due: str, charged: int) -> None:
    scenario = LedgerScenario(any_tenant)
    AutoPaySettings.objects.update(from_quotes=AutoPaySettings.FromQuotes.NEVER)
    any_tenant.open_checkout(amounts={"due_now": due, "full_payment_allowed": False}).pay()
    deliver_outbox()
    before = any_tenant.total_charged()
    invoice = scenario.create_invoice("349.00")
    charge_scheduled_payment(scenario.make_due(invoice).pk, now=timezone.now())
    waiting = scenario.autopay.get_scheduled(invoice)
    assert waiting.state == "held"
    assert "Use a Credit" in any_tenant.admin.get(any_tenant.url("automatic-payments/failures")).content.decode()
    panel_path = any_tenant.url(f"credits/invoices/{invoice.reference}")
    assert (
        panel_path in any_tenant.admin.get(any_tenant.url(f"automatic-payments/p/{waiting.reference}")).content.decode()
    )
    note = CreditNote.objects.get()
    assert f'value="{note.number}"' in any_tenant.admin.get(panel_path).content.decode()
    answers = [any_tenant.admin.post(f"{panel_path}/applications", {"note": note.number}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    deliver_outbox()
    assert CreditMatch.objects.get().state == "applied"
    scenario.billing.sync_mirror()
    deliver_outbox()
    found = scenario.autopay.get_scheduled(invoice)
    if charged:
        assert (found.state, scenario.billing.get_invoice(invoice.number).due) == ("held", charged)
        any_tenant.admin.post(any_tenant.url(f"automatic-payments/p/{found.reference}/requeue"))
        deliver_outbox()
    else:
        assert (found.state, scenario.billing.get_invoice(invoice.number).status) == ("cancelled", "paid")
    assert any_tenant.total_charged() - before == charged


def test_a_stranger_uses_no_credit_of_ours(any_tenant: Tenant, stranger: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    invoice = scenario.create_invoice("349.00")
    for page in (any_tenant, stranger):
        path = page.url(f"credits/invoices/{invoice.reference}")
        assert stranger.admin.get(path).status_code == 404
        assert stranger.admin.post(f"{path}/applications", {"note": "PF_CR-1"}).status_code == 404


def test_an_invoice_of_the_ledger_is_charged_posted_and_mirrored(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    invoice = scenario.create_invoice()
    assert scenario.autopay.get_scheduled(invoice).amount == 34900, "the mirror enqueued planning"
    scenario.make_due(invoice)
    assert schedule_due_payments(now=timezone.now()) == 1
    deliver_outbox()
    assert scenario.autopay.get_scheduled(invoice).state == "settled"
    assert scenario.read_invoice(invoice) == ("PAID", 0.0, [349.0])
    scenario.billing.sync_mirror()
    deliver_outbox()
    assert scenario.billing.get_invoice(invoice.number).status == "paid"
    assert [row.state for row in ScheduledPayment.objects.filter(invoice=invoice)] == ["settled"]
    assert any_tenant.total_charged() == 34900


def test_a_credit_of_a_paid_quote_holds_the_charge_until_a_person_says_so(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    AutoPaySettings.objects.update(from_quotes=AutoPaySettings.FromQuotes.NEVER)
    assert any_tenant.open_checkout().pay().status_code == 200
    deliver_outbox()
    invoice = scenario.create_invoice("111.00")
    assert invoice.company_id == scenario.autopay.company.pk
    charge_scheduled_payment(scenario.make_due(invoice).pk, now=timezone.now())
    found = scenario.autopay.get_scheduled(invoice)
    assert found.state == "held"
    assert "PF_CR" in found.reason
    path = any_tenant.url(f"automatic-payments/p/{found.reference}/requeue")
    assert any_tenant.admin.post(path).status_code == 302
    deliver_outbox()
    assert scenario.autopay.get_scheduled(invoice).state == "settled"
    [allocation] = scenario.autopay.list_attempts(invoice)[0].payment.allocations.all()
    assert allocation.confirmed_by == any_tenant.user
    assert "PF_CR" in allocation.warning


def test_an_invoice_paid_in_the_ledger_meanwhile_is_not_charged(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    invoice = scenario.create_invoice()
    scenario.billing.act_in_ledger("pay", invoice=invoice.number, amount="349.00")
    scenario.make_due(invoice)
    scenario.billing.sync_mirror()
    deliver_outbox()
    assert scenario.autopay.get_scheduled(invoice).state == "cancelled"
    assert schedule_due_payments(now=timezone.now()) == 0
    assert any_tenant.total_charged() == 0


# ---- read again before it is charged ---------------------------------------------------------------


def expire_invoices(*invoices: LedgerInvoice) -> None:
    """Let these invoices have been read a while ago."""
    LedgerInvoice.objects.filter(pk__in=[row.pk for row in invoices]).update(
        read_at=timezone.now() - timedelta(minutes=11)
    )


def charge_when_due(scenario: LedgerScenario, invoice: LedgerInvoice) -> ScheduledPayment:
    """Charge an invoice that is due, long after it was read."""
    scheduled = scenario.make_due(invoice)
    expire_invoices(invoice)
    charge_scheduled_payment(scheduled.pk, now=timezone.now())
    deliver_outbox()
    return scenario.autopay.get_scheduled(invoice)


def test_what_was_paid_in_the_ledger_without_a_webhook_is_not_charged(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    invoice = scenario.create_invoice()
    scenario.billing.act_in_ledger("pay", invoice=invoice.number, amount="349.00")
    found = charge_when_due(scenario, invoice)
    assert (found.state, found.reason, any_tenant.total_charged()) == ("cancelled", "It is paid.", 0)


def test_of_what_was_part_paid_there_only_the_rest_is_charged(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    invoice = scenario.create_invoice()
    scenario.billing.act_in_ledger("pay", invoice=invoice.number, amount="300.00")
    assert charge_when_due(scenario, invoice).state == "settled"
    assert (any_tenant.total_charged(), scenario.read_invoice(invoice)[:2]) == (4900, ("PAID", 0.0))


def test_while_the_ledger_cannot_be_read_nothing_is_charged_and_afterwards_it_is(tenant: Tenant) -> None:
    scenario = LedgerScenario(tenant)
    invoice = scenario.create_invoice()
    tenant.world.fault("xero", "status", status=503, times=None)
    waiting = charge_when_due(scenario, invoice)
    assert (waiting.state, tenant.total_charged()) == ("scheduled", 0)
    assert "looked at in the accounting package. Xero answered 503" in waiting.reason
    tenant.world.clear_faults()
    at = timezone.now() + timedelta(minutes=12)
    assert schedule_due_payments(now=at) == 1
    deliver_outbox(at=at)
    assert scenario.autopay.get_scheduled(invoice).state == "settled"


def test_an_invoice_that_cannot_be_read_waits_and_is_not_taken_for_gone(tenant: Tenant) -> None:
    """A status of next year, as enum values of xero-php-oauth2#274 and xero-ruby#311."""
    scenario = LedgerScenario(tenant)
    invoice = scenario.create_invoice()
    spoiled = {"path": "/Invoices", "field": "Invoices.*.Status", "value": "UNHEARD"}
    tenant.world.fault("xero", "mutate", times=None, **spoiled)
    waiting = charge_when_due(scenario, invoice)
    assert (waiting.state, tenant.total_charged()) == ("scheduled", 0)
    assert "which we do not know" in waiting.reason


def test_an_invoice_that_the_ledger_does_not_have_is_put_on_hold(tenant: Tenant) -> None:
    scenario = LedgerScenario(tenant)
    invoice = scenario.create_invoice()
    LedgerInvoice.objects.filter(pk=invoice.pk).update(ledger_id="00000000-0000-4000-8000-000000000000")
    found = charge_when_due(scenario, invoice)
    assert (found.state, found.reason) == ("held", "The accounting package does not know the invoice any more.")
    assert tenant.total_charged() == 0


def test_all_that_are_due_are_read_in_one_call(tenant: Tenant) -> None:
    scenario = LedgerScenario(tenant)
    invoices = [scenario.create_invoice("5.00") for _ in range(3)]
    for invoice in invoices:
        scenario.make_due(invoice)
    expire_invoices(*invoices)
    before = len(tenant.world.journal("xero"))
    for invoice in invoices:
        charge_scheduled_payment(scenario.autopay.get_scheduled(invoice).pk, now=timezone.now())
    calls = tenant.world.journal("xero")[before:]
    assert [(e["method"], e["path"].rpartition("/")[2]) for e in calls] == [("GET", "Invoices")]
    assert tenant.total_charged() == 1500


def test_a_billing_term_may_cover_only_one_theme(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    second = BillingTerm.objects.create(merchant=any_tenant.merchant, name="Other", mode="days_after", days=3)
    LedgerTerm.objects.exclude(term_id__startswith="theme-").update(billing_term=second)
    AutoPayMapping.objects.filter(pk=scenario.mapping.pk).update(term=scenario.autopay.term)
    invoice = scenario.create_invoice()
    assert not ScheduledPayment.objects.filter(invoice=invoice).exists()
    assert invoice.unmatched.code == "unmatched"


def test_a_custom_field_of_quickbooks_or_the_reference_of_xero_names_the_billing_term(any_tenant: Tenant) -> None:
    scenario = LedgerScenario(any_tenant)
    named = BillingTerm.objects.create(merchant=any_tenant.merchant, name="By hand", keyword="AutoPay")
    AutoPayMapping.objects.filter(pk=scenario.mapping.pk).update(term=named)
    provider = any_tenant.connection.provider
    words: dict[str, Any] = {"xero": {"reference": "PO 7 autopay"}, "quickbooks": {"fields": {"Billing": "autopay"}}}
    assert scenario.autopay.get_scheduled(scenario.create_invoice(**words[provider])).amount == 34900
    assert scenario.create_invoice().unmatched.code == "unmatched"
