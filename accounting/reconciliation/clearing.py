"""The clearing account line by line, and the reasons of its balance."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import BigIntegerField, Case, DateField, Exists, F, OuterRef, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from accounting.models import LedgerPayment, ManualTask, Posting
from accounting.models.posting_kinds import CLEARING_SIGNS, PAYMENT_KINDS, REMOVED_PAYMENT_KINDS
from accounting.reconciliation.differences import REASON_LABELS, ReconciliationItem
from accounting.reconciliation.periods import Period
from accounting.reconciliation.report import ReconciliationReport
from payments.models import BalanceTransaction, Payout
from wisepay.money import Money

COST_KINDS = ("fee", "adjustment")
MAX_ENTRIES = 60
OUTSIDE_PERIOD = "Documents dated outside the period of their money"
BROUGHT_FORWARD = "Left from before"
NOT_PAID_OUT = "At Stripe, not paid out yet"
NAMED_DIFFERENCES = "Differences, as named on the overview"
OTHER_BOOKS = "Booked in the books of another company"
PAYOUT_SHORTFALL = "Payouts that do not add up"


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One line of an account; `payment_reference` is the payment that it leads to."""

    on: date
    description: str
    number: str
    amount: Money
    payment_reference: str = ""


@dataclass(frozen=True, slots=True)
class BalanceReason:
    """A part of the balance, and its reason."""

    text: str
    amount: Money


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """An account for a period in one currency: opening and entries add up to closing, and so do the reasons."""

    currency: str
    opening: Money
    entries: list[AccountEntry]
    reasons: list[BalanceReason]

    @property
    def closing(self) -> Money:
        """Return the balance at the end."""
        return Money(self.opening.amount + sum(entry.amount.amount for entry in self.entries), self.currency)

    @property
    def latest_entries(self) -> list[AccountEntry]:
        """Return the latest entries, newest first."""
        return self.entries[: -MAX_ENTRIES - 1 : -1]

    @property
    def hidden_count(self) -> int:
        """Return how many earlier entries there are."""
        return max(len(self.entries) - MAX_ENTRIES, 0)

    @property
    def hidden_sum(self) -> Money:
        """Return the sum of the earlier entries."""
        return Money(sum(entry.amount.amount for entry in self.entries[:-MAX_ENTRIES]), self.currency)

    @property
    def is_explained(self) -> bool:
        """Return whether the reasons add up to the balance."""
        return sum(reason.amount.amount for reason in self.reasons) == self.closing.amount


def build_clearing_statements(report: ReconciliationReport, *, clearing: str) -> list[AccountStatement]:
    """Return the clearing account in each currency, with every payout and its fees booked on the day of its arrival."""
    account = ClearingAccount(report, clearing)
    return [account.build_statement(currency) for currency in account.list_currencies()]


@dataclass(frozen=True, slots=True)
class ClearingAccount:
    """Queries the account: a dozen statements a currency at any number of documents."""

    report: ReconciliationReport
    clearing: str

    @property
    def period(self) -> Period:
        """Return the report's period."""
        return self.report.period

    def list_currencies(self) -> list[str]:
        """Return every currency with an item or a payout in the period."""
        found = {item.currency for item in self.report.items} | {p.currency for p in self.report.payouts}
        return sorted(found)

    def build_statement(self, currency: str) -> AccountStatement:
        """Return the account in one currency."""
        before, after = Q(day__lt=self.period.first), Q(day__lte=self.period.last)
        opening = self.sum_booked(currency, before) - self.sum_paid_out(currency, before)
        entries = [*self.list_document_entries(currency), *self.list_payout_entries(currency)]
        entries.sort(key=lambda entry: (entry.on, entry.number))
        closing = self.sum_booked(currency, after) - self.sum_paid_out(currency, after)
        explained_opening = (
            opening - self.sum_in_transit(currency, self.period.first) + self.sum_shortfall(currency, before)
        )
        remaining = closing - self.sum_in_transit(currency, None) + self.sum_shortfall(currency, after)
        reasons = self.list_reasons(currency, explained_opening, remaining)
        return AccountStatement(currency, Money(opening, currency), entries, reasons)

    # ---- documents ------------------------------------------------------------------------------

    def sum_booked(self, currency: str, when: Q) -> int:
        """Return the sum of our documents and of others' payments in the account."""
        total: int = (
            self.get_posted_documents(currency).filter(when).aggregate(total=Coalesce(Sum("value"), 0))["total"]
        )
        foreign: int = (
            self.get_foreign_payments(currency).filter(when).aggregate(total=Coalesce(Sum("value"), 0))["total"]
        )
        return total + foreign

    def list_document_entries(self, currency: str) -> Iterable[AccountEntry]:
        """Return an entry for every document of the period."""
        fields = ("day", "kind", "number", "value", "payment__reference")
        for day, kind, number, value, reference in (
            self.get_posted_documents(currency).filter(self.build_period_filter()).values_list(*fields)
        ):
            if value:
                yield AccountEntry(day, Posting.Kind(kind).label, number, Money(value, currency), reference)
        rows = self.get_foreign_payments(currency).filter(self.build_period_filter())
        for day, number, remark, value in rows.values_list("day", "document_number", "remark", "value"):
            yield AccountEntry(day, "Payment that is not ours", remark or number, Money(value, currency))

    def get_posted_documents(self, currency: str) -> Any:
        """Return our payments and refunds with `day` and signed `value`: as read, or else as posted."""
        done = ManualTask.objects.filter(posting=OuterRef("pk"), state="done", done_by__isnull=False)
        removals = Posting.objects.filter(
            merchant=self.report.merchant, number=OuterRef("number"), kind__in=REMOVED_PAYMENT_KINDS, state="posted"
        )
        is_read = Q(ledger_payment__isnull=False)
        is_here = Q(ledger_payment__organisation_id=self.report.organisation_id)
        elsewhere = is_here & ~Q(ledger_payment__account__in=["", self.clearing]) if self.clearing else Q(pk=None)
        value = Case(
            When(~Q(kind__in=PAYMENT_KINDS) | Exists(removals) | ~is_read, then=F("amount")),
            When(is_read & (Q(ledger_payment__is_standing=False) | elsewhere), then=Value(0)),
            default=F("ledger_payment__amount"),
            output_field=BigIntegerField(),
        )
        plus = [kind for kind, sign in CLEARING_SIGNS.items() if sign > 0]
        others = [books.organisation_id for books in self.report.books.all if not books.is_current]
        return (
            Posting.objects.filter(merchant=self.report.merchant, kind__in=CLEARING_SIGNS, payment__currency=currency)
            .exclude(sent_to__in=others)
            .filter(Q(state="posted") | Q(state="cancelled") & Exists(done))
            .annotate(day=Coalesce("ledger_payment__on", "on", output_field=DateField()), size=value)
            .annotate(value=Case(When(kind__in=plus, then=F("size")), default=-F("size")))
        )

    def get_foreign_payments(self, currency: str) -> Any:
        """Return the payments in the account that no posting of ours created."""
        rows = LedgerPayment.objects.filter(
            merchant=self.report.merchant,
            organisation_id=self.report.organisation_id,
            posting=None,
            is_standing=True,
            account=self.clearing,
            currency=currency,
        )
        return rows.annotate(day=F("on"), value=Case(When(is_received=True, then=F("amount")), default=-F("amount")))

    # ---- payouts --------------------------------------------------------------------------------

    def get_arrived_payouts(self, currency: str) -> Any:
        """Return payouts with the `day` that they arrive; one that failed never does."""
        rows = Payout.objects.filter(account__merchant=self.report.merchant, currency=currency)
        return rows.exclude(status=Payout.Status.FAILED).annotate(day=F("arrives_on"))

    def sum_paid_out(self, currency: str, when: Q) -> int:
        """Return what payouts took off the account: what reached the bank, and Stripe's fees."""
        rows = self.get_arrived_payouts(currency).filter(when)
        total: int = rows.aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        return total + sum_costs(BalanceTransaction.objects.filter(payout__in=rows))

    def list_payout_entries(self, currency: str) -> Iterable[AccountEntry]:
        """Return entries for every payout of the period and for its fees."""
        for row in self.get_arrived_payouts(currency).filter(self.build_period_filter()).order_by("created_at"):
            yield AccountEntry(row.day, "Payout", row.stripe_payout_id, Money(-row.amount, currency))
            fees = sum_costs(BalanceTransaction.objects.filter(payout=row))
            if fees:
                yield AccountEntry(row.day, "Stripe's fees in the payout", row.stripe_payout_id, Money(-fees, currency))

    def sum_in_transit(self, currency: str, until: date | None) -> int:
        """Return the money at Stripe, before fees, that no payout took to the bank by then."""
        end = self.period.begin if until else self.period.end
        day = self.period.first if until else self.period.last
        arrived = self.get_arrived_payouts(currency).filter(Q(day__lt=day) if until else Q(day__lte=day))
        rows = BalanceTransaction.objects.filter(
            account__merchant=self.report.merchant, currency=currency, happened_at__lt=end
        ).exclude(kind__in=["payout", *COST_KINDS])
        total: int = rows.exclude(payout__in=arrived).aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        return total

    def sum_shortfall(self, currency: str, when: Q) -> int:
        """Return how much more was paid out than the lines of the payouts add up to."""
        rows = self.get_arrived_payouts(currency).filter(when)
        total: int = rows.aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        lines = BalanceTransaction.objects.filter(payout__in=rows).exclude(kind="payout")
        nets = lines.aggregate(total=Coalesce(Sum(F("amount") - F("fee")), 0))["total"]
        unknown: int = rows.filter(transactions_read_at=None).aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        return total - int(nets) - unknown

    def build_period_filter(self) -> Q:
        """Return the condition that the day is in the period."""
        return Q(day__gte=self.period.first, day__lte=self.period.last)

    # ---- reasons --------------------------------------------------------------------------------

    def list_reasons(self, currency: str, opening: int, closing: int) -> list[BalanceReason]:
        """Return the parts of the balance, which add up to it exactly."""
        gaps = sum_gaps_by_reason(self.report.items, currency, organisation_id=self.report.organisation_id)
        elsewhere = gaps.pop(OTHER_BOOKS, 0)
        timing = closing - opening - sum(gaps.values()) - elsewhere
        parts = {
            NOT_PAID_OUT: self.sum_in_transit(currency, None),
            PAYOUT_SHORTFALL: -self.sum_shortfall(currency, Q(day__lte=self.period.last)),
            BROUGHT_FORWARD: opening,
            OTHER_BOOKS: elsewhere,
            **{REASON_LABELS.get(reason, NAMED_DIFFERENCES).capitalize(): gap for reason, gap in sorted(gaps.items())},
            OUTSIDE_PERIOD: timing,
        }
        return [BalanceReason(why, Money(amount, currency)) for why, amount in parts.items() if amount]


def sum_costs(lines: Any) -> int:
    """Return Stripe's costs: the fees on lines, and lines that are fees."""
    sums = lines.aggregate(
        fees=Coalesce(Sum("fee"), 0), charged=Coalesce(Sum("amount", filter=Q(kind__in=COST_KINDS)), 0)
    )
    return int(sums["fees"]) - int(sums["charged"])


def sum_gaps_by_reason(items: Iterable[ReconciliationItem], currency: str, *, organisation_id: str) -> dict[str, int]:
    """Return what an organisation has booked more than Stripe has, by reason; without one it is a difference, or none.

    What another organisation has booked is not in this one's account at all.
    """
    found: defaultdict[str, int] = defaultdict(int)
    for item in items:
        if item.is_compared and item.organisation not in ("", organisation_id):
            found[OTHER_BOOKS] -= item.amount if item.settlement_currency == currency else 0
        elif item.is_compared and item.currency == currency:
            found[item.reason] += item.books - (item.amount if item.settlement_currency == currency else 0)
        elif item.is_compared and item.settlement_currency == currency:
            found[item.reason] -= item.amount
    return {reason: gap for reason, gap in found.items() if gap}
