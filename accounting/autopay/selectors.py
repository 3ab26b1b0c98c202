"""Queries of the pages of automatic payments: rows, counts, and the calendar."""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404

from accounting.autopay.decision_context import is_paused
from accounting.models import LIVE_SCHEDULED, AutoPayMapping, AutoPaySettings, ScheduledPayment, UnmatchedInvoice
from merchants.models import Merchant
from payers.models import PayerAccess
from payments.models import Attempt
from payments.standings import attach_standings
from payments.states import LIVE_STATES
from wisepay import clock
from wisepay.clock import get_day_start, get_local_date
from wisepay.input import parse_month
from wisepay.money import Money

PAGE_SIZE = 50
DEBIT_SETTLEMENT_TIME = timedelta(days=5)  # what a bank debit usually takes
RELATED_ROWS = ("merchant", "company__merchant", "invoice", "method", "mapping__term", "payment", "resolved_by")
NEEDS_ATTENTION = Q(state="held") | Q(state="failed", resolved_at=None)


@dataclass(frozen=True, slots=True)
class ScheduledPaymentRow:
    """A scheduled payment as a page shows it; `state` is the state of its badge."""

    scheduled: ScheduledPayment
    state: str
    may_cancel: bool
    may_requeue: bool
    may_check: bool
    may_reopen: bool


@dataclass(frozen=True, slots=True)
class AutoPayCounts:
    """The numbers on the tabs, and whether nothing is charged now."""

    live: int
    needs_attention: int
    unmatched: int
    proposed: int
    is_paused: bool


@dataclass(slots=True)
class CalendarDay:
    """One day of the calendar."""

    on: date
    is_in_month: bool
    is_today: bool
    rows: list[ScheduledPaymentRow] = field(default_factory=list)

    @property
    def sums(self) -> list[Money]:
        """What will be charged on the day, one sum for each currency."""
        return sum_by_currency(self.rows)


@dataclass(frozen=True, slots=True)
class CalendarMonth:
    """A month in weeks from Monday, with its neighbours as `YYYY-MM`."""

    first: date
    weeks: list[list[CalendarDay]]
    previous: str
    next: str

    @property
    def days(self) -> list[CalendarDay]:
        """The days on which something is charged."""
        return [day for week in self.weeks for day in week if day.is_in_month and day.rows]

    @property
    def sums(self) -> list[Money]:
        """What will be charged in the month, one sum for each currency."""
        return sum_by_currency(row for day in self.days for row in day.rows)


def sum_by_currency(rows: Iterable[ScheduledPaymentRow]) -> list[Money]:
    """Sum the amounts, one sum for each currency."""
    found: dict[str, Money] = {}
    for row in rows:
        money = row.scheduled.money
        found[money.currency] = found[money.currency] + money if money.currency in found else money
    return [found[currency] for currency in sorted(found)]


def build_rows(found: Iterable[ScheduledPayment], *, paused: bool) -> list[ScheduledPaymentRow]:
    """Build the rows of a page. What was charged says of its payment what the payment's own page says."""
    rows = list(found)
    charged = [one.payment for one in rows if one.state == "settled" and one.payment is not None]
    standings = {payment.pk: payment.standing for payment in attach_standings(charged, now=clock.now())}
    return [describe_row(one, paused=paused, standing=standings.get(one.payment_id or 0, "")) for one in rows]


def build_row(one: ScheduledPayment, *, paused: bool) -> ScheduledPaymentRow:
    """Build one row."""
    return build_rows([one], paused=paused)[0]


def describe_row(one: ScheduledPayment, *, paused: bool, standing: str) -> ScheduledPaymentRow:
    """Build one row, with the actions that are possible; `standing` is its payment's, once that was charged."""
    state = {"pending": "in_flight", "scheduled": "paused" if paused else "scheduled"}.get(one.state, one.state)
    if standing not in ("", "succeeded"):
        state = standing
    if one.state in ("failed", "held") and one.resolved_at is not None:
        state = "resolved"
    is_open = one.state in ("failed", "held") and one.resolved_at is None
    return ScheduledPaymentRow(
        one,
        state,
        may_cancel=one.state in ("scheduled", "held"),
        may_requeue=is_open,
        may_check=one.state == "pending",
        may_reopen=one.state in ("failed", "cancelled") and one.resolved_at is not None,
    )


def list_live_payments(merchant: Merchant) -> QuerySet[ScheduledPayment]:
    """What will be charged or is being charged, the next one on top."""
    rows = ScheduledPayment.objects.filter(merchant=merchant, state__in=LIVE_SCHEDULED)
    return rows.select_related(*RELATED_ROWS).order_by("run_at", "pk")


def list_all_payments(merchant: Merchant) -> QuerySet[ScheduledPayment]:
    """Everything that ever was scheduled, the newest on top."""
    return ScheduledPayment.objects.filter(merchant=merchant).select_related(*RELATED_ROWS).order_by("-pk")


def list_failed_payments(merchant: Merchant) -> QuerySet[ScheduledPayment]:
    """What failed or is held and nobody has resolved, the newest on top."""
    rows = ScheduledPayment.objects.filter(NEEDS_ATTENTION, merchant=merchant)
    return rows.select_related(*RELATED_ROWS).order_by("-state_at", "-pk")


def list_unmatched_invoices(merchant: Merchant) -> QuerySet[UnmatchedInvoice]:
    """Invoices under a billing term that are not charged, the newest on top."""
    rows = UnmatchedInvoice.objects.filter(merchant=merchant)
    return rows.select_related("invoice__company").order_by("-noted_at", "-pk")


def get_counts(merchant: Merchant) -> AutoPayCounts:
    """Count what the tabs show, in one statement."""
    scheduled = ScheduledPayment.objects.filter(merchant=OuterRef("pk"))
    counted: dict[str, QuerySet[Any]] = {
        "live": scheduled.filter(state__in=LIVE_SCHEDULED),
        "needs_attention": scheduled.filter(NEEDS_ATTENTION),
        "unmatched": UnmatchedInvoice.objects.filter(merchant=OuterRef("pk")),
        "proposed": AutoPayMapping.objects.filter(merchant=OuterRef("pk"), state="proposed", asks_payer=False),
    }
    paused = ~Exists(AutoPaySettings.objects.filter(merchant=OuterRef("pk"), is_enabled=True)) | Q(takes_payments=False)
    found = Merchant.objects.annotate(**{name: count_rows(rows) for name, rows in counted.items()}, paused=paused)
    row = found.values(*counted, "paused").get(pk=merchant.pk)
    return AutoPayCounts(**{name: row[name] for name in counted}, is_paused=row["paused"])


def count_rows(rows: QuerySet[Any]) -> Coalesce:
    """How many rows of the outer row's merchant there are."""
    counted = rows.order_by().values("merchant").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


def get_scheduled_payment(merchant: Merchant, reference: str) -> ScheduledPayment:
    """A scheduled payment of this merchant. Raises Http404."""
    found = list_all_payments(merchant).filter(reference=reference).first()
    if found is None:
        raise Http404
    return found


def list_attempts(scheduled: ScheduledPayment) -> list[Attempt]:
    """Every attempt to charge it, the newest first."""
    if scheduled.payment is None:
        return []
    found = list(scheduled.payment.attempts.order_by("-pk"))
    for attempt in found:
        attempt.payment = scheduled.payment
    return found


def get_settlement_date(scheduled: ScheduledPayment, attempts: Sequence[Attempt]) -> date | None:
    """The day on which a bank debit on its way usually settles."""
    sent = next((a.submitted_at for a in attempts if a.state in LIVE_STATES and a.submitted_at), None)
    return get_local_date(sent + DEBIT_SETTLEMENT_TIME, scheduled.merchant.zone) if sent else None


def get_calendar_month(merchant: Merchant, text: str, *, now: datetime) -> CalendarMonth:
    """What will be charged when in the month `YYYY-MM` of the merchant's zone; this month for any other text."""
    today = get_local_date(now, merchant.zone)
    first = parse_month(text) or today.replace(day=1)
    weeks = [
        [CalendarDay(on, on.month == first.month, on == today) for on in week]
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    ]
    days = {day.on: day for week in weeks for day in week}
    begin, end = min(days), max(days) + timedelta(days=1)
    rows = list_live_payments(merchant).filter(
        run_at__gte=get_day_start(begin, merchant.zone), run_at__lt=get_day_start(end, merchant.zone)
    )
    for row in build_rows(rows, paused=is_paused(merchant)):
        days[get_local_date(row.scheduled.run_at, merchant.zone)].rows.append(row)
    before, after = first - timedelta(days=1), first + timedelta(days=32)
    return CalendarMonth(first, weeks, f"{before:%Y-%m}", f"{after:%Y-%m}")


def list_payer_rows(accesses: Sequence[PayerAccess]) -> list[ScheduledPaymentRow]:
    """What will be charged to the companies that a payer has full access to, the next one on top. One query."""
    companies = [a.company_id for a in accesses if a.scope == PayerAccess.Scope.COMPANY]
    rows = ScheduledPayment.objects.filter(company__in=companies, state__in=LIVE_SCHEDULED)
    rows = rows.annotate(is_on=F("merchant__autopay_settings__is_enabled"))
    found = rows.select_related(*RELATED_ROWS).order_by("run_at", "pk")[: PAGE_SIZE * 4]
    return [build_row(one, paused=not (one.is_on and one.merchant.takes_payments)) for one in found]
