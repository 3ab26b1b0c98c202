"""The whole answer for a period: items, differences, days, payouts."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from django.db.models import F
from django.urls import reverse

from accounting.models import AccountingSettings, LedgerPaymentCursor
from accounting.reconciliation.acknowledgements import add_acknowledgements
from accounting.reconciliation.differences import REASON_LABELS, Difference, Findings, ReconciliationItem
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
        return ", ".join(sorted(REASON_LABELS[reason] for reason in self.reasons))

    def get_money(self, name: str) -> Money:
        """One of the sums as money."""
        return Money(getattr(self, name), self.currency)

    @property
    def amounts(self) -> tuple[Money, Money, Money, Money]:
        """Stripe, our ledger, the books, and Stripe's fees."""
        return self.get_money("stripe"), self.get_money("ours"), self.get_money("books"), self.get_money("fees")

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
    """What came of reconciling a period."""

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
        """Why it was not judged by all that there is, in words; empty when it was."""
        said = []
        if self.stripe_known_until is None:
            said.append("Stripe was not read yet.")
        if self.is_before_account:
            said.append("Another Stripe account was connected then, of which nothing is known.")
        if self.items and self.books_known_until is None:
            said.append("The payments of the books were not read yet.")
        said += [f"Stripe: {self.stripe_error}"] if self.stripe_error else []
        said += [f"Books: {self.books_error}"] if self.books_error else []
        return " ".join(said)

    @property
    def is_before_account(self) -> bool:
        """Whether the period was over before Stripe's lines begin."""
        return self.stripe_begins_at is not None and self.period.end <= self.stripe_begins_at

    @property
    def open_differences(self) -> list[Difference]:
        """The differences that nobody said a word about."""
        return [row for row in self.differences if row.known is None]

    @property
    def known_differences(self) -> list[Difference]:
        """Those that somebody knows of."""
        return [row for row in self.differences if row.known is not None]

    @property
    def open_days(self) -> set[date]:
        """The days with an open difference."""
        return {row.day for row in self.open_differences}

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to look at: nothing differs, or only what somebody knows of."""
        return not self.open_differences

    @property
    def is_read(self) -> bool:
        """Whether Stripe was read at all."""
        return self.stripe_known_until is not None

    @property
    def totals(self) -> list[PeriodTotals]:
        """The period in each currency."""
        return sum_items(self.items, lambda item: None)

    @property
    def days(self) -> list[PeriodTotals]:
        """Each day with something, newest first, in each currency."""
        found = sum_items(self.items, lambda item: item.day)
        return sorted(found, key=lambda row: (row.day or date.min, row.currency), reverse=True)


def sum_items(
    items: Iterable[ReconciliationItem], day_of: Callable[[ReconciliationItem], date | None]
) -> list[PeriodTotals]:
    """Items summed by day and currency."""
    found: defaultdict[tuple[date | None, str], PeriodTotals] = defaultdict(lambda: PeriodTotals(None, ""))
    for item in items:
        key = (day_of(item), item.currency)
        row = found[key]
        row.day, row.currency = key
        row.add_item(item)
    return sorted(found.values(), key=lambda row: row.currency)


def reconcile(merchant: Merchant, period: Period, *, now: datetime) -> ReconciliationReport:
    """Compare Stripe, our own ledger and the books for a period. Reads only; a fixed number of statements."""
    account = GatewayAccount.objects.filter(merchant=merchant).first()
    stripe = BalanceTransactionCursor.objects.filter(account=account).first() if account else None
    books = get_ledger_payment_cursor(merchant)
    found = Findings()
    items: list[ReconciliationItem] = []
    payouts: list[PayoutSummary] = []
    if account is not None and stripe is not None and stripe.known_until is not None:
        items = list(StripeVsLedger(account, stripe, period, found, now).list_items())
        clearing = AccountingSettings.objects.filter(merchant=merchant).values_list("clearing_account", flat=True)
        side = LedgerVsBooks(merchant, clearing.first() or "", books, period, found, now)
        side.compare_items(items)
        items += DocumentChecks(side).run()
        payouts = list_payouts(account, period)
        add_payout_differences(payouts, found, today=period.get_day(now))
    return ReconciliationReport(
        merchant=merchant,
        period=period,
        items=items,
        differences=add_details(merchant, found.rows),
        payouts=payouts,
        stripe_known_until=stripe.known_until if stripe else None,
        books_known_until=books.known_until if books else None,
        stripe_error=stripe.error if stripe else "",
        books_error=books.error if books else "",
        organisation_id=books.organisation_id if books else "",
        stripe_begins_at=stripe.begins_at if stripe else None,
    )


def get_ledger_payment_cursor(merchant: Merchant) -> LedgerPaymentCursor | None:
    """How far the payments of the connected organisation were read, or of the last one."""
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    rows = LedgerPaymentCursor.objects.filter(merchant=merchant).order_by(F("known_until").desc(nulls_last=True))
    return (rows.filter(organisation_id=connection.organisation_id) if connection else rows).first()


def add_details(merchant: Merchant, rows: list[Difference]) -> list[Difference]:
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
    return add_acknowledgements(merchant, found)
