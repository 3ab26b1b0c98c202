"""The reconciliation of a period: items, differences, days, payouts."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from django.db.models import F, QuerySet
from django.urls import reverse
from django_subatomic.db import transaction

from accounting.models import AccountingSettings, LedgerPaymentCursor
from accounting.reconciliation.acknowledgements import add_acknowledgements
from accounting.reconciliation.differences import REASON_LABELS, Difference, DifferenceList, ReconciliationItem
from accounting.reconciliation.document_checks import DocumentChecks
from accounting.reconciliation.ledger_vs_books import LedgerVsBooks
from accounting.reconciliation.payouts import PayoutSummary, add_payout_differences, list_payouts
from accounting.reconciliation.periods import Period
from accounting.reconciliation.stripe_vs_ledger import StripeVsLedger
from connections.models import Connection, Tier
from merchants.models import Merchant
from payments.models import Attempt, BalanceTransactionCursor, GatewayAccount
from wisepay.money import Money


@dataclass(slots=True)
class PeriodTotals:
    """The sums of one day, or of all, in minor units of one currency. `explained` is what the reasons account for."""

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
        """Return whether all three agree, except for what is explained."""
        return self.stripe == self.ours == self.books + self.explained

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
    books_known_until: datetime | None
    stripe_error: str = ""
    books_error: str = ""
    organisation_id: str = ""
    stripe_begins_at: datetime | None = None

    @property
    def incomplete_reason(self) -> str:
        """Return why it is incomplete, or an empty text."""
        reasons = []
        if self.stripe_known_until is None:
            reasons.append("Stripe was not read yet.")
        if self.is_before_account:
            reasons.append("Another Stripe account was connected then, of which nothing is known.")
        if self.items and self.books_known_until is None:
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
        return sum_items(self.items, lambda item: None)

    @property
    def days(self) -> list[PeriodTotals]:
        """Return the sums of each day with an item in each currency, newest first."""
        found = sum_items(self.items, lambda item: item.day)
        return sorted(found, key=lambda row: (row.day or date.min, row.currency), reverse=True)


def sum_items(
    items: Iterable[ReconciliationItem], day_of: Callable[[ReconciliationItem], date | None]
) -> list[PeriodTotals]:
    """Return the sums of items by day and currency."""
    found: defaultdict[tuple[date | None, str], PeriodTotals] = defaultdict(lambda: PeriodTotals(None, ""))
    for item in items:
        key = (day_of(item), item.currency)
        row = found[key]
        row.day, row.currency = key
        row.add_item(item)
    return sorted(found.values(), key=lambda row: row.currency)


def list_cursors(account: GatewayAccount) -> "QuerySet[BalanceTransactionCursor]":
    """The cursors of every account of the same merchant and mode, the present one first."""
    rows = BalanceTransactionCursor.objects.filter(
        account__merchant=account.merchant_id, account__is_live=account.is_live
    )
    return rows.select_related("account").order_by(F("account__current_of").asc(nulls_last=True), "pk")


@transaction()
def reconcile(merchant: Merchant, period: Period, *, now: datetime) -> ReconciliationReport:
    """Compare Stripe, our own ledger and the accounting package for a period, in a fixed number of queries."""
    account = GatewayAccount.objects.filter(current_of=merchant).first()
    cursors = list(list_cursors(account)) if account else []
    stripe = next((cursor for cursor in cursors if cursor.account == account), None)
    books = get_ledger_payment_cursor(merchant)
    differences = DifferenceList()
    items: list[ReconciliationItem] = []
    payouts: list[PayoutSummary] = []
    if account is not None and stripe is not None and stripe.known_until is not None:
        for cursor in cursors:
            items += StripeVsLedger(cursor.account, cursor, period, differences, now).list_items()
            payouts += list_payouts(cursor.account, period)
        clearing = AccountingSettings.objects.filter(merchant=merchant).values_list("clearing_account", flat=True)
        comparison = LedgerVsBooks(merchant, clearing.first() or "", books, period, differences, now)
        comparison.compare_items(items)
        items += DocumentChecks(comparison).run()
        add_payout_differences(payouts, differences, today=period.get_day(now))
    return ReconciliationReport(
        merchant=merchant,
        period=period,
        items=items,
        differences=add_details(merchant, differences.rows),
        payouts=payouts,
        stripe_known_until=stripe.known_until if stripe else None,
        books_known_until=books.known_until if books else None,
        stripe_error=stripe.error if stripe else "",
        books_error=books.error if books else "",
        organisation_id=books.organisation_id if books else "",
        stripe_begins_at=stripe.begins_at if stripe else None,
    )


def get_ledger_payment_cursor(merchant: Merchant) -> LedgerPaymentCursor | None:
    """Return the payment cursor of the connected organisation, or of the last one."""
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    rows = LedgerPaymentCursor.objects.filter(merchant=merchant).order_by(F("known_until").desc(nulls_last=True))
    return (rows.filter(organisation_id=connection.organisation_id) if connection else rows).first()


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
