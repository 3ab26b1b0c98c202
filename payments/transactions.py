"""Transaction Search: what a payer can filter by, and the query that answers it from indexes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache, partial
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from payers.models import PayerAccess
from payments.choices import BANK_DEBIT, CARD
from payments.models import Attempt, Payment
from payments.portal_access import visible_payments
from payments.portal_order import first_keys, shown_amount, shown_at
from payments.portal_rows import PAID
from payments.states import LIVE
from wisepay.models import User
from wisepay.money import currencies, digits_of

PAGE, LAST_PAGE = 50, 100
COUNTED = 1000
RARE = COUNTED  # so many payments are known by their ids; more are read and sorted
GLANCE = 500  # rows that are looked at first for a common word
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
WORD = re.compile(r"[^\W_]+")


class Words(Func):
    """The words of a payment; the expression is the one of the index payment_words."""

    template = "to_tsvector('simple'::regconfig, translate(%(expressions)s, '-_/.:@', '      '))"
    arg_joiner = " || ' ' || "
    output_field = TextField()


class Matches(Func):
    """Whether the words of a payment match the query, asked of the index."""

    template = "(%(expressions)s)"
    arg_joiner = " @@ "
    output_field = BooleanField()


def words_match(words: Sequence[str]) -> Matches:
    """Every one of these begins a word of the payment."""
    query = Func(
        Value(" & ".join(f"{word}:*" for word in words)),
        template="to_tsquery('simple'::regconfig, %(expressions)s)",
        output_field=TextField(),
    )
    return Matches(Words(F("reference"), F("purpose"), Coalesce(KT("details__reference"), Value(""))), query)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for; everything that is not asked for is None or empty. Amounts are in major units."""

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
    def is_only_text(self) -> bool:
        """Whether nothing narrows it but the text, and perhaps the company or merchant."""
        amounts = (self.amount, self.at_least, self.at_most)
        return not (self.status or self.method or self.since or self.until) and amounts == (None, None, None)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of payments, newest first or as asked; `count` stops at COUNTED + 1."""

    payments: list[Payment]
    count: int
    number: int
    has_next: bool


def find_payments(accesses: Sequence[PayerAccess], user: User, wish: Wish, *, page: int, now: datetime) -> Found:
    """The page of what is visible and wished for. At most five queries at any number of rows."""
    chosen = chosen_accesses(accesses, wish)
    visible = visible_payments(chosen, user)
    named, glanced = named_rows(visible, wish.text, chosen)
    number = min(page, LAST_PAGE)
    start, stop = (number - 1) * PAGE, number * PAGE + 1

    def narrow(rows: QuerySet[Payment], by: Q = named) -> QuerySet[Payment]:
        return wished(rows, wish, by, now=now)

    keys: list[int] = []
    if glanced is not None and number == 1:
        glance = partial(narrow, by=glanced)
        keys = first_keys(chosen, user, sort=wish.sort, stop=stop, narrow=glance, within=GLANCE)
    if len(keys) < stop:
        keys = first_keys(chosen, user, sort=wish.sort, stop=stop, narrow=narrow)
    is_all = len(keys) < stop
    if is_all:
        count = len(keys)
    elif glanced is not None and wish.is_only_text:
        count = COUNTED + 1  # a text that is common names more than are counted
    else:
        count = narrow(visible).values("pk")[: COUNTED + 1].count()
    rows = Payment.objects.in_bulk(keys[start : stop - 1])
    shown = [rows[key] for key in keys[start : stop - 1]]
    return Found(shown, count, number, has_next=not is_all and number < LAST_PAGE)


def chosen_accesses(accesses: Sequence[PayerAccess], wish: Wish) -> list[PayerAccess]:
    """The accesses that the filters of company and merchant leave."""
    return [
        access
        for access in accesses
        if wish.company in ("", access.company.reference) and wish.merchant in ("", access.company.merchant.reference)
    ]


def wished(rows: QuerySet[Payment], wish: Wish, named: Q, *, now: datetime) -> QuerySet[Payment]:
    """The rows that all filters let through; `named` is what became of the text."""
    rows = rows.alias(shown_amount=shown_amount(), shown_at=shown_at()).filter(named, amount_is(wish))
    rows = rows.exclude(chosen_only())
    if wish.since:
        rows = rows.filter(shown_at__gte=midnight(wish.since, wish.zone))
    if wish.until:
        rows = rows.filter(shown_at__lt=midnight(wish.until, wish.zone, days_later=1))
    if wish.status:
        rows = rows.filter(status_is(wish.status, now=now))
    if wish.method:
        rows = rows.filter(method_is(wish.method))
    return rows


def chosen_only() -> Q:
    """Invoices that somebody chose to pay and then did not: nothing happened, so there is nothing to tell."""
    tried = Exists(Attempt.objects.filter(payment=OuterRef("pk")))
    return Q(origin=Payment.Origin.INVOICES, state="open") & ~Q(tried)


def named_rows(rows: QuerySet[Payment], text: str, accesses: Sequence[PayerAccess]) -> tuple[Q, Q | None]:
    """The rows that a text names; and, of one so common that the first rows will have it, the same for a glance.

    Every word begins a word of reference, quote number or purpose, or the text is in the company's name.

    PostgreSQL can't tell how rare the beginning of a word is, and would read every payment for one that is not
    there: so rare words are looked up first, and the rows are known by their ids from then on. At most one query.
    For the same reason it would look common words up among a few rows that it knows; the glance's condition is one
    that no index can answer.
    """
    if not text:
        return Q(), None
    lowered = text.casefold()
    by_company = Q(company__in=[a.company_id for a in accesses if lowered in a.company.name.casefold()])
    words = WORD.findall(lowered)
    if not words:
        return by_company, None
    matches = words_match(words)
    keys = list(rows.filter(matches).values_list("pk", flat=True)[: RARE + 1])
    if len(keys) <= RARE:
        return by_company | Q(pk__in=keys), None
    return by_company | Q(matches), by_company | Q(Coalesce(matches, Value(False)))


@cache
def odd_currencies() -> dict[int, list[str]]:
    """The currencies that do not have two decimals, by how many they have."""
    found: dict[int, list[str]] = {}
    for code in sorted(currencies()):
        if digits_of(code) != 2:
            found.setdefault(digits_of(code), []).append(code)
    return found


def amount_is(wish: Wish) -> Q:
    """The amounts in major units, whatever the decimals of the currency: ranges that an index can be asked for."""
    asked = {"": wish.amount, "__gte": wish.at_least, "__lte": wish.at_most}
    limits = {f"shown_amount{lookup}": amount for lookup, amount in asked.items() if amount is not None}
    if not limits:
        return Q()
    odd = odd_currencies()
    found = in_minor(limits, 2) & ~Q(currency__in=[code for codes in odd.values() for code in codes])
    for digits, codes in odd.items():
        found |= in_minor(limits, digits) & Q(currency__in=codes)
    return found


def in_minor(limits: dict[str, Decimal], digits: int) -> Q:
    """The limits in minor units of that many decimals; nothing has a fraction of one."""
    minor = {name: amount.scaleb(digits) for name, amount in limits.items()}
    if any(name == "shown_amount" and amount != amount.to_integral_value() for name, amount in minor.items()):
        return Q(pk__in=[])
    up = {name: int(amount.to_integral_value(ROUND_CEILING)) for name, amount in minor.items() if "gte" in name}
    down = {name: int(amount.to_integral_value(ROUND_FLOOR)) for name, amount in minor.items() if "gte" not in name}
    return Q(**up, **down)


def midnight(day: date, zone: ZoneInfo, *, days_later: int = 0) -> datetime:
    """The instant at which the day begins there; days at the ends of time count as the nearest sensible one."""
    sensible = min(max(day, EARLIEST), LATEST) + timedelta(days=days_later)
    return datetime.combine(sensible, time.min, tzinfo=zone).astimezone(UTC)


def status_is(status: str, *, now: datetime) -> Q:
    """The condition behind a status of the form."""
    live = Q(Exists(Attempt.objects.filter(payment=OuterRef("pk"), state__in=LIVE)))
    return {
        "open": Q(state="open", expires_at__gt=now) & ~live,
        "processing": Q(state="open") & live,
        "paid": Q(state="succeeded"),
        "refunded": Q(refunded_amount__gt=0),
        "reversed": Q(state="reversed"),
        "saved": Q(state="saved"),
        "over": Q(state="cancelled") | Q(state="open", expires_at__lte=now) & ~live,
    }[status]


def method_is(method: str) -> Q:
    """Paid, or being paid, by this kind of method."""
    talks = Attempt.objects.filter(payment=OuterRef("pk"), state__in=(*PAID, *LIVE)).exclude(method_kind="")
    kind = Q(method_kind=CARD)
    return Q(Exists(talks.filter(kind if method == CARD else ~kind)))


def telling_attempts(payments: Sequence[Payment]) -> dict[int, Attempt]:
    """The attempt that a row tells of: the paid one, else the newest. One query."""
    wanted = {payment.pk: payment for payment in payments}
    found: dict[int, Attempt] = {}
    for attempt in Attempt.objects.filter(payment__in=list(wanted)).order_by("pk"):
        attempt.payment = wanted[attempt.payment_id]
        known = found.get(attempt.payment_id)
        if known is None or known.state != "succeeded":
            found[attempt.payment_id] = attempt
    return found
