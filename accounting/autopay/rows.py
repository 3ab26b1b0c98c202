"""What pages show of automatic payments: rows, counts, and the calendar."""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import F, Q, QuerySet
from django.http import Http404

from accounting.autopay.reading import is_paused
from accounting.models import LIVE_SCHEDULED, AutoPayMapping, ScheduledPayment, UnmatchedInvoice
from merchants.models import Merchant
from payers.models import PayerAccess
from payments.models import Attempt
from payments.states import LIVE
from wisepay.money import Money

PAGE = 50
SETTLES_IN = timedelta(days=5)  # what a bank debit usually takes
READ_ALONG = ("merchant", "company__merchant", "invoice", "method", "mapping__term", "payment", "resolved_by")
TO_LOOK_AT = Q(state="held") | Q(state="failed", resolved_at=None)


@dataclass(frozen=True, slots=True)
class Row:
    """A scheduled payment as a page shows it; `state` is a badge's."""

    it: ScheduledPayment
    state: str
    may_cancel: bool
    may_requeue: bool
    may_check: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each wait."""

    live: int
    to_look_at: int
    unmatched: int
    proposed: int


@dataclass(slots=True)
class Day:
    """One day of the calendar."""

    on: date
    is_in_month: bool
    is_today: bool
    rows: list[Row] = field(default_factory=list)

    @property
    def sums(self) -> list[Money]:
        """What will be charged, a sum a currency."""
        return sums_of(self.rows)


@dataclass(frozen=True, slots=True)
class Month:
    """A month in weeks from Monday, with its neighbours as `YYYY-MM`."""

    first: date
    weeks: list[list[Day]]
    previous: str
    next: str

    @property
    def days(self) -> list[Day]:
        """The days on which something is charged."""
        return [day for week in self.weeks for day in week if day.is_in_month and day.rows]

    @property
    def sums(self) -> list[Money]:
        """What the month brings, a sum a currency."""
        return sums_of(row for day in self.days for row in day.rows)


def sums_of(rows: Iterable[Row]) -> list[Money]:
    """The amounts together, a sum a currency."""
    found: dict[str, Money] = {}
    for row in rows:
        money = row.it.money
        found[money.currency] = found[money.currency] + money if money.currency in found else money
    return [found[currency] for currency in sorted(found)]


def rows_of(found: Iterable[ScheduledPayment], *, paused: bool) -> list[Row]:
    """The rows with what can be done to them."""
    return [row_of(one, paused=paused) for one in found]


def row_of(one: ScheduledPayment, *, paused: bool) -> Row:
    """One row."""
    state = {"pending": "in_flight", "scheduled": "paused" if paused else "scheduled"}.get(one.state, one.state)
    is_open = one.state in ("failed", "held") and one.resolved_at is None
    return Row(one, state, one.state in ("scheduled", "held"), is_open, one.state == "pending")


def live_payments(merchant: Merchant) -> QuerySet[ScheduledPayment]:
    """What will be charged or is being charged, the next one on top."""
    rows = ScheduledPayment.objects.filter(merchant=merchant, state__in=LIVE_SCHEDULED)
    return rows.select_related(*READ_ALONG).order_by("run_at", "pk")


def every_payment(merchant: Merchant) -> QuerySet[ScheduledPayment]:
    """Everything that ever was scheduled, the newest on top."""
    return ScheduledPayment.objects.filter(merchant=merchant).select_related(*READ_ALONG).order_by("-pk")


def failed_payments(merchant: Merchant) -> QuerySet[ScheduledPayment]:
    """What failed or is held and nobody has settled, the newest on top."""
    rows = ScheduledPayment.objects.filter(TO_LOOK_AT, merchant=merchant)
    return rows.select_related(*READ_ALONG).order_by("-state_at", "-pk")


def unmatched_invoices(merchant: Merchant) -> QuerySet[UnmatchedInvoice]:
    """Invoices under a billing term that are not charged, the newest on top."""
    rows = UnmatchedInvoice.objects.filter(merchant=merchant)
    return rows.select_related("invoice__company").order_by("-noted_at", "-pk")


def counts_of(merchant: Merchant) -> Counts:
    """The numbers on the tabs."""
    scheduled = ScheduledPayment.objects.filter(merchant=merchant)
    return Counts(
        live=scheduled.filter(state__in=LIVE_SCHEDULED).count(),
        to_look_at=scheduled.filter(TO_LOOK_AT).count(),
        unmatched=UnmatchedInvoice.objects.filter(merchant=merchant).count(),
        proposed=AutoPayMapping.objects.filter(merchant=merchant, state="proposed").count(),
    )


def scheduled_at(merchant: Merchant, reference: str) -> ScheduledPayment:
    """One of this merchant. Raises Http404."""
    found = every_payment(merchant).filter(reference=reference).first()
    if found is None:
        raise Http404
    return found


def attempts_at(scheduled: ScheduledPayment) -> list[Attempt]:
    """Every attempt to charge it, the newest first."""
    if scheduled.payment is None:
        return []
    found = list(scheduled.payment.attempts.order_by("-pk"))
    for attempt in found:
        attempt.payment = scheduled.payment
    return found


def settles_on(scheduled: ScheduledPayment, attempts: Sequence[Attempt]) -> date | None:
    """The day on which a bank debit on its way usually settles."""
    sent = next((a.submitted_at for a in attempts if a.state in LIVE and a.submitted_at), None)
    return (sent + SETTLES_IN).astimezone(scheduled.merchant.zone).date() if sent else None


def month_of(merchant: Merchant, text: str, *, now: datetime) -> Month:
    """What will be charged when, in the month `YYYY-MM` on the merchant's clock; this month for any other text."""
    today = now.astimezone(merchant.zone).date()
    first = first_day(text) or today.replace(day=1)
    weeks = [
        [Day(on, on.month == first.month, on == today) for on in week]
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    ]
    days = {day.on: day for week in weeks for day in week}
    begin, end = min(days), max(days) + timedelta(days=1)
    rows = live_payments(merchant).filter(run_at__gte=midnight(merchant, begin), run_at__lt=midnight(merchant, end))
    for row in rows_of(rows, paused=is_paused(merchant)):
        days[row.it.run_at.astimezone(merchant.zone).date()].rows.append(row)
    before, after = first - timedelta(days=1), first + timedelta(days=32)
    return Month(first, weeks, f"{before:%Y-%m}", f"{after:%Y-%m}")


def first_day(text: str) -> date | None:
    """The first of the month `YYYY-MM`, within reason."""
    try:
        found = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 (a month has no zone)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2100 else None


def midnight(merchant: Merchant, day: date) -> datetime:
    """When that day begins for the merchant."""
    return datetime.combine(day, time.min, tzinfo=merchant.zone).astimezone(UTC)


def payers_rows(accesses: Sequence[PayerAccess]) -> list[Row]:
    """What will be charged to the companies that a payer sees as a whole, the next one on top. One query."""
    companies = [a.company_id for a in accesses if a.scope == PayerAccess.Scope.COMPANY]
    rows = ScheduledPayment.objects.filter(company__in=companies, state__in=LIVE_SCHEDULED)
    rows = rows.annotate(is_on=F("merchant__autopay_settings__is_enabled"))
    found = rows.select_related(*READ_ALONG).order_by("run_at", "pk")[: PAGE * 4]
    return [row_of(one, paused=not (one.is_on and one.merchant.takes_payments)) for one in found]
