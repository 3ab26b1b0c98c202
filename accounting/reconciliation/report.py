"""The reconciliation of a period: items, differences, days, payouts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from django.db.models import F, QuerySet
from django.urls import reverse
from django_subatomic.db import transaction

from accounting.reconciliation.acknowledgements import add_acknowledgements
from accounting.reconciliation.differences import (
    REASON_LABELS,
    Difference,
    DifferenceKind,
    DifferenceList,
    ReconciliationItem,
)
from accounting.reconciliation.document_checks import DocumentChecks
from accounting.reconciliation.ledger_vs_books import LedgerVsBooks
from accounting.reconciliation.organisations import MerchantBooks, get_merchant_books
from accounting.reconciliation.payouts import PayoutSummary, add_payout_differences, list_payouts
from accounting.reconciliation.periods import Period
from accounting.reconciliation.stripe_vs_ledger import StripeVsLedger
from merchants.models import Merchant
from payments.models import Attempt, BalanceTransactionCursor, GatewayAccount
from wisepay.money import Money


@dataclass(slots=True)
class PeriodTotals:
    """The sums of one day, or of all, in minor units of one currency, as far as one organisation's books hold them.

    `explained` is what the reasons account for, and `unequal` counts the items whose three sides are not the same.
    `name` is the organisation's where there are others than the connected one.
    """

    day: date | None
    currency: str
    organisation: str = ""
    name: str = ""
    count: int = 0
    stripe: int = 0
    ours: int = 0
    books: int = 0
    fees: int = 0
    explained: int = 0
    unequal: int = 0
    reasons: set[str] = field(default_factory=set)

    @property
    def is_equal(self) -> bool:
        """Return whether all three agree, except for what is explained."""
        return self.stripe == self.ours == self.books + self.explained

    @property
    def is_exact(self) -> bool:
        """Return whether all three are the same, each item for itself."""
        return self.unequal == 0

    @property
    def apart(self) -> Money:
        """Return how far the sums are apart."""
        sums = (self.stripe, self.ours, self.books)
        return Money(max(sums) - min(sums), self.currency)

    @property
    def why(self) -> str:
        """Return the reasons in words."""
        return ", ".join(sorted(REASON_LABELS[reason] for reason in self.reasons))

    @property
    def amounts(self) -> tuple[Money, Money, Money, Money]:
        """Return the amounts at Stripe, in our ledger and in the accounting package, and Stripe's fees."""
        stripe, ours = Money(self.stripe, self.currency), Money(self.ours, self.currency)
        return stripe, ours, Money(self.books, self.currency), Money(self.fees, self.currency)

    def add_item(self, item: ReconciliationItem) -> None:
        """Add an item."""
        self.fees += item.fee
        if not item.is_compared:
            return
        self.count += 1
        self.stripe += item.stripe
        self.ours += item.ours
        self.books += item.books
        self.unequal += not item.is_equal
        if item.reason and item.ours != item.books:
            self.explained += item.ours - item.books
            self.reasons.add(item.reason)


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """The result of reconciling a period."""

    merchant: Merchant
    period: Period
    items: list[ReconciliationItem]
    differences: list[Difference]
    payouts: list[PayoutSummary]
    stripe_known_until: datetime | None
    books: MerchantBooks
    stripe_error: str = ""
    stripe_begins_at: datetime | None = None

    @property
    def books_known_until(self) -> datetime | None:
        """Return how far the payments of the connected organisation were read."""
        return self.books.current.known_until

    @property
    def books_error(self) -> str:
        """Return why they could not be read, or an empty text."""
        return self.books.current.cursor.error if self.books.current.cursor else ""

    @property
    def organisation_id(self) -> str:
        """Return the connected organisation."""
        return self.books.current.organisation_id

    @property
    def verdict(self) -> str:
        """Return the result in a word, from the figures: what was named or acknowledged never makes them agree."""
        if not self.is_read:
            return "stripe_unread"
        if self.is_before_account:
            return "before_account"
        if self.open_differences:
            return "differs"
        if self.books_known_until is None:
            return "books_unread"
        return "agrees" if all(total.is_exact for total in self.totals) and not self.differences else "apart"

    @property
    def incomplete_reason(self) -> str:
        """Return why it is incomplete, or an empty text."""
        reasons = []
        if self.stripe_known_until is None:
            reasons.append("Stripe was not read yet.")
        if self.is_before_account:
            reasons.append("Another Stripe account was connected then, of which nothing is known.")
        if self.books_known_until is None:
            reasons.append("The payments of the books were not read yet.")
        reasons += [f"Stripe: {self.stripe_error}"] if self.stripe_error else []
        reasons += [f"Books: {self.books_error}"] if self.books_error else []
        return " ".join(reasons)

    @property
    def is_before_account(self) -> bool:
        """Return whether the period was over before Stripe's lines begin."""
        return self.stripe_begins_at is not None and self.period.end <= self.stripe_begins_at

    @property
    def open_differences(self) -> list[Difference]:
        """Return the differences that are not acknowledged."""
        return [row for row in self.differences if row.known is None]

    @property
    def known_differences(self) -> list[Difference]:
        """Return the differences that are acknowledged."""
        return [row for row in self.differences if row.known is not None]

    @property
    def open_days(self) -> set[date]:
        """Return the days with an open difference."""
        return {row.day for row in self.open_differences}

    @property
    def is_clean(self) -> bool:
        """Return whether no difference is open."""
        return not self.open_differences

    @property
    def is_read(self) -> bool:
        """Return whether Stripe was read at all."""
        return self.stripe_known_until is not None

    @property
    def totals(self) -> list[PeriodTotals]:
        """Return the sums of the period in each currency."""
        return self.add_names(sum_items(self.items, lambda item: None))

    def add_names(self, rows: list[PeriodTotals]) -> list[PeriodTotals]:
        """Return sums with the names of their organisations, where any is another than the connected one."""
        has_former = any(item.organisation not in ("", self.organisation_id) for item in self.items)
        for row in rows if has_former else ():
            row.name = self.books.get(row.organisation).name
        return rows

    @property
    def days(self) -> list[PeriodTotals]:
        """Return the sums of each day with an item in each currency, newest first."""
        found = self.add_names(sum_items(self.items, lambda item: item.day))
        return sorted(found, key=lambda row: (row.day or date.min, row.currency, row.name), reverse=True)


def sum_items(
    items: Iterable[ReconciliationItem], day_of: Callable[[ReconciliationItem], date | None]
) -> list[PeriodTotals]:
    """Return the sums of items by day, currency and organisation."""
    found: dict[tuple[date | None, str, str], PeriodTotals] = {}
    for item in items:
        key = (day_of(item), item.currency, item.organisation)
        found.setdefault(key, PeriodTotals(*key)).add_item(item)
    return sorted(found.values(), key=lambda row: (row.currency, row.organisation))


def list_cursors(account: GatewayAccount) -> "QuerySet[BalanceTransactionCursor]":
    """The cursors of every account of the same merchant and mode, the present one first."""
    rows = BalanceTransactionCursor.objects.filter(
        account__merchant=account.merchant_id, account__is_live=account.is_live
    )
    return rows.select_related("account").order_by(F("account__current_of").asc(nulls_last=True), "pk")


@transaction()
def reconcile(merchant: Merchant, period: Period, *, now: datetime) -> ReconciliationReport:
    """Compare Stripe, our own ledger and the accounting package for a period, in a fixed number of queries."""
    account = GatewayAccount.find_current(merchant)
    cursors = list(list_cursors(account)) if account else []
    stripe = next((cursor for cursor in cursors if cursor.account == account), None)
    books = get_merchant_books(merchant)
    differences = DifferenceList()
    items: list[ReconciliationItem] = []
    payouts: list[PayoutSummary] = []
    if account is not None and stripe is not None and stripe.known_until is not None:
        for cursor in cursors:
            items += StripeVsLedger(cursor.account, cursor, period, differences, now).list_items()
            payouts += list_payouts(cursor.account, period)
        comparison = LedgerVsBooks(merchant, books, period, differences, now)
        comparison.compare_items(items)
        items += DocumentChecks(comparison).run()
        add_payout_differences(payouts, differences, today=period.get_day(now))
        add_unexplained_differences(items, differences)
    return ReconciliationReport(
        merchant=merchant,
        period=period,
        items=items,
        differences=add_details(merchant, differences.rows),
        payouts=payouts,
        stripe_known_until=stripe.known_until if stripe else None,
        books=books,
        stripe_error=stripe.error if stripe else "",
        stripe_begins_at=stripe.begins_at if stripe else None,
    )


def add_unexplained_differences(items: Iterable[ReconciliationItem], differences: DifferenceList) -> None:
    """Add a difference for every item whose sides are apart and that no other difference is about."""
    attempts = {row.attempt for row in differences.rows if row.attempt and row.gap}
    subjects = {row.subject for row in differences.rows if row.subject}
    for item in items:
        if item.is_equal or item.reason or item.kind == "document" or item.attempt in attempts:
            continue
        if {item.stripe_id, item.source_id} & subjects:
            continue
        stripe, ours, books = item.amounts
        description = f"{item.label}: Stripe {stripe}, Wise-Pay {ours}, the books {books}."
        gap = Money(item.books - item.ours or item.ours - item.stripe, item.currency)
        subject = item.source_id or item.stripe_id
        differences.add(DifferenceKind.UNEXPLAINED, item.day, gap, subject, description, attempt=item.attempt)


def add_details(merchant: Merchant, rows: list[Difference]) -> list[Difference]:
    """Add to differences their payer, path and acknowledgement, newest first. Two queries."""
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
    return add_acknowledgements(merchant, found)
