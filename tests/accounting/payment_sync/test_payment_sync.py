"""Payment Sync: what was paid or credited in the ledger since a date, and what that changed."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounting.models import LedgerApplication, PaymentSync, ScheduledPayment
from accounting.payment_sync.services import build_sync_lines, get_default_since, list_applications, start_payment_sync
from connections.models import Connection
from tests.accounting.credits.scenario import CreditScenario
from tests.accounting.invoices.scenario import only_xero
from tests.tenants import Tenant, deliver_outbox


@pytest.fixture
def scenario(any_tenant: Tenant) -> CreditScenario:
    """The scenario."""
    deliver_outbox()
    return CreditScenario(any_tenant)


def press_sync(scenario: CreditScenario, since: str = "") -> str:
    """Press Sync Payments and let the worker do it; answers the page then."""
    path = scenario.tenant.url("books/sync")
    assert scenario.tenant.admin.post(path, {"since": since} if since else {}).status_code == 302
    deliver_outbox()
    return scenario.tenant.admin.get(path).content.decode()


def get_sync_effects(scenario: CreditScenario) -> dict[str, tuple[str, ...]]:
    """The effects of the last sync by invoice."""
    sync = PaymentSync.objects.select_related("merchant").latest("pk")
    return {line.invoice.number: line.effects for line in build_sync_lines(sync, list_applications(sync))}


def test_what_was_paid_elsewhere_is_found_and_not_outstanding_any_more(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice("500.00")
    scenario.act_in_ledger("pay", invoice=invoice.number, amount="500.00")
    page = press_sync(scenario)
    assert scenario.billing.get_invoice(invoice.number).status == "paid"
    assert get_sync_effects(scenario) == {invoice.number: ("Paid elsewhere.", "Not outstanding any more.")}
    assert "Paid elsewhere." in page
    sync = PaymentSync.objects.get()
    assert (sync.state, sync.payments, sync.credits, sync.invoices) == ("finished", 1, 0, 1)


def test_a_part_payment_says_what_is_still_outstanding(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice("500.00")
    scenario.act_in_ledger("pay", invoice=invoice.number, amount="120.00")
    press_sync(scenario)
    assert get_sync_effects(scenario) == {invoice.number: ("Paid elsewhere.", "A$380.00 still outstanding.")}


def test_our_own_payments_are_shown_as_ours(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    credited = scenario.create_invoice(reference=f"Quote {checkout.quote.number}")
    paid = scenario.create_invoice("80.00", reference="Hardware")
    payment = scenario.billing.create_payment(paid, confirmed="on")
    scenario.billing.pay(payment)
    deliver_outbox()
    press_sync(scenario)
    assert get_sync_effects(scenario) == {
        credited.number: (f"Credit of {checkout.payment.purpose}, synced.", "Not outstanding any more."),
        paid.number: ("Paid with Wise-Pay, and the books agree.", "Not outstanding any more."),
    }


def test_a_credit_that_a_bookkeeper_applied_is_synced(scenario: CreditScenario) -> None:
    checkout = scenario.pay_quote()
    invoice = scenario.create_invoice("980.00", reference="Hardware")
    scenario.act_in_ledger("allocate", credit_note=scenario.get_note(checkout).number, invoice=invoice.number)
    press_sync(scenario)
    match = scenario.get_match(checkout)
    assert (match.state, match.synced_at is not None) == ("applied", True)
    assert get_sync_effects(scenario)[invoice.number][0] == f"Credit of {checkout.payment.purpose}, synced."


def test_a_credit_that_is_not_ours_is_shown_by_its_number(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice("500.00")
    scenario.act_in_ledger("make_credit_note", contact=scenario.billing.name, amount="90.00", number="CN-77")
    scenario.act_in_ledger("allocate", credit_note="CN-77", invoice=invoice.number)
    press_sync(scenario)
    assert get_sync_effects(scenario) == {
        invoice.number: ("Credited in the accounting package by CN-77.", "A$410.00 still outstanding.")
    }


def test_the_same_sync_again_changes_nothing_and_reads_only_what_changed(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice("500.00")
    scenario.act_in_ledger("pay", invoice=invoice.number)
    day = timezone.now().date().isoformat()
    press_sync(scenario, day)
    before, rows = get_sync_effects(scenario), list(LedgerApplication.objects.values())
    press_sync(scenario, day)
    assert get_sync_effects(scenario) == before
    assert list(LedgerApplication.objects.values()) == rows


def test_by_itself_it_looks_since_the_last_one_that_finished(scenario: CreditScenario) -> None:
    first = scenario.create_invoice("500.00")
    scenario.act_in_ledger("pay", invoice=first.number)
    press_sync(scenario)
    assert get_default_since(scenario.tenant.merchant, now=timezone.now()) == PaymentSync.objects.get().created_at
    second = scenario.create_invoice("70.00")
    scenario.act_in_ledger("pay", invoice=second.number, date="2026-01-05")
    press_sync(scenario)
    assert second.number in get_sync_effects(scenario)


def test_nothing_before_the_date_is_shown(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice("500.00")
    scenario.act_in_ledger("pay", invoice=invoice.number, date="2026-01-05")
    press_sync(scenario, "2026-01-06")
    assert get_sync_effects(scenario) == {}
    press_sync(scenario, "2026-01-05")
    assert list(get_sync_effects(scenario)) == [invoice.number]


def test_a_scheduled_payment_of_an_invoice_that_is_paid_elsewhere_is_shown_as_cancelled(
    scenario: CreditScenario,
) -> None:
    invoice = scenario.create_invoice("500.00")
    now = timezone.now()
    ScheduledPayment.objects.create(
        merchant=scenario.tenant.merchant, company=scenario.billing.company, invoice=invoice, amount=50000,
        run_at=now + timedelta(days=3), state="cancelled", state_at=now,
    )  # fmt: skip
    scenario.act_in_ledger("pay", invoice=invoice.number)
    press_sync(scenario)
    assert PaymentSync.objects.get().cancelled == 1
    assert any("cancelled." in effect for effect in get_sync_effects(scenario)[invoice.number])


def test_a_day_that_has_not_come_is_refused(scenario: CreditScenario) -> None:
    later = (timezone.now() + timedelta(days=3)).date().isoformat()
    answer = scenario.tenant.admin.post(scenario.tenant.url("books/sync"), {"since": later})
    assert answer.status_code == 422
    assert not PaymentSync.objects.exists()


def test_the_first_day_of_all_means_everything(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice("500.00")
    scenario.act_in_ledger("pay", invoice=invoice.number, date="2020-02-03")
    press_sync(scenario, "0001-01-01")
    assert list(get_sync_effects(scenario)) == [invoice.number]


def test_while_one_runs_no_second_one_begins_and_one_that_nobody_is_at_ends(scenario: CreditScenario) -> None:
    now = timezone.now()
    first = start_payment_sync(scenario.tenant.merchant, since=now, by=None, now=now)
    assert start_payment_sync(scenario.tenant.merchant, since=now, by=None, now=now) == first
    later = now + timedelta(minutes=16)
    second = start_payment_sync(scenario.tenant.merchant, since=now, by=None, now=later)
    first.refresh_from_db()
    assert (first.state, second.pk != first.pk) == ("failed", True)


@only_xero
def test_a_limit_of_the_ledger_is_shown_and_waited_out(scenario: CreditScenario) -> None:
    headers = {"Retry-After": "40", "X-Rate-Limit-Problem": "minute"}
    scenario.tenant.world.fault("xero", "status", status=429, headers=headers, path="/Invoices*", times=1)
    assert "It continues automatically." in press_sync(scenario)
    deliver_outbox(at=timezone.now() + timedelta(seconds=45))
    assert (PaymentSync.objects.get().state, PaymentSync.objects.get().error) == ("finished", "")


def test_without_a_connection_it_says_so(scenario: CreditScenario) -> None:
    Connection.objects.update(state="disconnected")
    assert "The accounting package is not connected." in press_sync(scenario)


def test_the_command_does_the_same_and_says_every_line(scenario: CreditScenario) -> None:
    invoice = scenario.create_invoice("500.00")
    scenario.act_in_ledger("pay", invoice=invoice.number)
    out = StringIO()
    call_command("sync_payments", scenario.tenant.merchant.reference, stdout=out)
    assert f"{invoice.number} A$500.00 Paid elsewhere. Not outstanding any more." in out.getvalue()
    assert "1 payments, 0 credits, 1 invoices paid in full" in out.getvalue()
    with pytest.raises(CommandError):
        call_command("sync_payments", "nobody")
    with pytest.raises(CommandError):
        call_command("sync_payments", scenario.tenant.merchant.name, "--since", "yesterday")


def test_a_stranger_sees_nothing_of_it(scenario: CreditScenario, stranger: Tenant) -> None:
    press_sync(scenario)
    assert stranger.admin.get(scenario.tenant.url("books/sync")).status_code == 404
    assert stranger.admin.post(scenario.tenant.url("books/sync")).status_code == 404
    assert "Not synced yet" in stranger.admin.get(stranger.url("books/sync")).content.decode()


@only_xero
def test_the_first_sync_finds_an_old_notes_credit_that_was_used_today(scenario: CreditScenario) -> None:
    """Xero tells a credit with the day of its note, not of its use: Xero-OpenAPI#266."""
    invoice = scenario.create_invoice("500.00")
    old = (timezone.now() - timedelta(days=60)).date().isoformat()
    scenario.act_in_ledger("make_credit_note", contact=scenario.billing.name, amount="90.00", number="CN-60", date=old)
    scenario.act_in_ledger("allocate", credit_note="CN-60", invoice=invoice.number)
    LedgerApplication.objects.all().delete()
    press_sync(scenario)
    assert PaymentSync.objects.get().credits == 1
    assert get_sync_effects(scenario) == {
        invoice.number: ("Credited in the accounting package by CN-60.", "A$410.00 still outstanding.")
    }
