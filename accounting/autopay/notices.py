"""Telling payers of automatic payments: a notice before each charge, and what was scheduled or cancelled.

A charge waits for its notice: what was not announced early enough is moved, and the mail names the day that it is
moved to.
"""

import smtplib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django_subatomic.db import transaction, transaction_required

from accounting.autopay.decisions import ChargePlan, get_earliest_run
from accounting.autopay.notifications import notify_on_hold
from accounting.models import AutoPaySettings, ScheduledPayment
from payers.models import PayerAccess
from wisepay import outbox
from wisepay.clock import format_date, get_local_date
from wisepay.mail import send_email
from wisepay.models import OutboxMessage
from wisepay.money import Money

log = structlog.get_logger(__name__)

BATCH_SIZE = 500
LEAD = timedelta(hours=12)  # a notice is written this much earlier than it has to be
LATE_BY = timedelta(days=2)  # what is charged later than this after the announced day is announced again
RELATED = ("merchant", "company", "invoice", "method__owner", "mapping__secondary_method")
ACTOR = "notice"
NOTICE_COLUMNS = ("run_at", "notices", "notified_at", "notified_amount", "notified_run_at", "announced_at")
NO_NOTICE: Mapping[str, None] = dict.fromkeys(("notified_at", "notified_amount", "notified_run_at", "notice_sent_at"))


def list_unannounced(*, now: datetime) -> QuerySet[ScheduledPayment]:
    """Scheduled payments without a notice, of merchants whose automatic payments are on; the next one first."""
    rows = ScheduledPayment.objects.filter(state="scheduled", notified_at=None)
    rows = rows.filter(merchant__autopay_settings__is_enabled=True, merchant__takes_payments=True)
    return rows.order_by("run_at", "pk")


def get_notice_deadline(days: int, *, now: datetime) -> datetime:
    """What runs before this instant is announced now."""
    return now + timedelta(days=days) + LEAD


def schedule_due_notices(*, now: datetime) -> int:
    """Enqueue the notice of everything that is charged within its merchant's period; answers how many."""
    found: list[int] = []
    for chosen in AutoPaySettings.objects.filter(is_enabled=True):
        rows = list_unannounced(now=now).filter(merchant=chosen.merchant_id)
        rows = rows.filter(run_at__lte=get_notice_deadline(chosen.notice_days, now=now))
        found += rows.values_list("pk", flat=True)[:BATCH_SIZE]
    keys = {get_notice_key(pk): pk for pk in found}
    waiting = OutboxMessage.objects.filter(key__in=keys, state=OutboxMessage.State.PENDING)
    fresh = keys.keys() - set(waiting.values_list("key", flat=True))
    for key in sorted(fresh):
        outbox.schedule(key, "accounting.send_notice", now=now, scheduled_id=keys[key])
    return len(fresh)


def get_notice_key(scheduled_id: int) -> str:
    """The outbox key of one scheduled payment's notice."""
    return f"notice:{scheduled_id}"


def send_notice(scheduled_id: int, *, now: datetime) -> None:
    """Write the notice of one scheduled payment, and mail it. Raises Unavailable.

    Where it is too late for the day that was planned, the payment is moved first. One that nobody can be told of is
    held for a person.
    """
    row = ScheduledPayment.objects.select_related(*RELATED).get(pk=scheduled_id)
    if not write_notice(row, now=now):
        return
    address = get_payer_address(row)
    try:
        if address:
            send_notice_email(row, address)
    except smtplib.SMTPRecipientsRefused:
        address = ""
    if not address:
        hold_without_notice(row, now=now)
        return
    written = ScheduledPayment.objects.filter(pk=row.pk, notified_at=row.notified_at)
    written.update(notice_sent_at=now)


def write_notice(row: ScheduledPayment, *, now: datetime) -> bool:
    """Write down what the payer is told, moving the payment where it has to be; False when no mail is due."""
    with transaction():
        current = row.lock()
        if current.notice_sent_at is not None or current.state in ("held", "cancelled"):
            return False
        if current.state == "scheduled":
            days = AutoPaySettings.get_or_default(row.merchant).notice_days
            earliest = get_earliest_run(now, row.merchant.zone, notice_days=days)
            record_notice(current, run_at=max(current.run_at, earliest) if days else current.run_at, now=now)
        elif current.notified_at is None:
            return False
    for name in ("state", "amount", *NOTICE_COLUMNS):
        setattr(row, name, getattr(current, name))
    return True


@transaction_required
def record_notice(scheduled: ScheduledPayment, *, run_at: datetime, now: datetime) -> None:
    """Record what the payer is told of a scheduled payment that the caller holds locked; the same again is no news."""
    said = (scheduled.notified_run_at, scheduled.notified_amount)
    if scheduled.notified_at is None or said != (run_at, scheduled.amount):
        scheduled.notices += 1
        scheduled.notified_at, scheduled.notified_run_at = now, run_at
        scheduled.notified_amount = scheduled.amount
    scheduled.run_at = run_at
    scheduled.announced_at = scheduled.announced_at or now
    scheduled.save(update_fields=NOTICE_COLUMNS)


def hold_without_notice(row: ScheduledPayment, *, now: datetime) -> None:
    """Hold what its payer can't be told of, until a person decides."""
    with transaction():
        current = row.lock()
        current.merchant, current.company, current.invoice = row.merchant, row.company, row.invoice
        reason = "Its payer could not be told of it by e-mail. Tell them, then charge it anyway."
        if current.state == "scheduled" and current.update_state("held", now=now, by=ACTOR, reason=reason):
            notify_on_hold(current, now=now)


def find_notice_delay(scheduled: ScheduledPayment, plan: ChargePlan, *, now: datetime) -> datetime | None:
    """Until when a charge has to wait for its notice; None when its payer was told in time."""
    days = AutoPaySettings.get_or_default(scheduled.merchant).notice_days
    if not days or (scheduled.confirmed_by_id is not None and scheduled.notified_at is not None):
        return None
    zone = scheduled.merchant.zone
    announced = scheduled.notified_run_at
    if announced is None or scheduled.notified_amount is None or not matches_notice(scheduled, plan, now=now):
        return get_earliest_run(now, zone, notice_days=days)
    if scheduled.notice_sent_at is None:
        return now + timedelta(minutes=15)
    return announced if get_local_date(now, zone) < get_local_date(announced, zone) else None


def matches_notice(scheduled: ScheduledPayment, plan: ChargePlan, *, now: datetime) -> bool:
    """Whether the charge is what its notice says: no more, under the same mapping, and not days later.

    A later try of one that failed was announced by the mail about the failure.
    """
    assert scheduled.notified_run_at is not None  # noqa: S101 (the caller asked)
    assert scheduled.notified_amount is not None  # noqa: S101 (the database holds them together)
    is_late = scheduled.payment_id is None and now - scheduled.notified_run_at > LATE_BY
    return not is_late and plan.amount <= scheduled.notified_amount and plan.mapping_id == scheduled.mapping_id


@transaction_required
def renew_notice(scheduled: ScheduledPayment, *, is_waiting: bool, now: datetime) -> None:
    """Enqueue a new notice in place of one that is missing or not true any more.

    A charge that does not wait for it (`is_waiting` False) is made now, so what it says is written down now.
    """
    for name in NO_NOTICE:
        setattr(scheduled, name, None)
    ScheduledPayment.objects.filter(pk=scheduled.pk).update(**NO_NOTICE)
    if not is_waiting:
        record_notice(scheduled, run_at=scheduled.run_at, now=now)
    outbox.schedule(get_notice_key(scheduled.pk), "accounting.send_notice", now=now, scheduled_id=scheduled.pk)


def schedule_announcements(*, now: datetime) -> int:
    """Enqueue a mail to each company of which something was scheduled or cancelled; answers how many.

    What runs soon is left to its notice, and what was cancelled with its mapping to the mail about the mapping or its
    method, which goes to the same person.
    """
    count = 0
    for chosen in AutoPaySettings.objects.filter(is_enabled=True):
        mine = ScheduledPayment.objects.filter(merchant=chosen.merchant_id)
        later = get_notice_deadline(chosen.notice_days, now=now)
        fresh = mine.filter(state="scheduled", announced_at=None, run_at__gt=later)
        ended = mine.filter(state="cancelled", announced_at__isnull=False, withdrawn_at=None).exclude(
            is_said_elsewhere()
        )
        count += announce(fresh, "announced_at", "scheduled", now=now)
        count += announce(ended, "withdrawn_at", "cancelled", now=now)
    return count


def is_said_elsewhere() -> Q:
    """What ended with its mapping, and whose method's owner may still be written to about the company."""
    owner = PayerAccess.objects.filter(
        state="active", company=OuterRef("company"), user=OuterRef("method__owner"), user__is_active=True
    )
    return Q(Exists(owner), mapping__state="ended")


def announce(rows: QuerySet[ScheduledPayment], column: str, news: str, *, now: datetime) -> int:
    """Mark these as told, and enqueue one mail for each company; answers how many."""
    companies = list(rows.values_list("company", flat=True).distinct()[:BATCH_SIZE])
    for company_id in companies:
        with transaction():
            if rows.filter(company=company_id).update(**{column: now}):
                key = f"autopay-{news}:{company_id}:{now.isoformat()}"
                outbox.enqueue(key, "accounting.email_scheduled", company_id=company_id, news=news, at=now.isoformat())
    return len(companies)


def email_announcement(company_id: int, *, news: str, at: datetime) -> None:
    """Mail what was scheduled or cancelled of a company, to each payer whose method it is. Raises Unavailable."""
    batch = {"announced_at": at} if news == "scheduled" else {"withdrawn_at": at}
    rows = ScheduledPayment.objects.filter(company=company_id, **batch).select_related(*RELATED)
    by_address: dict[str, list[ScheduledPayment]] = {}
    for row in rows.order_by("run_at", "pk"):
        by_address.setdefault(get_payer_address(row), []).append(row)
    for address, mine in sorted(by_address.items()):
        if address:
            send_announcement(mine, address, news=news, at=at)


def send_announcement(rows: Sequence[ScheduledPayment], address: str, *, news: str, at: datetime) -> None:
    """Mail one payer; an address that no mail server takes is only logged, since nothing waits for this."""
    try:
        send_announcement_email(rows, address, news=news, at=at)
    except smtplib.SMTPRecipientsRefused:
        log.warning("autopay.announcement_refused", company=rows[0].company.reference)


LISTED = 20  # scheduled payments that a mail lists


def get_payer_address(scheduled: ScheduledPayment) -> str:
    """Whose method is charged, else the company's address; empty where nobody can be written to."""
    owner = scheduled.method.owner if scheduled.method is not None else None
    return owner.email if owner is not None else scheduled.company.email


def send_notice_email(scheduled: ScheduledPayment, address: str) -> None:
    """Email the notice as it was written: the amount, the day, the method, and what to do against it."""
    merchant, run_at = scheduled.merchant, scheduled.notified_run_at
    assert run_at is not None  # noqa: S101 (a notice is written before it is mailed)
    amount = Money(scheduled.notified_amount or scheduled.amount, scheduled.invoice.currency)
    day = format_date(get_local_date(run_at, merchant.zone))
    mapping = scheduled.mapping
    send_email(
        "autopay_notice",
        address,
        {
            "scheduled": scheduled,
            "amount": amount,
            "day": day,
            "secondary": mapping.secondary_method if mapping is not None else None,
            "mappings_url": merchant.build_public_url(reverse("autopay:my_mappings")),
        },
        subject=_("Upcoming payment to %(merchant)s: %(amount)s on %(day)s")
        % {"merchant": merchant.name, "amount": amount, "day": day},
        message_id=f"notice-{scheduled.reference}-{scheduled.notices}",
        sender=merchant,
    )


def send_announcement_email(rows: Sequence[ScheduledPayment], address: str, *, news: str, at: datetime) -> None:
    """Email one payer what was scheduled, or cancelled, of a company."""
    merchant, company = rows[0].merchant, rows[0].company
    subjects = {
        "scheduled": _("Payments to %(merchant)s are scheduled"),
        "cancelled": _("Scheduled payments to %(merchant)s are cancelled"),
    }
    send_email(
        f"autopay_{news}",
        address,
        {
            "company": company,
            "rows": rows[:LISTED],
            "more": max(len(rows) - LISTED, 0),
            "scheduled_url": merchant.build_public_url(reverse("autopay:my_scheduled")),
        },
        subject=subjects[news] % {"merchant": merchant.name},
        message_id=f"{news}-{company.reference}-{rows[0].reference}-{at:%Y%m%d%H%M%S}",
        sender=merchant,
    )
