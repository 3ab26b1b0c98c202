"""The pages of automatic payments, the command, and reading the terms of the books."""

from datetime import timedelta
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from accounting.autopay.settings import limits_of
from accounting.models import AutoPayMapping, AutoPaySettings, BillingTerm, LedgerTerm, ScheduledPayment
from payments.additions import addable_to
from tests.accounting.autopay.stage import PAYER, Stage
from tests.payments.portal_stage import HX, company
from tests.people import House, drain_outbox
from wisepay.models import AuditEntry


def page(house: House, tail: str, **headers: str) -> str:
    """A page of the merchant's console that is there."""
    answer = house.admin.get(house.url(tail), headers=headers)
    assert answer.status_code == 200, (tail, answer.status_code)
    return str(answer.content.decode())


def act(house: House, scheduled: ScheduledPayment, name: str, **form: str) -> int:
    """The status of an act's answer."""
    path = house.url(f"automatic-payments/p/{scheduled.reference}/{name}")
    answer: Any = house.admin.post(path, form)
    return int(answer.status_code)


def test_the_widgets_show_what_is_scheduled_what_failed_and_what_matches_nothing(stage: Stage) -> None:
    stage.map(stage.bank_account())
    failed, waiting = stage.invoice(11100), stage.invoice(22200)
    loose = stage.invoice(33300, company=company(stage.house, "Nobody Pays"), contact_id="contact-2")
    stage.charge(failed)
    stage.say(stage.attempts(failed)[0], "failed", "account_closed")
    widgets = {
        name: page(stage.house, f"automatic-payments/{name}", **HX)
        for name in ("panel", "failures/panel", "unmatched/panel")
    }
    assert waiting.number not in widgets["failures/panel"]
    assert failed.number in widgets["failures/panel"]
    assert loose.number in widgets["unmatched/panel"]
    assert "A$333.00" in widgets["unmatched/panel"]
    assert loose.number not in widgets["panel"]


def test_a_calendar_sums_each_day_on_the_merchants_clock(stage: Stage) -> None:
    stage.map(stage.card())
    day = (stage.today.replace(day=1) + timedelta(days=45)).replace(day=31 - 21)
    for amount in (10000, 2550):
        stage.invoice(amount, due_on=day)
    stage.plan()
    text = page(stage.house, f"automatic-payments/calendar?month={day:%Y-%m}")
    assert f'datetime="{day:%Y-%m-%d}"' in text
    assert "A$125.50" in text
    assert "A$125.50" not in page(stage.house, "automatic-payments/calendar?month=2020-01")
    for nonsense in ("", "x", "9999-99", "0001-01"):
        page(stage.house, f"automatic-payments/calendar?month={nonsense}")


def test_a_failure_is_requeued_or_resolved_with_a_note_that_is_audited(stage: Stage) -> None:
    stage.map(stage.bank_account())
    invoice = stage.invoice()
    stage.charge(invoice)
    stage.say(stage.attempts(invoice)[0], "failed", "refer_to_customer")
    ScheduledPayment.objects.update(state="failed")
    assert "Reset &amp; Requeue" in page(stage.house, "automatic-payments/failures")
    assert act(stage.house, stage.scheduled(invoice), "requeue") == 302
    drain_outbox()
    assert stage.scheduled(invoice).state == "pending"
    assert len(stage.attempts(invoice)) == 2
    stage.say(stage.attempts(invoice)[1], "failed", "account_closed")
    assert act(stage.house, stage.scheduled(invoice), "resolve") == 422
    assert act(stage.house, stage.scheduled(invoice), "resolve", note="Paid by cheque") == 302
    assert AuditEntry.objects.get(act="autopay.resolved").detail == "Paid by cheque"
    assert "No failures" in page(stage.house, "automatic-payments/failures")


def test_only_an_admin_cancels_and_only_before_it_is_pending(stage: Stage) -> None:
    stage.map(stage.bank_account())
    first, second = stage.invoice(), stage.invoice()
    stage.charge(first)
    assert act(stage.house, stage.scheduled(first), "cancel") == 302
    assert stage.scheduled(first).state == "pending"
    stage.house.merchant.memberships.update(role="user")
    assert act(stage.house, stage.scheduled(second), "cancel") == 403
    stage.house.merchant.memberships.update(role="admin")
    assert act(stage.house, stage.scheduled(second), "cancel") == 302
    assert stage.scheduled(second).state == "cancelled"


def test_a_payer_sees_what_will_be_taken_and_can_only_ask(stage: Stage) -> None:
    stage.map(stage.bank_account())
    invoice = stage.invoice(34900)
    stage.charge(invoice)
    payer = stage.house.payer(PAYER)
    text = payer.get("/my/scheduled", headers=HX).content.decode()
    for words in (invoice.number, "A$349.00", "Pending", "Check Request", "Harbour Dental"):
        assert words in text
    assert payer.post(f"/my/scheduled/{stage.scheduled(invoice).reference}/check").status_code == 302
    assert "Cancel Payment" not in text
    stranger = stage.house.payer("bob@elsewhere.example", company="Elsewhere")
    assert invoice.number not in stranger.get("/my/scheduled", headers=HX).content.decode()
    assert stranger.post(f"/my/scheduled/{stage.scheduled(invoice).reference}/check").status_code == 404


def test_what_is_scheduled_is_shown_paused_while_it_is_off(stage: Stage) -> None:
    stage.map(stage.card())
    stage.invoice()
    stage.plan()
    stage.set(is_enabled=False)
    assert 'data-state="paused"' in page(stage.house, "automatic-payments/")


def test_the_limits_are_kept_in_the_smallest_coins_of_each_currency(stage: Stage) -> None:
    stage.invoice()
    stage.invoice(5000, currency="JPY")
    path = stage.house.url("configure/automatic-payments/")
    form = {
        "is_enabled": "on",
        "processing_delay_hours": "4",
        "maximum_retries": "2",
        "maximum_days_past_due": "30",
        "minimum_AUD": "5.50",
        "maximum_AUD": "10,000",
        "maximum_JPY": "10000",
        "from_quotes": "make",
    }
    assert stage.house.admin.post(path, form).status_code == 302
    saved = AutoPaySettings.objects.get()
    assert (saved.maximum_retries, saved.schedules_past_due) == (2, False)
    assert limits_of(stage.house.merchant) == {"AUD": (550, 1_000_000), "JPY": (None, 10_000)}
    text = page(stage.house, "configure/automatic-payments/")
    assert 'value="5.50"' in text
    assert 'value="10000"' in text
    for wrong in ({"maximum_AUD": "5"}, {"minimum_JPY": "0.5"}, {"minimum_AUD": "-1"}):
        assert stage.house.admin.post(path, form | wrong).status_code == 422, wrong
    assert stage.house.admin.post(path, form | {"maximum_JPY": ""}).status_code == 302
    assert limits_of(stage.house.merchant) == {"AUD": (550, 1_000_000)}


def test_the_terms_of_the_books_are_read_and_covered_by_billing_terms(stage: Stage) -> None:
    LedgerTerm.objects.all().delete()
    assert stage.house.admin.post(stage.house.url("configure/automatic-payments/terms/refresh")).status_code == 302
    drain_outbox()
    themes = list(LedgerTerm.objects.filter(organisation_id=stage.organisation_id))
    assert themes, "the practice organisation has branding themes"
    form = {
        "name": "Monthly",
        "processing": "scheduled",
        "mode": "day_of_month",
        "days": "31",
        "takes_cards": "on",
        "covers": [themes[0].pk],
    }
    add = stage.house.url("configure/automatic-payments/terms/add")
    assert stage.house.admin.post(add, form | {"days": "32"}).status_code == 422
    assert stage.house.admin.post(add, form).status_code == 302
    assert stage.house.admin.post(add, form).status_code == 422, "the name is taken"
    term = BillingTerm.objects.get(name="Monthly")
    assert (term.takes_debits, [one.pk for one in term.ledger_terms.all()]) == (False, [themes[0].pk])
    drain_outbox()
    assert "Day 31 of the month" in page(stage.house, "configure/automatic-payments/")


def test_the_command_says_what_would_be_charged_and_why_not_and_without_dry_run_charges(stage: Stage) -> None:
    stage.map(stage.card())
    due, loose = stage.invoice(10000), stage.invoice(20000, company=company(stage.house, "Nobody Pays"))
    stage.plan()
    ScheduledPayment.objects.filter(invoice=due).update(run_at=timezone.now())
    said = StringIO()
    call_command("run_autopay", "--dry-run", "--merchant", stage.house.merchant.reference, stdout=said)
    assert due.number in said.getvalue()
    assert f"not charged  A$200.00  {loose.number}" in said.getvalue()
    assert stage.house.intents() == []
    call_command("run_autopay", stdout=said)
    assert "1 of 1 due payments charged" in said.getvalue()
    assert stage.house.charged() == 10000


def test_payer_admin_marks_whose_company_pays_by_itself_how_often_and_by_whom(stage: Stage) -> None:
    assert 'aria-label="Auto-Pay: None"' in page(stage.house, "payers/")
    card = stage.card()
    first, second = stage.map(card, term=stage.term), stage.map(card)
    text = page(stage.house, "payers/")
    assert 'class="mark mark-green" role="img" aria-label="Auto-Pay: 2 mappings"' in text
    assert '<span class="mark-count">2</span>' in text
    AutoPayMapping.objects.filter(pk=first.pk).update(state="ended")
    AutoPayMapping.objects.filter(pk=second.pk).update(origin="payer")
    text = page(stage.house, "payers/")
    assert 'class="mark mark-purple" role="img" aria-label="Auto-Pay: 1 mapping, set by the payer"' in text
    stage.house.access("clerk@harbourdental.example", scope="own")
    assert page(stage.house, "payers/").count("Auto-Pay: 1 mapping") == 2, "label and title, of one row only"


def test_a_payer_with_nothing_but_invoices_can_save_a_bank_account_in_their_currency(stage: Stage) -> None:
    payer = stage.house.payer(PAYER)
    assert "Add" not in payer.get("/my/bank-accounts").content.decode().split("<main")[1]
    stage.invoice(currency="USD", organisation_id="elsewhere", due_in=1)
    stage.invoice(currency="CHF", due_in=20)
    stage.invoice(currency="NZD", due_in=10)
    [addable] = addable_to([stage.house.access(PAYER)]).values()
    assert (addable.currency, "bank_debit" in addable.kinds) == ("NZD", True)
    assert "/my/bank-accounts" in (text := payer.get("/my/bank-accounts").content.decode())
    assert "Add" in text.split("<main")[1]
