"""The timeline of a quote: what is done, what is waiting, and what needs a person and why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.credits.matching import revert_match, save_threshold
from accounting.models import AccountingSettings, Posting
from payments.errors import get_operation_failure
from quotes.timeline import TimelineStep, get_timeline
from tests.accounting.credits.scenario import CreditScenario
from tests.accounting.posting.debits import CARD, AttemptScenario, submit_debit
from tests.tenants import Checkout, Tenant, deliver_outbox


@pytest.fixture
def scenario(tenant: Tenant) -> CreditScenario:
    """The house, its payer and its bookkeeper."""
    deliver_outbox()
    return CreditScenario(tenant)


def get_steps(checkout: Checkout, **later: float) -> dict[str, TimelineStep]:
    """The quote's steps by name, as of now or later."""
    return {step.name: step for step in get_timeline(checkout.quote, now=timezone.now() + timedelta(**later))}


def list_states(checkout: Checkout) -> list[str]:
    """How far each step is."""
    return [step.state for step in get_steps(checkout).values()]


def get_panel(scenario: CreditScenario, checkout: Checkout) -> str:
    """The panel."""
    path = scenario.tenant.url(f"quotes/timeline/{checkout.payment.reference}")
    return scenario.tenant.admin.get(path).content.decode()


def test_a_quote_whose_credit_was_applied_is_done_to_the_last_step(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    assert list_states(checkout) == ["done"] * 6
    found = get_steps(checkout)
    assert list(found) == ["accepted", "paid", "credit", "invoice", "applied", "synced"]
    assert found["paid"].words.startswith("A$625.00, Visa")
    assert found["credit"].words == f"A$625.00, {scenario.get_note(checkout).number}"
    assert found["invoice"].words == f"{invoice.number} over A$625.00"
    assert found["applied"].words == "A$625.00 went to the invoice."
    times = [step.at for step in found.values()]
    assert all(times)
    assert times == sorted(times, key=lambda at: at or timezone.now())
    text = get_panel(scenario, checkout)
    assert "every 5s" not in text
    assert "Needs a person" not in text


def test_an_unpaid_quote_waits_for_its_payer(scenario: CreditScenario) -> None:
    checkout = scenario.tenant.open_checkout()
    assert list_states(checkout) == ["done", "waiting", "later", "later", "later", "later"]
    assert get_steps(checkout)["paid"].words == "A$625.00 is due. Nobody has tried to pay it yet."


def test_a_declined_card_is_said_and_an_expired_quote_too(scenario: CreditScenario) -> None:
    checkout = scenario.tenant.open_checkout()
    checkout.pay("4000000000009995")
    paid = get_steps(checkout)["paid"]
    assert (paid.state, paid.words) == ("stuck", get_operation_failure(checkout.attempts[0]))
    assert paid.words
    assert get_steps(checkout, days=400)["paid"].words == "The quote expired unpaid."


def test_a_bank_debit_on_its_way_has_a_draft_that_waits(scenario: CreditScenario) -> None:
    checkout = scenario.tenant.open_checkout()
    submit_debit(scenario.tenant, checkout)
    deliver_outbox()
    found = get_steps(checkout)
    assert (found["paid"].state, found["credit"].state) == ("waiting", "waiting")
    assert "draft until the bank debit has settled" in found["credit"].words


MONEY = ("submitted", "paid", "returned", "refunded")
AFTER_DEBITS = {
    "settles": ["submitted done", "paid done"],
    "fails": ["submitted done", "paid stuck"],
    "returns": ["submitted done", "paid done", "returned stuck"],
    "part returns": ["submitted done", "paid done", "refunded done", "returned stuck"],
    "returns card declined": ["submitted done", "paid done", "returned done", "paid stuck"],
    "returns card": ["submitted done", "paid done", "returned done", "paid done"],
    "returns debit": ["submitted done", "paid done", "returned done", "paid waiting"],
    "returns card refunded": ["submitted done", "paid done", "returned done", "paid done", "refunded done"],
}


def follow_debit(scenario: CreditScenario, checkout: Checkout, happenings: list[str]) -> None:
    """What the payer's bank does with a debit, and what the payer does then."""
    debit = submit_debit(scenario.tenant, checkout)
    debit.fail() if "fails" in happenings else debit.settle()
    if "part" in happenings:
        debit.refund(10000)
    if "returns" in happenings:
        debit.reverse()
    if "card" in happenings:
        checkout.pay("4000000000009995" if "declined" in happenings else "4242424242424242")
    if "debit" in happenings:
        submit_debit(scenario.tenant, checkout)
    if "refunded" in happenings:
        AttemptScenario(scenario.tenant, checkout.attempts[-1], CARD).refund(62500)


@pytest.mark.parametrize("happenings", AFTER_DEBITS)
def test_everything_that_happened_to_the_money_has_its_time(scenario: CreditScenario, happenings: str) -> None:
    """A debit that is returned late stays in sight with what came before and after: no step is overwritten."""
    checkout = scenario.tenant.open_checkout()
    follow_debit(scenario, checkout, happenings.split())
    steps = [step for step in get_timeline(checkout.quote, now=timezone.now()) if step.name in MONEY]
    assert [f"{step.name} {step.state}" for step in steps] == AFTER_DEBITS[happenings]
    times = [step.at for step in steps]
    assert all(times)
    assert times == sorted(times, key=lambda at: at or timezone.now())
    assert "Returned" in get_panel(scenario, checkout) or "returns" not in happenings


def test_a_credit_without_an_invoice_says_since_when(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    assert list_states(checkout) == ["done", "done", "done", "waiting", "later", "later"]
    assert (
        get_steps(checkout)["invoice"].words
        == "No invoice that it could belong to yet. Once there is one, it is applied automatically."
    )
    assert (
        get_steps(checkout, days=4)["invoice"].words
        == "No invoice that it could belong to for 4 days. Once there is one, it is applied automatically."
    )


def test_a_match_that_waits_for_a_person_leads_to_the_page_where_it_is_decided(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    scenario.create_invoice(reference="Onboarding")
    applied = get_steps(checkout)["applied"]
    assert (applied.state, applied.url) == ("stuck", scenario.tenant.url("credits"))
    text = get_panel(scenario, checkout)
    assert "waits for a person." in text
    assert f'href="{scenario.tenant.url("credits")}"' in text


def test_books_that_cannot_be_written_are_the_reason(scenario: CreditScenario) -> None:
    AccountingSettings.objects.update(clearing_account="")
    checkout = scenario.pay_quote()
    credit = get_steps(checkout)["credit"]
    assert credit.state == "stuck"
    assert credit.words.startswith("Choose the clearing account")


def test_a_refused_document_says_what_the_books_said(scenario: CreditScenario) -> None:
    scenario.act_in_ledger("lock", date="2099-01-01")
    checkout = scenario.pay_quote()
    credit = get_steps(checkout)["credit"]
    assert credit.state == "stuck"
    assert "lock date" in credit.words
    assert credit.url == scenario.tenant.url("postings/")


def test_a_refused_allocation_and_one_on_its_way_are_told(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    scenario.billing.create_invoice("625.00", reference=f"Quote {checkout.quote.number}")
    scenario.act_in_ledger("lock", date="2099-01-01")
    deliver_outbox()
    applied = get_steps(checkout)["applied"]
    assert (applied.state, "lock date" in applied.words) == ("stuck", True)
    Posting.objects.filter(kind="allocation").update(state="pending")
    assert get_steps(checkout)["applied"].state == "moving"
    assert "every 5s" in get_panel(scenario, checkout)


def test_what_was_undone_waits_for_another_invoice(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    revert_match(scenario.get_match(checkout), by=scenario.tenant.user, now=timezone.now())
    assert get_steps(checkout)["applied"].words == "Being taken off again."
    deliver_outbox()
    assert get_steps(checkout)["invoice"].words.startswith(f"Invoice {invoice.number} was undone. No invoice")


def test_a_person_who_applied_it_is_named(scenario: CreditScenario) -> None:
    save_threshold(scenario.tenant.merchant, threshold=None, now=timezone.now())
    checkout = scenario.pay_quote()
    scenario.create_invoice("400.00", reference=scenario.get_note(checkout).number)
    match = scenario.get_match(checkout)
    scenario.tenant.admin.post(scenario.tenant.url(f"credits/{match.reference}/decisions"), {"act": "apply"})
    deliver_outbox()
    assert get_steps(checkout)["applied"].words == (
        f"A$400.00 went to the invoice, by {scenario.tenant.user}. A$225.00 of the credit is left."
    )


def test_a_stranger_sees_no_step(scenario: CreditScenario, stranger: Tenant) -> None:
    checkout = scenario.pay_quote()
    path = f"quotes/timeline/{checkout.payment.reference}"
    assert stranger.admin.get(scenario.tenant.url(path)).status_code == 404
    assert "No quote belongs to this payment." in stranger.admin.get(stranger.url(path)).content.decode()
