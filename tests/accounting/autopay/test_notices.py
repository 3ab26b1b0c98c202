"""The notice before an automatic charge: once, early enough, and no charge that it does not tell of."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.autopay.charging import charge_scheduled_payment
from accounting.autopay.notices import schedule_announcements, schedule_due_notices
from accounting.models import AutoPayMapping, LedgerInvoice, ScheduledPayment
from payments.models import SavedMethod
from tests.accounting.autopay.builders import PAYER, AutoPayBuilder
from tests.payers.welcome_flow import get_hidden_fields
from wisepay.clock import format_date, get_local_date


@pytest.fixture
def noticed(autopay: AutoPayBuilder) -> AutoPayBuilder:
    """A merchant with three days of notice, and a payer whose card is charged."""
    autopay.update_settings(notice_days=3)
    autopay.create_mapping(autopay.save_card())
    return autopay


def list_notices(autopay: AutoPayBuilder) -> list[dict[str, Any]]:
    return [mail for mail in autopay.tenant.mails(PAYER) if "Upcoming payment" in mail["subject"]]


def tell(deliver: Callable[..., int], *, now: datetime | None = None) -> None:
    """The beat passes, and the workers do what it asks for."""
    schedule_due_notices(now=now or timezone.now())
    deliver()


def days_pass(scheduled: ScheduledPayment) -> None:
    """The announced day has come."""
    now = timezone.now()
    ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=now, notified_run_at=now)
    LedgerInvoice.objects.filter(pk=scheduled.invoice_id).update(read_at=now)


def test_the_payer_is_told_once_and_charged_on_the_day(noticed: AutoPayBuilder, deliver: Callable[..., int]) -> None:
    invoice = noticed.create_invoice(34900, due_in=10)
    noticed.plan()
    tell(deliver)
    assert list_notices(noticed) == [], "there is time"
    ScheduledPayment.objects.update(run_at=timezone.now() + timedelta(days=3, hours=1))
    for _ in range(3):
        tell(deliver)
    [mail] = list_notices(noticed)
    scheduled = noticed.get_scheduled(invoice)
    day = format_date(get_local_date(scheduled.run_at, noticed.tenant.merchant.zone))
    assert all(words in mail["text"] for words in ("A$349.00", day, "4242", "/my/autopay"))
    assert charge_scheduled_payment(scheduled.pk, now=timezone.now()) is None
    days_pass(scheduled)
    assert charge_scheduled_payment(scheduled.pk, now=timezone.now()) is not None
    deliver()
    assert noticed.get_scheduled(invoice).state == "settled"


def test_what_was_not_told_in_time_is_told_and_moved(noticed: AutoPayBuilder, deliver: Callable[..., int]) -> None:
    invoice = noticed.create_invoice(34900)
    noticed.plan()
    scheduled = noticed.get_scheduled(invoice)
    now = timezone.now()
    ScheduledPayment.objects.update(run_at=now)
    assert charge_scheduled_payment(scheduled.pk, now=now) is None
    deliver()
    moved = noticed.get_scheduled(invoice)
    zone = noticed.tenant.merchant.zone
    assert get_local_date(moved.run_at, zone) == get_local_date(now, zone) + timedelta(days=3)
    assert (moved.state, moved.notified_run_at, moved.notified_amount) == ("scheduled", moved.run_at, 34900)
    [mail] = list_notices(noticed)
    assert format_date(get_local_date(moved.run_at, zone)) in mail["text"]
    assert noticed.tenant.total_charged() == 0


def ends_by_the_merchant(autopay: AutoPayBuilder, mapping: AutoPayMapping) -> None:
    path = f"payers/companies/{autopay.company.reference}/autopay/{mapping.reference}/end"
    assert autopay.tenant.admin.post(autopay.tenant.url(path)).status_code == 302


def ends_by_a_colleague(autopay: AutoPayBuilder, mapping: AutoPayMapping) -> None:
    AutoPayMapping.objects.update(origin="payer")
    client = autopay.tenant.payer("bob@harbourdental.example")
    assert client.post(f"/my/autopay/{mapping.reference}/remove").status_code == 302


def ends_with_its_method(autopay: AutoPayBuilder, mapping: AutoPayMapping) -> None:
    client, path = autopay.tenant.payer(PAYER), f"/my/methods/{mapping.primary_method.reference}/remove"
    client.post(path, get_hidden_fields(client.post(path)))
    assert not SavedMethod.objects.filter(state="active").exists()


@pytest.mark.parametrize("end", [ends_by_the_merchant, ends_by_a_colleague, ends_with_its_method])
def test_what_ends_with_its_mapping_is_told_in_one_mail(
    noticed: AutoPayBuilder, deliver: Callable[..., int], end: Callable[[AutoPayBuilder, AutoPayMapping], None]
) -> None:
    invoice = noticed.create_invoice(due_in=20)
    noticed.plan()
    schedule_announcements(now=timezone.now())
    deliver()
    before = len(noticed.tenant.mails(PAYER))
    end(noticed, AutoPayMapping.objects.select_related("primary_method").get())
    deliver()
    noticed.plan()
    assert noticed.get_scheduled(invoice).state == "cancelled"
    for _ in range(2):
        schedule_announcements(now=timezone.now())
        deliver()
    mails = noticed.tenant.mails(PAYER)
    assert len(mails) == before + 1, [mail["subject"] for mail in mails]


def test_a_larger_amount_is_told_anew(noticed: AutoPayBuilder, deliver: Callable[..., int]) -> None:
    invoice = noticed.create_invoice(34900, due_in=3)
    noticed.plan()
    tell(deliver)
    LedgerInvoice.objects.update(total=50000, due=50000)
    noticed.plan()
    assert noticed.get_scheduled(invoice).notified_at is None
    tell(deliver)
    assert ["A$500.00" in mail["subject"] for mail in list_notices(noticed)].count(True) == 1
    LedgerInvoice.objects.update(total=10000, due=10000)
    noticed.plan()
    tell(deliver)
    assert len(list_notices(noticed)) == 2, "less than was told is no news"


def test_a_new_plan_leaves_the_payer_time(noticed: AutoPayBuilder) -> None:
    invoice = noticed.create_invoice(due_in=0)
    noticed.plan()
    zone = noticed.tenant.merchant.zone
    run_on = get_local_date(noticed.get_scheduled(invoice).run_at, zone)
    assert run_on >= get_local_date(timezone.now(), zone) + timedelta(days=1)
    before = noticed.get_scheduled(invoice).run_at
    noticed.plan(now=timezone.now() + timedelta(hours=5))
    assert noticed.get_scheduled(invoice).run_at == before


def test_nobody_is_charged_while_the_mail_server_is_away(noticed: AutoPayBuilder, deliver: Callable[..., int]) -> None:
    invoice = noticed.create_invoice()
    noticed.plan()
    scheduled = noticed.get_scheduled(invoice)
    now = timezone.now()
    ScheduledPayment.objects.filter(pk=scheduled.pk).update(
        run_at=now,
        notified_at=now - timedelta(days=3),
        notified_run_at=now,
        notified_amount=scheduled.amount,
        notices=1,
    )
    assert charge_scheduled_payment(scheduled.pk, now=now) is None
    assert noticed.tenant.total_charged() == 0


def test_payers_are_told_what_is_scheduled_and_cancelled(noticed: AutoPayBuilder, deliver: Callable[..., int]) -> None:
    first, second = noticed.create_invoice(due_in=20), noticed.create_invoice(due_in=30)
    noticed.plan()
    for _ in range(2):
        schedule_announcements(now=timezone.now())
        deliver()
    [mail] = [m for m in noticed.tenant.mails(PAYER) if "are scheduled" in m["subject"]]
    assert all(invoice.number in mail["text"] for invoice in (first, second))
    LedgerInvoice.objects.filter(pk=first.pk).update(status="voided")
    noticed.plan()
    for _ in range(2):
        schedule_announcements(now=timezone.now())
        deliver()
    [mail] = [m for m in noticed.tenant.mails(PAYER) if "are cancelled" in m["subject"]]
    assert (first.number in mail["text"], second.number in mail["text"]) == (True, False)
