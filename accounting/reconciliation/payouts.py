"""Payouts: whether each equals the sum of its lines, and whether it arrived."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from accounting.reconciliation.differences import DifferenceKind, DifferenceList
from accounting.reconciliation.periods import Period
from payments.models import GatewayAccount, Payout
from wisepay.money import Money

OVERDUE_AFTER = timedelta(days=5)  # after the day that it should arrive on


@dataclass(frozen=True, slots=True)
class PayoutSummary:
    """A payout and the sums of its lines, in minor units of its currency."""

    pk: int
    stripe_id: str
    day: date
    arrives_on: date
    status: str
    amount: int
    currency: str
    gross: int
    fees: int
    count: int
    has_lines: bool

    @property
    def lines_total(self) -> int:
        """Return the sum of the lines."""
        return self.gross - self.fees

    @property
    def adds_up(self) -> bool:
        """Return whether the lines add up to the payout; one without known lines, or that failed, is not checked."""
        return not self.has_lines or self.status == Payout.Status.FAILED or self.lines_total == self.amount

    @property
    def money(self) -> Money:
        """Return what reaches the bank."""
        return Money(self.amount, self.currency)


def list_payouts(account: GatewayAccount, period: Period) -> list[PayoutSummary]:
    """Return the payouts of the period, newest first. One query."""
    is_line = ~Q(balance_transactions__kind="payout")
    rows = (
        Payout.objects.filter(account=account, created_at__gte=period.begin, created_at__lt=period.end)
        .annotate(
            gross=Coalesce(Sum("balance_transactions__amount", filter=is_line), 0),
            fees=Coalesce(Sum("balance_transactions__fee", filter=is_line), 0),
            count=Count("balance_transactions", filter=is_line),
        )
        .order_by(F("created_at").desc(), "-pk")
    )
    return [
        PayoutSummary(
            pk=row.pk,
            stripe_id=row.stripe_payout_id,
            day=period.get_day(row.created_at),
            arrives_on=row.arrives_on,
            status=row.status,
            amount=row.amount,
            currency=row.currency,
            gross=row.gross,
            fees=row.fees,
            count=row.count,
            has_lines=row.transactions_read_at is not None,
        )
        for row in rows
    ]


def add_payout_differences(payouts: list[PayoutSummary], differences: DifferenceList, *, today: date) -> None:
    """Add differences for payouts that do not add up, failed, or are overdue."""
    for payout in payouts:
        gap = Money(payout.amount - payout.lines_total, payout.currency)
        zero = Money(0, payout.currency)
        if not payout.adds_up:
            description = f"{payout.money} were paid out; its {payout.count} lines come to " + str(
                Money(payout.lines_total, payout.currency)
            )
            differences.add(DifferenceKind.PAYOUT_SUM, payout.day, gap, payout.stripe_id, f"{description}.")
        if payout.status == Payout.Status.FAILED:
            differences.add(
                DifferenceKind.PAYOUT_FAILED,
                payout.day,
                zero,
                payout.stripe_id,
                f"The bank sent {payout.money} back.",
            )
        elif payout.status == Payout.Status.ON_ITS_WAY and today > payout.arrives_on + OVERDUE_AFTER:
            description = f"{payout.money} should have arrived on {payout.arrives_on:%d %b %Y}."
            differences.add(DifferenceKind.PAYOUT_LATE, payout.day, zero, payout.stripe_id, description)
