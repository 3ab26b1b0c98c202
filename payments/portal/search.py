"""Transaction Search: what a payer can filter by, and the query that answers it from indexes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from payers.models import PayerAccess
from payments.access import build_abandoned_filter
from payments.models import Attempt, Payment
from payments.payment_filters import (
    WORD_PATTERN,
    build_amount_expression,
    build_amount_filter,
    build_date_expression,
    build_words_match,
)
from payments.portal.access import list_visible_payments
from payments.portal.ordering import list_first_ids
from payments.saved_methods.choices import BANK_DEBIT, CARD
from payments.states import LIVE_STATES, PAID_STATES
from wisepay.clock import get_day_start
from wisepay.models import User

PAGE_SIZE, LAST_PAGE = 50, 100
MAX_COUNTED = 1000
MAX_MATCHED_IDS = MAX_COUNTED  # so many payments are known by their ids; more are read and sorted
QUICK_SCAN_ROWS = 500  # rows that are scanned first for a common word
ONE_DAY = timedelta(days=1)
EARLIEST, LATEST = date(1970, 1, 2), date(9000, 1, 1)
SORTS = {
    "-date": "Newest first",
    "date": "Oldest first",
    "-amount": "Largest first",
    "amount": "Smallest first",
    "company": "Company, A to Z",
    "-company": "Company, Z to A",
}
STATUSES = {
    "open": "Open",
    "processing": "Processing",
    "paid": "Paid",
    "refunded": "Refunded, in part or in full",
    "reversed": "Reversed",
    "saved": "Method saved",
    "over": "Expired or withdrawn",
}
METHODS = {CARD: "Card", BANK_DEBIT: "Bank debit"}


@dataclass(frozen=True, slots=True)
class TransactionFilters:
    """What a payer filters by; a filter that is not used is None or empty. Amounts are in major units."""

    text: str = ""
    amount: Decimal | None = None
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    status: str = ""
    method: str = ""
    since: date | None = None
    until: date | None = None
    company: str = ""
    merchant: str = ""
    sort: str = "-date"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def has_only_text(self) -> bool:
        """Whether the text is the only filter, company and merchant apart."""
        amounts = (self.amount, self.at_least, self.at_most)
        return not (self.status or self.method or self.since or self.until) and amounts == (None, None, None)


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """One page of payments, newest first or in the order asked for; `count` stops at MAX_COUNTED + 1."""

    payments: list[Payment]
    count: int
    number: int
    has_next: bool


def find_payments(
    accesses: Sequence[PayerAccess], user: User, filters: TransactionFilters, *, page: int, now: datetime
) -> TransactionPage:
    """One page of the visible payments that the filters leave. At most five queries at any number of rows."""
    chosen = filter_accesses(accesses, filters)
    visible = list_visible_payments(chosen, user)
    text_filter, quick_filter = build_text_filters(visible, filters.text, chosen)
    number = min(page, LAST_PAGE)
    start, stop = (number - 1) * PAGE_SIZE, number * PAGE_SIZE + 1

    def apply_all(rows: QuerySet[Payment], by: Q = text_filter) -> QuerySet[Payment]:
        return apply_filters(rows, filters, by, now=now)

    keys: list[int] = []
    if quick_filter is not None and number == 1:
        apply_quick = partial(apply_all, by=quick_filter)
        keys = list_first_ids(
            chosen, user, sort=filters.sort, stop=stop, apply_filter=apply_quick, scan_limit=QUICK_SCAN_ROWS
        )
    if len(keys) < stop:
        keys = list_first_ids(chosen, user, sort=filters.sort, stop=stop, apply_filter=apply_all)
    is_all = len(keys) < stop
    if is_all:
        count = len(keys)
    elif quick_filter is not None and filters.has_only_text:
        count = MAX_COUNTED + 1  # a text that is common names more than are counted
    else:
        count = apply_all(visible).values("pk")[: MAX_COUNTED + 1].count()
    rows = Payment.objects.in_bulk(keys[start : stop - 1])
    shown = [rows[key] for key in keys[start : stop - 1]]
    return TransactionPage(shown, count, number, has_next=not is_all and number < LAST_PAGE)


def filter_accesses(accesses: Sequence[PayerAccess], filters: TransactionFilters) -> list[PayerAccess]:
    """The accesses that the filters of company and merchant leave."""
    return [
        access
        for access in accesses
        if filters.company in ("", access.company.reference)
        and filters.merchant in ("", access.company.merchant.reference)
    ]


def apply_filters(
    rows: QuerySet[Payment], filters: TransactionFilters, text_filter: Q, *, now: datetime
) -> QuerySet[Payment]:
    """The rows that all filters leave; `text_filter` is the condition made of the text."""
    rows = rows.alias(shown_amount=build_amount_expression(), shown_at=build_date_expression()).filter(
        text_filter,
        build_amount_filter(amount=filters.amount, at_least=filters.at_least, at_most=filters.at_most),
    )
    rows = rows.exclude(build_abandoned_filter())
    if filters.since:
        rows = rows.filter(shown_at__gte=get_day_start(limit_date(filters.since), filters.zone))
    if filters.until:
        rows = rows.filter(shown_at__lt=get_day_start(limit_date(filters.until) + ONE_DAY, filters.zone))
    if filters.status:
        rows = rows.filter(get_status_filter(filters.status, now=now))
    if filters.method:
        rows = rows.filter(build_method_filter(filters.method))
    return rows


def build_text_filters(rows: QuerySet[Payment], text: str, accesses: Sequence[PayerAccess]) -> tuple[Q, Q | None]:
    """The condition of a text; and, for a text so common that the first rows will have it, one for a quick scan.

    Every word begins a word of reference, quote number or purpose, or the text is in the company's name.

    PostgreSQL can't tell how rare the beginning of a word is, and would read every payment for one that is not
    there: so rare words are looked up first, and the rows are known by their ids from then on. At most one query.
    For the same reason it would look common words up among a few rows that it knows; the condition for the scan is one
    that no index can answer.
    """
    if not text:
        return Q(), None
    lowered = text.casefold()
    by_company = Q(company__in=[a.company_id for a in accesses if lowered in a.company.name.casefold()])
    words = WORD_PATTERN.findall(lowered)
    if not words:
        return by_company, None
    matches = build_words_match(words)
    keys = list(rows.filter(matches).values_list("pk", flat=True)[: MAX_MATCHED_IDS + 1])
    if len(keys) <= MAX_MATCHED_IDS:
        return by_company | Q(pk__in=keys), None
    return by_company | Q(matches), by_company | Q(Coalesce(matches, Value(False)))


def limit_date(day: date) -> date:
    """The day, or the nearest one that can be compared in every time zone."""
    return min(max(day, EARLIEST), LATEST)


def get_status_filter(status: str, *, now: datetime) -> Q:
    """The condition behind a status of the form."""
    live = Q(Exists(Attempt.objects.filter(payment=OuterRef("pk"), state__in=LIVE_STATES)))
    return {
        "open": Q(state="open", expires_at__gt=now) & ~live,
        "processing": Q(state="open") & live,
        "paid": Q(state="succeeded"),
        "refunded": Q(refunded_amount__gt=0),
        "reversed": Q(state="reversed"),
        "saved": Q(state="saved"),
        "over": Q(state="cancelled") | Q(state="open", expires_at__lte=now) & ~live,
    }[status]


def build_method_filter(method: str) -> Q:
    """Paid, or being paid, by this kind of method."""
    attempts = Attempt.objects.filter(payment=OuterRef("pk"), state__in=(*PAID_STATES, *LIVE_STATES)).exclude(
        method_kind=""
    )
    kind = Q(method_kind=CARD)
    return Q(Exists(attempts.filter(kind if method == CARD else ~kind)))


def find_shown_attempts(payments: Sequence[Payment]) -> dict[int, Attempt]:
    """The attempt that each row shows: the paid one, else the newest. One query."""
    by_id = {payment.pk: payment for payment in payments}
    found: dict[int, Attempt] = {}
    for attempt in Attempt.objects.filter(payment__in=list(by_id)).order_by("pk"):
        attempt.payment = by_id[attempt.payment_id]
        known = found.get(attempt.payment_id)
        if known is None or known.state != "succeeded":
            found[attempt.payment_id] = attempt
    return found
