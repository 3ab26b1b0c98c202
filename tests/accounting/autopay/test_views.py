"""The pages of automatic payments, the command, and importing the ledger's terms."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounting.models import AutoPayLimit, AutoPayMapping, AutoPaySettings, BillingTerm, LedgerTerm, ScheduledPayment
from payments.models import Payment
from payments.portal.addable_methods import list_addable_methods
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.payments.portal.factories import HTMX_HEADERS, create_company
from tests.tenants import Tenant, deliver_outbox, give_role
from wisepay.models import AuditEntry


def get_page(tenant: Tenant, tail: str, **headers: str) -> str:
    """The text of a page of the merchant's console, which has to exist."""
    answer = tenant.admin.get(tenant.url(tail), headers=headers)
    assert answer.status_code == 200, (tail, answer.status_code)
    return str(answer.content.decode())


def post_action(tenant: Tenant, scheduled: ScheduledPayment, name: str, **form: str) -> int:
    """Post an action on a scheduled payment; answers the response's status."""
    path = tenant.url(f"automatic-payments/p/{scheduled.reference}/{name}")
    answer: Any = tenant.admin.post(path, form)
    return int(answer.status_code)


def test_the_widgets_show_what_is_scheduled_what_failed_and_what_matches_nothing(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_bank_account())
    failed, waiting = autopay.create_invoice(11100), autopay.create_invoice(22200)
    unmatched = autopay.create_invoice(
        33300, company=create_company(autopay.tenant, "Nobody Pays"), contact_id="contact-2"
    )
    autopay.charge(failed)
    autopay.settle(autopay.list_attempts(failed)[0], "failed", "account_closed")
    widgets = {
        name: get_page(autopay.tenant, f"automatic-payments/{name}", **HTMX_HEADERS)
        for name in ("panel", "failures/panel", "unmatched/panel")
    }
    assert waiting.number not in widgets["failures/panel"]
    assert failed.number in widgets["failures/panel"]
    assert unmatched.number in widgets["unmatched/panel"]
    assert "A$333.00" in widgets["unmatched/panel"]
    assert unmatched.number not in widgets["panel"]


def test_a_calendar_sums_each_day_on_the_merchants_clock(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    day = (autopay.today.replace(day=1) + timedelta(days=45)).replace(day=31 - 21)
    for amount in (10000, 2550):
        autopay.create_invoice(amount, due_on=day)
    autopay.plan()
    text = get_page(autopay.tenant, f"automatic-payments/calendar?month={day:%Y-%m}")
    assert f'datetime="{day:%Y-%m-%d}"' in text
    assert "A$125.50" in text
    assert "A$125.50" not in get_page(autopay.tenant, "automatic-payments/calendar?month=2020-01")
    for nonsense in ("", "x", "9999-99", "0001-01"):
        get_page(autopay.tenant, f"automatic-payments/calendar?month={nonsense}")


def test_a_failure_is_requeued_or_resolved_with_a_note_that_is_audited(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_bank_account())
    invoice = autopay.create_invoice()
    autopay.charge(invoice)
    autopay.settle(autopay.list_attempts(invoice)[0], "failed", "refer_to_customer")
    ScheduledPayment.objects.update(state="failed")
    assert "Reset &amp; Requeue" in get_page(autopay.tenant, "automatic-payments/failures")
    assert post_action(autopay.tenant, autopay.get_scheduled(invoice), "requeue") == 302
    deliver_outbox()
    assert autopay.get_scheduled(invoice).state == "pending"
    assert len(autopay.list_attempts(invoice)) == 2
    autopay.settle(autopay.list_attempts(invoice)[1], "failed", "account_closed")
    assert post_action(autopay.tenant, autopay.get_scheduled(invoice), "resolve") == 422
    assert post_action(autopay.tenant, autopay.get_scheduled(invoice), "resolve", note="Paid by cheque") == 302
    assert AuditEntry.objects.get(action="autopay.resolved").detail == "Paid by cheque"
    assert "No failures" in get_page(autopay.tenant, "automatic-payments/failures")


@pytest.mark.parametrize(
    ("changes", "word"),
    [({}, "Settled"), ({"refunded_amount": 100}, "Refunded in part"), ({"refunded_amount": 34900}, "Refunded")],
)
def test_what_was_charged_says_in_every_list_how_its_payment_stands(
    autopay: AutoPayBuilder, changes: dict[str, int], word: str
) -> None:
    """Automattic/woocommerce-payments#738: what was given back stood as paid."""
    autopay.create_mapping(autopay.save_card())
    scheduled = autopay.charge(autopay.create_invoice(34900))
    if changes:
        Payment.objects.filter(pk=scheduled.payment_id or 0).update(**changes)
    for path in ("automatic-payments/?show=all", f"automatic-payments/p/{scheduled.reference}"):
        assert f">{word}<" in get_page(autopay.tenant, path)


def test_what_was_resolved_or_cancelled_can_be_taken_back_by_an_admin(autopay: AutoPayBuilder) -> None:
    """kenlasko/monize#913: what somebody ticked off by mistake was gone."""
    autopay.create_mapping(autopay.save_bank_account())
    failed, cancelled = autopay.create_invoice(), autopay.create_invoice()
    autopay.plan()
    ScheduledPayment.objects.filter(invoice=failed).update(state="failed")
    assert post_action(autopay.tenant, autopay.get_scheduled(failed), "resolve", note="Paid by cheque") == 302
    assert post_action(autopay.tenant, autopay.get_scheduled(cancelled), "cancel") == 302
    autopay.plan()
    assert ScheduledPayment.objects.count() == 2, "what a person decided is not planned again"
    page = get_page(autopay.tenant, f"automatic-payments/p/{autopay.get_scheduled(failed).reference}")
    assert "Open again" in page
    for shown in (page, get_page(autopay.tenant, "automatic-payments/?show=all")):
        assert 'data-state="resolved">Resolved<' in shown
        assert 'data-state="failed"' not in shown
    give_role(autopay.tenant.merchant, "user")
    assert post_action(autopay.tenant, autopay.get_scheduled(failed), "reopen") == 403
    give_role(autopay.tenant.merchant, "admin")
    for invoice in (failed, cancelled):
        assert post_action(autopay.tenant, autopay.get_scheduled(invoice), "reopen") == 302
    assert AuditEntry.objects.filter(action="autopay.reopened").count() == 2
    deliver_outbox()
    autopay.plan()
    assert "Reset &amp; Requeue" in get_page(autopay.tenant, "automatic-payments/failures")
    assert autopay.get_scheduled(failed).resolved_at is None
    assert ScheduledPayment.objects.filter(invoice=cancelled, state="scheduled").count() == 1
    assert (
        post_action(autopay.tenant, ScheduledPayment.objects.filter(invoice=cancelled).earliest("pk"), "reopen") == 302
    )
    assert AuditEntry.objects.filter(action="autopay.reopened").count() == 2


def test_only_an_admin_cancels_and_only_before_it_is_pending(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_bank_account())
    first, second = autopay.create_invoice(), autopay.create_invoice()
    autopay.charge(first)
    assert post_action(autopay.tenant, autopay.get_scheduled(first), "cancel") == 302
    assert autopay.get_scheduled(first).state == "pending"
    give_role(autopay.tenant.merchant, "user")
    assert post_action(autopay.tenant, autopay.get_scheduled(second), "cancel") == 403
    give_role(autopay.tenant.merchant, "admin")
    assert post_action(autopay.tenant, autopay.get_scheduled(second), "cancel") == 302
    assert autopay.get_scheduled(second).state == "cancelled"


def test_a_payer_sees_what_will_be_taken_and_can_only_ask(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_bank_account())
    invoice = autopay.create_invoice(34900)
    autopay.charge(invoice)
    payer = autopay.tenant.payer(PAYER)
    text = payer.get("/my/scheduled", headers=HTMX_HEADERS).content.decode()
    for words in (invoice.number, "A$349.00", "Pending", "Check Request", "Harbour Dental"):
        assert words in text
    assert payer.post(f"/my/scheduled/{autopay.get_scheduled(invoice).reference}/check").status_code == 302
    assert "Cancel Payment" not in text
    stranger = autopay.tenant.payer("bob@elsewhere.example", company="Elsewhere")
    assert invoice.number not in stranger.get("/my/scheduled", headers=HTMX_HEADERS).content.decode()
    assert stranger.post(f"/my/scheduled/{autopay.get_scheduled(invoice).reference}/check").status_code == 404


def test_what_is_scheduled_is_shown_paused_while_it_is_off(autopay: AutoPayBuilder) -> None:
    autopay.create_mapping(autopay.save_card())
    autopay.create_invoice()
    autopay.plan()
    autopay.update_settings(is_enabled=False)
    assert 'data-state="paused"' in get_page(autopay.tenant, "automatic-payments/")


def test_the_limits_are_saved_in_the_minor_units_of_each_currency(autopay: AutoPayBuilder) -> None:
    autopay.create_invoice()
    autopay.create_invoice(5000, currency="JPY")
    path = autopay.tenant.url("configure/automatic-payments/")
    form = {
        "is_enabled": "on",
        "processing_delay_hours": "4",
        "maximum_retries": "2",
        "maximum_days_past_due": "30",
        "notice_days": "3",
        "minimum_AUD": "5.50",
        "maximum_AUD": "10,000",
        "maximum_JPY": "10000",
        "from_quotes": "make",
    }
    assert autopay.tenant.admin.post(path, form).status_code == 302
    saved = AutoPaySettings.objects.get()
    assert (saved.maximum_retries, saved.schedules_past_due) == (2, False)
    assert AutoPayLimit.get_by_currency(autopay.tenant.merchant) == {"AUD": (550, 1_000_000), "JPY": (None, 10_000)}
    text = get_page(autopay.tenant, "configure/automatic-payments/")
    assert 'value="5.50"' in text
    assert 'value="10000"' in text
    for wrong in ({"maximum_AUD": "5"}, {"minimum_JPY": "0.5"}, {"minimum_AUD": "-1"}):
        assert autopay.tenant.admin.post(path, form | wrong).status_code == 422, wrong
    assert autopay.tenant.admin.post(path, form | {"maximum_JPY": ""}).status_code == 302
    assert AutoPayLimit.get_by_currency(autopay.tenant.merchant) == {"AUD": (550, 1_000_000)}


def test_the_terms_of_the_ledger_are_read_and_covered_by_billing_terms(autopay: AutoPayBuilder) -> None:
    LedgerTerm.objects.all().delete()
    assert (
        autopay.tenant.admin.post(autopay.tenant.url("configure/automatic-payments/terms/refresh")).status_code == 302
    )
    deliver_outbox()
    themes = list(LedgerTerm.objects.filter(organisation_id=autopay.organisation_id))
    assert themes, "the sandbox organisation has branding themes"
    form = {
        "name": "Monthly",
        "processing": "scheduled",
        "mode": "day_of_month",
        "days": "31",
        "takes_cards": "on",
        "covers": [themes[0].pk],
    }
    add = autopay.tenant.url("configure/automatic-payments/terms/add")
    assert autopay.tenant.admin.post(add, form | {"days": "32"}).status_code == 422
    assert autopay.tenant.admin.post(add, form).status_code == 302
    assert autopay.tenant.admin.post(add, form).status_code == 422, "the name is taken"
    term = BillingTerm.objects.get(name="Monthly")
    assert (term.takes_debits, [one.pk for one in term.ledger_terms.all()]) == (False, [themes[0].pk])
    deliver_outbox()
    assert "Day 31 of the month" in get_page(autopay.tenant, "configure/automatic-payments/")


def test_the_command_says_what_would_be_charged_and_why_not_and_without_dry_run_charges(
    autopay: AutoPayBuilder,
) -> None:
    autopay.create_mapping(autopay.save_card())
    due, unmatched = (
        autopay.create_invoice(10000),
        autopay.create_invoice(20000, company=create_company(autopay.tenant, "Nobody Pays")),
    )
    autopay.plan()
    ScheduledPayment.objects.filter(invoice=due).update(run_at=timezone.now())
    output = StringIO()
    call_command("run_autopay", "--dry-run", "--merchant", autopay.tenant.merchant.reference, stdout=output)
    assert due.number in output.getvalue()
    assert f"not charged  A$200.00  {unmatched.number}" in output.getvalue()
    assert autopay.tenant.intents() == []
    call_command("run_autopay", stdout=output)
    assert "1 of 1 due payments charged" in output.getvalue()
    assert autopay.tenant.total_charged() == 10000


def test_payer_admin_marks_which_company_pays_automatically_how_often_and_by_whom(autopay: AutoPayBuilder) -> None:
    assert 'aria-label="Auto-Pay: None"' in get_page(autopay.tenant, "payers/")
    card = autopay.save_card()
    first, second = autopay.create_mapping(card, term=autopay.term), autopay.create_mapping(card)
    text = get_page(autopay.tenant, "payers/")
    assert 'class="mark mark-green" role="img" aria-label="Auto-Pay: 2 mappings"' in text
    assert '<span class="mark-count">2</span>' in text
    AutoPayMapping.objects.filter(pk=first.pk).update(state="ended")
    AutoPayMapping.objects.filter(pk=second.pk).update(origin="payer")
    text = get_page(autopay.tenant, "payers/")
    assert 'class="mark mark-purple" role="img" aria-label="Auto-Pay: 1 mapping, set by the payer"' in text
    autopay.tenant.access("clerk@harbourdental.example", scope="own")
    assert get_page(autopay.tenant, "payers/").count("Auto-Pay: 1 mapping") == 2, "label and title, of one row only"


def test_a_payer_with_nothing_but_invoices_can_save_a_bank_account_in_their_currency(autopay: AutoPayBuilder) -> None:
    payer = autopay.tenant.payer(PAYER)
    assert "Add" not in payer.get("/my/bank-accounts").content.decode().split("<main")[1]
    autopay.create_invoice(currency="USD", organisation_id="elsewhere", due_in=1)
    autopay.create_invoice(currency="CHF", due_in=20)
    autopay.create_invoice(currency="NZD", due_in=10)
    [addable] = list_addable_methods([autopay.tenant.access(PAYER)]).values()
    assert (addable.currency, "bank_debit" in addable.kinds) == ("NZD", True)
    assert "/my/bank-accounts" in (text := payer.get("/my/bank-accounts").content.decode())
    assert "Add" in text.split("<main")[1]
