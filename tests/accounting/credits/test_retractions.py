"""Retractions: when a credit's payment is reversed, its allocation is cancelled, or removed where it was applied."""

import pytest
from django.utils import timezone

from accounting.credits.matching import update_company_matches
from accounting.invoices.balances import get_balances
from accounting.models import ManualTask
from accounting.posting.handlers import send_merchant_postings
from tests.accounting.credits.scenario import CreditScenario
from tests.accounting.posting.debits import CARD, AttemptScenario, hold_messages
from tests.tenants import Checkout, Tenant, deliver_outbox


@pytest.fixture
def scenario(any_tenant: Tenant) -> CreditScenario:
    """The scenario."""
    deliver_outbox()
    return CreditScenario(any_tenant)


def get_paid_attempt(scenario: CreditScenario, checkout: Checkout) -> AttemptScenario:
    """The attempt behind a paid quote, and what the gateway says next."""
    return AttemptScenario(scenario.tenant, checkout.attempts[0], CARD)


def create_approved_match(scenario: CreditScenario, checkout: Checkout) -> str:
    """An approved match whose posting was not sent; answers the number of its invoice."""
    invoice = scenario.billing.create_invoice("625.00", reference=f"Quote {checkout.quote.number}")
    update_company_matches(scenario.billing.company, now=timezone.now())
    assert scenario.get_match(checkout).state == "wanted"
    return invoice.number


def test_a_refund_goes_before_an_unsent_allocation(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    create_approved_match(scenario, checkout)
    hold_messages("accounting.drain_postings")
    get_paid_attempt(scenario, checkout).refund(62500)
    deliver_outbox()
    assert scenario.list_ledger_allocations(checkout) == []
    assert scenario.get_match(checkout).state == "withdrawn"
    assert scenario.list_postings(checkout) == [("allocation", "cancelled")]
    assert not ManualTask.objects.exists()


def test_what_remains_of_the_credit_after_a_refund_is_applied(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    scenario.billing.create_invoice("625.00", reference=scenario.get_note(checkout).number)
    update_company_matches(scenario.billing.company, now=timezone.now())
    assert scenario.get_match(checkout).amount == 62500
    hold_messages("accounting.drain_postings")
    get_paid_attempt(scenario, checkout).refund(10000)
    deliver_outbox()
    [(_, amount)] = scenario.list_ledger_allocations(checkout)
    assert amount == "525.00"
    assert scenario.get_note(checkout).state == "applied"
    assert not ManualTask.objects.exists()


def test_a_reversal_cancels_an_unsent_allocation(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    create_approved_match(scenario, checkout)
    hold_messages("accounting.drain_postings")
    get_paid_attempt(scenario, checkout).reverse()
    deliver_outbox()
    assert scenario.get_match(checkout).state == "withdrawn"
    assert scenario.get_note(checkout).state == "voided"
    assert scenario.count_calls("PUT") == 0


def test_a_reversal_takes_the_credit_off_its_invoice_and_voids_it_without_a_person(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    assert scenario.billing.get_ledger_status(invoice) == ("PAID", "0.00")
    get_paid_attempt(scenario, checkout).reverse()
    deliver_outbox()
    assert scenario.get_match(checkout).state == "undone"
    assert scenario.get_note(checkout).state == "voided"
    assert scenario.billing.get_ledger_status(invoice) == ("AUTHORISED", "625.00")
    assert not ManualTask.objects.exists()


def test_an_invoice_that_a_credit_has_just_paid_is_not_payable_before_the_mirror_reads_it(
    scenario: CreditScenario,
) -> None:
    checkout = scenario.pay_quote()
    create_approved_match(scenario, checkout)
    send_merchant_postings(merchant_id=scenario.tenant.merchant.pk, now=timezone.now())
    match = scenario.get_match(checkout)
    assert (match.state, match.synced_at, match.invoice.due) == ("applied", None, 62500)
    assert get_balances([match.invoice])[match.invoice_id].payable == 0
    assert "A$625.00 paid, waiting for the books" in scenario.billing.get_outstanding_widget()
    assert scenario.billing.submit_pay_invoice(match.invoice).status_code == 422
    update_company_matches(scenario.billing.company, now=timezone.now())
    assert scenario.get_match(checkout).state == "applied"
    deliver_outbox()
    assert scenario.get_match(checkout).synced_at


def test_a_debit_that_is_on_its_way_for_the_invoice_leaves_nothing_for_the_credit(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice(reference="Onboarding")
    debit = scenario.billing.pay_by_bank(scenario.billing.create_payment(invoice))
    assert debit["status"] == "settling"
    checkout = scenario.pay_quote()
    scenario.act_in_ledger("edit", invoice=invoice.number, reference=f"Quote {checkout.quote.number}")
    scenario.sync_mirror()
    assert get_balances([invoice])[invoice.pk].payable == 0
    assert scenario.list_match_states(checkout) == []
