"""The clearing account, line by line, and why what is left on it is left."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import BigIntegerField, Case, DateField, Exists, F, OuterRef, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from accounting.models import HandTask, LedgerPayment, Posting
from accounting.reconciliation.books_side import MAKERS, SIGNS, UNDOES
from accounting.reconciliation.days import Period
from accounting.reconciliation.report import Report
from accounting.reconciliation.words import REASONS, Item
from payments.models import Movement, Payout
from wisepay.money import Money

COSTS = ("fee", "adjustment")
SHOWN = 60
OUTSIDE = "Documents dated outside the period of their money"
BEFORE = "Left from before"
UNPAID = "At Stripe, not paid out yet"
NAMED = "Differences, as named on the overview"
SHORT = "Payouts that do not add up"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an account; `path_of` is the payment's reference that it leads to."""

    on: date
    what: str
    number: str
    amount: Money
    path_of: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of what is left, and why."""

    why: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """An account for a period in one currency: opening and every entry come to closing, and the reasons do too."""

    currency: str
    opening: Money
    entries: list[Entry]
    reasons: list[Reason]

    @property
    def closing(self) -> Money:
        """What is left at the end."""
        return Money(self.opening.amount + sum(entry.amount.amount for entry in self.entries), self.currency)

    @property
    def shown(self) -> list[Entry]:
        """The latest entries, newest first."""
        return self.entries[: -SHOWN - 1 : -1]

    @property
    def hidden_count(self) -> int:
        """How many earlier ones there are."""
        return max(len(self.entries) - SHOWN, 0)

    @property
    def hidden_sum(self) -> Money:
        """What those come to."""
        return Money(sum(entry.amount.amount for entry in self.entries[:-SHOWN]), self.currency)

    @property
    def is_explained(self) -> bool:
        """Whether the reasons come to what is left."""
        return sum(reason.amount.amount for reason in self.reasons) == self.closing.amount


def clearing_statements(report: Report, *, clearing: str) -> list[Statement]:
    """The clearing account in each currency, as if every payout and its fees were booked on the day of its arrival."""
    account = ClearingAccount(report, clearing)
    return [account.statement(currency) for currency in account.currencies()]


@dataclass(frozen=True, slots=True)
class ClearingAccount:
    """Asks for what is on the account; a dozen statements a currency at any number of documents."""

    report: Report
    clearing: str

    @property
    def period(self) -> Period:
        """The report's."""
        return self.report.period

    def currencies(self) -> list[str]:
        """Every currency with something in the period, or paid out in it."""
        found = {item.currency for item in self.report.items} | {p.currency for p in self.report.payouts}
        return sorted(found)

    def statement(self, currency: str) -> Statement:
        """The account in one currency."""
        before, after = Q(day__lt=self.period.first), Q(day__lte=self.period.last)
        opening = self.booked(currency, before) - self.paid_out(currency, before)
        entries = [*self.documents(currency), *self.payouts(currency)]
        entries.sort(key=lambda entry: (entry.on, entry.number))
        closing = self.booked(currency, after) - self.paid_out(currency, after)
        left_before = opening - self.in_transit(currency, self.period.first) + self.short(currency, before)
        left = closing - self.in_transit(currency, None) + self.short(currency, after)
        reasons = self.reasons(currency, left_before, left)
        return Statement(currency, Money(opening, currency), entries, reasons)

    # ---- what is on it --------------------------------------------------------------------------

    def booked(self, currency: str, when: Q) -> int:
        """What our documents, and others' in the account, come to."""
        total: int = self.posted(currency).filter(when).aggregate(total=Coalesce(Sum("value"), 0))["total"]
        strange: int = self.strange(currency).filter(when).aggregate(total=Coalesce(Sum("value"), 0))["total"]
        return total + strange

    def documents(self, currency: str) -> Iterable[Entry]:
        """Every document of the period."""
        fields = ("day", "kind", "number", "value", "payment__reference")
        for day, kind, number, value, reference in self.posted(currency).filter(self.within()).values_list(*fields):
            if value:
                yield Entry(day, Posting.Kind(kind).label, number, Money(value, currency), reference)
        rows = self.strange(currency).filter(self.within())
        for day, number, remark, value in rows.values_list("day", "document_number", "remark", "value"):
            yield Entry(day, "Payment that is not ours", remark or number, Money(value, currency))

    def posted(self, currency: str) -> Any:
        """Our documents of money with `day` and signed `value`, as the books have them where they were read."""
        done = HandTask.objects.filter(posting=OuterRef("pk"), state="done", done_by__isnull=False)
        undone = Posting.objects.filter(
            merchant=self.report.merchant, number=OuterRef("number"), kind__in=UNDOES, state="posted"
        )
        there = Q(paper__isnull=False)
        mine = Q(paper__organisation_id=self.report.organisation)
        elsewhere = mine & ~Q(paper__account__in=["", self.clearing]) if self.clearing else Q(pk=None)
        value = Case(
            When(~Q(kind__in=MAKERS) | Exists(undone) | ~there, then=F("amount")),
            When(there & (Q(paper__is_standing=False) | elsewhere), then=Value(0)),
            default=F("paper__amount"),
            output_field=BigIntegerField(),
        )
        plus = [kind for kind, sign in SIGNS.items() if sign > 0]
        return (
            Posting.objects.filter(merchant=self.report.merchant, kind__in=SIGNS, payment__currency=currency)
            .filter(Q(state="posted") | Q(state="cancelled") & Exists(done))
            .annotate(day=Coalesce("paper__on", "on", output_field=DateField()), size=value)
            .annotate(value=Case(When(kind__in=plus, then=F("size")), default=-F("size")))
        )

    def strange(self, currency: str) -> Any:
        """Payments in the account that nothing of ours made."""
        rows = LedgerPayment.objects.filter(
            merchant=self.report.merchant,
            organisation_id=self.report.organisation,
            posting=None,
            is_standing=True,
            account=self.clearing,
            currency=currency,
        )
        return rows.annotate(day=F("on"), value=Case(When(is_received=True, then=F("amount")), default=-F("amount")))

    # ---- what Stripe did ------------------------------------------------------------------------

    def arrived(self, currency: str) -> Any:
        """Payouts with the `day` that they arrive; one that failed never does."""
        rows = Payout.objects.filter(account__merchant=self.report.merchant, currency=currency)
        return rows.exclude(status=Payout.Status.FAILED).annotate(day=F("arrives_on"))

    def paid_out(self, currency: str, when: Q) -> int:
        """What payouts took off the account: what reached the bank, and what Stripe kept of it."""
        rows = self.arrived(currency).filter(when)
        total: int = rows.aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        return total + costs(Movement.objects.filter(payout__in=rows))

    def payouts(self, currency: str) -> Iterable[Entry]:
        """Every payout of the period, and what Stripe kept of it."""
        for row in self.arrived(currency).filter(self.within()).order_by("made_at"):
            yield Entry(row.day, "Payout", row.stripe_payout_id, Money(-row.amount, currency))
            kept = costs(Movement.objects.filter(payout=row))
            if kept:
                yield Entry(row.day, "Stripe's fees in the payout", row.stripe_payout_id, Money(-kept, currency))

    def in_transit(self, currency: str, until: date | None) -> int:
        """Money at Stripe that no payout took to the bank by then, before fees."""
        end = self.period.begin if until else self.period.end
        day = self.period.first if until else self.period.last
        gone = self.arrived(currency).filter(Q(day__lt=day) if until else Q(day__lte=day))
        rows = Movement.objects.filter(
            account__merchant=self.report.merchant, currency=currency, happened_at__lt=end
        ).exclude(kind__in=["payout", *COSTS])
        total: int = rows.exclude(payout__in=gone).aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        return total

    def short(self, currency: str, when: Q) -> int:
        """How much more was paid out than the lines of the payouts come to."""
        rows = self.arrived(currency).filter(when)
        total: int = rows.aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        lines = Movement.objects.filter(payout__in=rows).exclude(kind="payout")
        nets = lines.aggregate(total=Coalesce(Sum(F("amount") - F("fee")), 0))["total"]
        unknown: int = rows.filter(lines_at=None).aggregate(total=Coalesce(Sum("amount"), 0))["total"]
        return total - int(nets) - unknown

    def within(self) -> Q:
        """The days of the period."""
        return Q(day__gte=self.period.first, day__lte=self.period.last)

    # ---- why ------------------------------------------------------------------------------------

    def reasons(self, currency: str, left_before: int, left: int) -> list[Reason]:
        """What is left, in parts that come to it exactly."""
        gaps = gaps_of(self.report.items, currency)
        timing = left - left_before - sum(gaps.values())
        parts = {
            UNPAID: self.in_transit(currency, None),
            SHORT: -self.short(currency, Q(day__lte=self.period.last)),
            BEFORE: left_before,
            **{REASONS.get(reason, NAMED).capitalize(): gap for reason, gap in sorted(gaps.items())},
            OUTSIDE: timing,
        }
        return [Reason(why, Money(amount, currency)) for why, amount in parts.items() if amount]


def costs(lines: Any) -> int:
    """What Stripe kept: the fees on lines, and lines that are fees."""
    kept = lines.aggregate(fees=Coalesce(Sum("fee"), 0), charged=Coalesce(Sum("amount", filter=Q(kind__in=COSTS)), 0))
    return int(kept["fees"]) - int(kept["charged"])


def gaps_of(items: Iterable[Item], currency: str) -> dict[str, int]:
    """What the books have more than Stripe, by reason; without a reason it is a difference, or nothing."""
    found: defaultdict[str, int] = defaultdict(int)
    for item in items:
        if item.is_compared and item.currency == currency:
            found[item.reason] += item.books - (item.amount if item.settled_in == currency else 0)
        elif item.is_compared and item.settled_in == currency:
            found[item.reason] -= item.amount
    return {reason: gap for reason, gap in found.items() if gap}
