"""The whole answer for a period: items, differences, days, payouts."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from django.db.models import F
from django.urls import reverse

from accounting.models import AccountingSettings, MoneyCursor
from accounting.reconciliation.acknowledging import with_words
from accounting.reconciliation.books_side import BooksSide
from accounting.reconciliation.days import Period
from accounting.reconciliation.gateway_side import GatewaySide
from accounting.reconciliation.papers import Papers
from accounting.reconciliation.payouts import PaidOut, check_payouts, payouts_of
from accounting.reconciliation.words import REASONS, Difference, Findings, Item
from connections.models import Connection, Tier
from merchants.models import Merchant
from payments.models import Attempt, GatewayAccount, MovementCursor
from wisepay.money import Money


@dataclass(slots=True)
class Sums:
    """One day, or all of them, in one currency: minor units. `explained` is what the reasons account for."""

    day: date | None
    currency: str
    count: int = 0
    stripe: int = 0
    ours: int = 0
    books: int = 0
    fees: int = 0
    explained: int = 0
    reasons: set[str] = field(default_factory=set)

    @property
    def is_equal(self) -> bool:
        """Whether all three say the same, but for what is explained."""
        return self.stripe == self.ours == self.books + self.explained

    @property
    def why(self) -> str:
        """The reasons in words."""
        return ", ".join(sorted(REASONS[reason] for reason in self.reasons))

    def money(self, name: str) -> Money:
        """One of the sums as money."""
        return Money(getattr(self, name), self.currency)

    @property
    def said(self) -> tuple[Money, Money, Money, Money]:
        """Stripe, our ledger, the books, and Stripe's fees."""
        return self.money("stripe"), self.money("ours"), self.money("books"), self.money("fees")

    def take(self, item: Item) -> None:
        """Add an item."""
        self.fees += item.fee
        if not item.is_compared:
            return
        self.count += 1
        self.stripe += item.stripe
        self.ours += item.ours
        self.books += item.books
        if item.reason and item.ours != item.books:
            self.explained += item.ours - item.books
            self.reasons.add(item.reason)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of reconciling a period."""

    merchant: Merchant
    period: Period
    items: list[Item]
    differences: list[Difference]
    payouts: list[PaidOut]
    stripe_known_until: datetime | None
    books_known_until: datetime | None
    stripe_error: str = ""
    books_error: str = ""
    organisation: str = ""
    stripe_begins_at: datetime | None = None

    @property
    def trouble(self) -> str:
        """Why it was not judged by all that there is, in words; empty when it was."""
        said = []
        if self.stripe_known_until is None:
            said.append("Stripe was not read yet.")
        if self.is_before:
            said.append("Another Stripe account was connected then, of which nothing is known.")
        if self.items and self.books_known_until is None:
            said.append("The payments of the books were not read yet.")
        said += [f"Stripe: {self.stripe_error}"] if self.stripe_error else []
        said += [f"Books: {self.books_error}"] if self.books_error else []
        return " ".join(said)

    @property
    def is_before(self) -> bool:
        """Whether the period was over before Stripe's lines begin."""
        return self.stripe_begins_at is not None and self.period.end <= self.stripe_begins_at

    @property
    def open(self) -> list[Difference]:
        """The differences that nobody said a word about."""
        return [row for row in self.differences if row.known is None]

    @property
    def known(self) -> list[Difference]:
        """Those that somebody knows of."""
        return [row for row in self.differences if row.known is not None]

    @property
    def open_days(self) -> set[date]:
        """The days with an open difference."""
        return {row.day for row in self.open}

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to look at: nothing differs, or only what somebody knows of."""
        return not self.open

    @property
    def is_read(self) -> bool:
        """Whether Stripe was read at all."""
        return self.stripe_known_until is not None

    @property
    def totals(self) -> list[Sums]:
        """The period in each currency."""
        return sums_of(self.items, lambda item: None)

    @property
    def days(self) -> list[Sums]:
        """Each day with something, newest first, in each currency."""
        found = sums_of(self.items, lambda item: item.day)
        return sorted(found, key=lambda row: (row.day or date.min, row.currency), reverse=True)


def sums_of(items: Iterable[Item], day_of: Callable[[Item], date | None]) -> list[Sums]:
    """Items summed by day and currency."""
    found: defaultdict[tuple[date | None, str], Sums] = defaultdict(lambda: Sums(None, ""))
    for item in items:
        key = (day_of(item), item.currency)
        row = found[key]
        row.day, row.currency = key
        row.take(item)
    return sorted(found.values(), key=lambda row: row.currency)


def reconcile(merchant: Merchant, period: Period, *, now: datetime) -> Report:
    """Compare Stripe, our own ledger and the books for a period. Reads only; a fixed number of statements."""
    account = GatewayAccount.objects.filter(merchant=merchant).first()
    stripe = MovementCursor.objects.filter(account=account).first() if account else None
    books = books_cursor(merchant)
    found = Findings()
    items: list[Item] = []
    payouts: list[PaidOut] = []
    if account is not None and stripe is not None and stripe.known_until is not None:
        items = list(GatewaySide(account, stripe, period, found, now).items())
        clearing = AccountingSettings.objects.filter(merchant=merchant).values_list("clearing_account", flat=True)
        side = BooksSide(merchant, clearing.first() or "", books, period, found, now)
        side.fill(items)
        items += Papers(side).check()
        payouts = payouts_of(account, period)
        check_payouts(payouts, found, today=period.day_of(now))
    return Report(
        merchant=merchant,
        period=period,
        items=items,
        differences=led(merchant, found.rows),
        payouts=payouts,
        stripe_known_until=stripe.known_until if stripe else None,
        books_known_until=books.known_until if books else None,
        stripe_error=stripe.error if stripe else "",
        books_error=books.error if books else "",
        organisation=books.organisation_id if books else "",
        stripe_begins_at=stripe.begins_at if stripe else None,
    )


def books_cursor(merchant: Merchant) -> MoneyCursor | None:
    """How far the payments of the connected organisation were read, or of the last one."""
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    rows = MoneyCursor.objects.filter(merchant=merchant).order_by(F("known_until").desc(nulls_last=True))
    return (rows.filter(organisation_id=connection.organisation_id) if connection else rows).first()


def led(merchant: Merchant, rows: list[Difference]) -> list[Difference]:
    """Differences with who they are about, the way there and what was said of them, newest first. Two statements."""
    attempts = {row.attempt for row in rows if row.attempt}
    known = {
        pk: (payment, reference, company)
        for pk, payment, reference, company in Attempt.objects.filter(pk__in=attempts).values_list(
            "pk", "payment_id", "payment__reference", "payment__company__name"
        )
    }
    found = []
    for row in sorted(rows, key=lambda one: (one.day, one.kind, one.subject), reverse=True):
        payment, reference, company = known.get(row.attempt or 0, (row.payment, "", ""))
        path = reverse("payments:detail", args=[merchant.reference, reference]) if reference else ""
        subject = row.subject or reference
        found.append(replace(row, payment=payment, payer=company, path=path, subject=subject))
    return with_words(merchant, found)
