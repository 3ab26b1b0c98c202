"""Compare Stripe with our own ledger: every balance transaction, and what Stripe does not have."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django_subatomic.db import transaction_required

from accounting.reconciliation.differences import DifferenceKind, DifferenceList, ReconciliationItem
from accounting.reconciliation.periods import Period
from payments.models import Attempt, BalanceTransaction, BalanceTransactionCursor, GatewayAccount, Refund
from payments.states import LIVE_STATES, PAID_STATES
from wisepay.money import Money
from wisepay.states import StateChange

GRACE_PERIOD = timedelta(minutes=15)  # a webhook may take so long
UNDECIDED_PERIOD = timedelta(hours=1)  # an attempt may be undecided so long after Stripe took the money


class BalanceLine(NamedTuple):
    """A balance transaction with the records of ours that it is linked to."""

    pk: int
    stripe_id: str
    kind: str
    paid_amount: int
    paid_currency: str
    amount: int
    fee: int
    currency: str
    happened_at: datetime
    payout: int | None
    method_kind: str
    intent_id: str
    source_id: str
    attempt: int | None
    attempt_amount: int | None
    attempt_state: str | None
    attempt_method: str | None
    payment_currency: str | None
    refunded: int | None
    refund: int | None
    refund_amount: int | None
    refund_state: str | None
    dispute_amount: int | None
    dispute_state: str | None
    is_returned: bool
    is_second: bool


BALANCE_LINE_FIELDS = (
    "pk", "stripe_id", "kind", "paid_amount", "paid_currency", "amount", "fee", "currency", "happened_at", "payout_id",
    "method_kind", "intent_id", "source_id", "attempt_id", "attempt__amount", "attempt__state",
    "attempt__method_kind", "attempt__payment__currency",
    "attempt__payment__refunded_amount", "refund_id",
    "refund__amount", "refund__state", "dispute__amount", "dispute__state", "is_returned", "is_second",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StripeVsLedger:
    """Compares one account's balance transactions with our records for a period."""

    account: GatewayAccount
    cursor: BalanceTransactionCursor | None
    period: Period
    differences: DifferenceList
    now: datetime

    @transaction_required
    def list_items(self) -> Iterator[ReconciliationItem]:
        """Return every item of the period: Stripe's, then those that Stripe should have. Adds the differences."""
        if self.cursor is None or self.cursor.known_until is None:
            return
        for row in self.get_lines().iterator(chunk_size=5000):
            yield self.build_item(BalanceLine._make(row))
        yield from self.list_missing_charges()
        yield from self.list_missing_reversals()
        yield from self.list_missing_refunds()

    def get_lines(self) -> "QuerySet[BalanceTransaction, Any]":
        """Return the balance transactions without payouts."""
        same = BalanceTransaction.objects.filter(account=self.account)
        back = same.filter(refund=OuterRef("refund"), kind="refund_failure")
        # Until an attempt knows its intent, the first charge that names it is its own.
        earlier = same.filter(attempt=OuterRef("attempt"), kind="charge", happened_at__lt=OuterRef("happened_at"))
        rows = same.filter(happened_at__gte=self.period.begin, happened_at__lt=self.period.end).exclude(kind="payout")
        return (
            rows.annotate(
                is_returned=Case(When(kind="refund", then=Exists(back)), default=Value(False)),
                is_second=Case(
                    When(kind="charge", attempt__stripe_payment_intent_id="", then=Exists(earlier)),
                    When(kind="charge", then=~Q(attempt__stripe_payment_intent_id=F("intent_id"))),
                    default=Value(False),
                ),
            )
            .order_by("happened_at", "pk")
            .values_list(*BALANCE_LINE_FIELDS)
        )

    def build_item(self, line: BalanceLine) -> ReconciliationItem:
        """Return the item of a line, compared with our ledger."""
        item = ReconciliationItem(
            kind=line.kind,
            at=line.happened_at,
            day=self.period.get_day(line.happened_at),
            currency=line.paid_currency,
            stripe=line.paid_amount,
            amount=line.amount,
            fee=line.fee,
            settlement_currency=line.currency,
            stripe_id=line.stripe_id,
            source_id=line.source_id,
            method_kind=line.method_kind or line.attempt_method or "",
            attempt=line.attempt,
            refund=line.refund,
            payout=line.payout,
        )
        compare = LINE_COMPARISONS.get(line.kind)
        if compare is None:
            item.ours = item.books = item.stripe
        elif self.is_fresh(line):
            item.ours, item.reason = item.stripe, "fresh"
        else:
            compare(self, line, item)
        return item

    def is_fresh(self, line: BalanceLine) -> bool:
        """Return whether its webhook may still be on its way."""
        age = self.now - line.happened_at
        if line.kind == "charge" and line.attempt_state in LIVE_STATES:
            return age < UNDECIDED_PERIOD
        is_linked = line.attempt if line.kind == "charge" else line.refund or line.dispute_amount
        return not is_linked and age < GRACE_PERIOD

    # ---- kinds of lines -------------------------------------------------------------------------

    def compare_charge(self, line: BalanceLine, item: ReconciliationItem) -> None:
        """Compare a charge."""
        if line.attempt is None or line.attempt_amount is None:
            self.add_difference(
                DifferenceKind.CHARGE_UNKNOWN, item, "Stripe took {money}, and nothing here is about it."
            )
        elif line.is_second:
            self.add_difference(
                DifferenceKind.CHARGED_TWICE,
                item,
                "A second charge of {money} for an attempt that was charged already.",
            )
        elif line.attempt_state not in PAID_STATES:
            self.add_difference(
                DifferenceKind.CHARGE_NOT_RECORDED,
                item,
                f"Stripe took {{money}}; here the attempt is {line.attempt_state}.",
            )
        elif line.payment_currency != line.paid_currency:
            recorded = Money(line.attempt_amount, line.payment_currency or line.paid_currency)
            self.add_difference(DifferenceKind.CURRENCY_DIFFERS, item, f"Stripe took {{money}}; here it is {recorded}.")
        else:
            item.ours = line.attempt_amount
            if item.ours != item.stripe:
                recorded = Money(item.ours, item.currency)
                self.add_difference(
                    DifferenceKind.AMOUNT_DIFFERS, item, f"Stripe took {{money}}; here it is {recorded}."
                )

    def compare_refund(self, line: BalanceLine, item: ReconciliationItem) -> None:
        """Compare a refund."""
        if line.refund_amount is None:
            self.add_difference(
                DifferenceKind.REFUND_UNKNOWN, item, "Stripe gave {money} back, and no refund here says so."
            )
            return
        is_counted = line.refund_state in ("succeeded", "processing") or line.is_returned
        if not is_counted:
            self.add_difference(
                DifferenceKind.REFUND_STATE_DIFFERS, item, "Stripe gave {money} back; here the refund failed."
            )
            return
        item.ours = -line.refund_amount
        if line.refund_state == "processing":
            item.reason = "unsettled"
        if item.ours != item.stripe:
            recorded = Money(line.refund_amount, item.currency)
            self.add_difference(
                DifferenceKind.AMOUNT_DIFFERS, item, f"Stripe gave {{money}} back; here it is {recorded}."
            )

    def compare_refund_failure(self, line: BalanceLine, item: ReconciliationItem) -> None:
        """Compare a refund that failed."""
        if line.refund_amount is not None and line.refund_state != "failed":
            self.add_difference(
                DifferenceKind.REFUND_STATE_DIFFERS, item, "A refund of {money} came back; here it still counts."
            )
        elif line.refund_amount is None:
            self.add_difference(
                DifferenceKind.REFUND_UNKNOWN, item, "A refund of {money} came back, and no refund here says so."
            )
        else:
            item.ours = line.refund_amount

    def compare_dispute(self, line: BalanceLine, item: ReconciliationItem) -> None:
        """Compare a dispute."""
        if line.dispute_amount is None:
            self.add_difference(
                DifferenceKind.DISPUTE_UNKNOWN, item, "A bank took {money} back, and no dispute here says so."
            )
            return
        item.ours = -line.dispute_amount
        if item.ours != item.stripe:
            recorded = Money(line.dispute_amount, item.currency)
            self.add_difference(
                DifferenceKind.AMOUNT_DIFFERS, item, f"A bank took {{money}} back; here the dispute is over {recorded}."
            )
        if line.refund_state == "succeeded":
            return  # a part was lost, and is recorded as such
        if line.attempt_state == "succeeded":
            item.reason = "held"
            if line.dispute_state == "lost" and (line.refunded or 0) < (line.attempt_amount or 0):
                self.add_difference(
                    DifferenceKind.DISPUTE_STATE_DIFFERS,
                    item,
                    "A dispute over {money} is lost; here it counts as paid.",
                )

    def compare_dispute_reversal(self, line: BalanceLine, item: ReconciliationItem) -> None:
        """Compare a dispute that was won."""
        if line.dispute_amount is None or line.dispute_state != "won":
            self.add_difference(
                DifferenceKind.DISPUTE_STATE_DIFFERS, item, "A dispute over {money} was won, but not here."
            )
        else:
            item.ours = line.dispute_amount
            item.reason = "held"

    def compare_failure(self, line: BalanceLine, item: ReconciliationItem) -> None:
        """Compare a bank debit that was returned without a dispute."""
        if line.attempt_state == "succeeded":
            self.add_difference(
                DifferenceKind.RETURN_NOT_RECORDED, item, "A bank took {money} back; here it counts as paid."
            )
        else:
            item.ours = item.stripe

    # ---- what Stripe should have ----------------------------------------------------------------

    def list_missing_charges(self) -> Iterator[ReconciliationItem]:
        """Return items for paid attempts without a charge."""
        for row in self.list_paid_attempts("charge", moment=build_paid_at(), states=PAID_STATES):
            item = self.build_missing_item("charge", row, row.attempt_amount)
            self.add_difference(
                DifferenceKind.CHARGE_MISSING, item, "Here {money} were paid; Stripe has no such charge.", gap=item.ours
            )
            yield item

    def list_missing_reversals(self) -> Iterator[ReconciliationItem]:
        """Return items for reversed attempts without a dispute or a returned debit."""
        kinds = ("dispute", "failure")
        for row in self.list_paid_attempts(*kinds, moment=F("state_at"), states=("reversed",)):
            item = self.build_missing_item("dispute", row, -row.attempt_amount)
            self.add_difference(
                DifferenceKind.REVERSAL_MISSING,
                item,
                "Here {money} were taken back; Stripe still has them.",
                gap=item.ours,
            )
            yield item

    def list_missing_refunds(self) -> Iterator[ReconciliationItem]:
        """Return items for refunds that succeeded without a line."""
        lines = BalanceTransaction.objects.filter(refund=OuterRef("pk"))
        unlinked = BalanceTransaction.objects.filter(account=self.account, source_id=OuterRef("stripe_refund_id"))
        rows = Refund.objects.filter(
            ~Exists(lines),
            ~Exists(unlinked.exclude(source_id="")),
            attempt__account=self.account,
            state="succeeded",
            created_at__gte=self.period.begin,
            created_at__lt=self.period.end,
        )
        for refund in rows.select_related("payment").order_by("pk"):
            if self.is_known(refund.state_at):
                currency = refund.payment.currency
                row = ExpectedRecord(refund.attempt_id, refund.created_at, refund.amount, currency, "", refund.pk)
                item = self.build_missing_item("refund", row, -refund.amount)
                self.add_difference(
                    DifferenceKind.REFUND_MISSING,
                    item,
                    "Here {money} went back; Stripe has no such refund.",
                    gap=item.ours,
                )
                yield item

    def list_paid_attempts(self, *kinds: str, moment: Any, states: tuple[str, ...]) -> "Iterator[ExpectedRecord]":
        """Return our attempts of the period in these states without a line of these kinds."""
        lines = BalanceTransaction.objects.filter(attempt=OuterRef("pk"), kind__in=kinds)
        unlinked = BalanceTransaction.objects.filter(
            account=self.account, kind__in=kinds, intent_id=OuterRef("stripe_payment_intent_id")
        )
        rows = (
            Attempt.objects.filter(account=self.account, state__in=states)
            .annotate(moment=moment)
            .filter(
                ~Exists(lines),
                ~Exists(unlinked.exclude(intent_id="")),
                moment__gte=self.period.begin,
                moment__lt=self.period.end,
            )
            .order_by("pk")
        )
        fields = ("pk", "moment", "amount", "payment__currency", "method_kind")
        for row in rows.values_list(*fields):
            if self.is_known(row[1]):
                yield ExpectedRecord(*row)

    def is_known(self, instant: datetime) -> bool:
        """Return whether all lines up to a grace period after the instant were read."""
        return self.cursor is not None and self.cursor.covers(instant) and self.cursor.covers(instant + GRACE_PERIOD)

    def build_missing_item(self, kind: str, row: "ExpectedRecord", amount: int) -> ReconciliationItem:
        """Return an item that only our ledger has."""
        return ReconciliationItem(
            kind=kind,
            at=row.at,
            day=self.period.get_day(row.at),
            currency=row.currency,
            ours=amount,
            method_kind=row.method_kind,
            attempt=row.attempt,
            refund=row.refund,
        )

    def add_difference(
        self, kind: DifferenceKind, item: ReconciliationItem, description: str, *, gap: int | None = None
    ) -> None:
        """Add a difference of an item; `{money}` in the description is replaced by the amount."""
        money = Money(abs(item.stripe if gap is None else gap), item.currency)
        off = Money(item.ours - item.stripe, item.currency)
        subject = item.source_id or item.stripe_id
        thing_id = item.stripe_id or str(item.refund or "")
        self.differences.add(
            kind, item.day, off, subject, description.format(money=money), attempt=item.attempt, thing_id=thing_id
        )


class ExpectedRecord(NamedTuple):
    """A record of ours that Stripe should have."""

    attempt: int
    at: datetime
    attempt_amount: int
    currency: str
    method_kind: str
    refund: int | None = None


LINE_COMPARISONS = {
    "charge": StripeVsLedger.compare_charge,
    "refund": StripeVsLedger.compare_refund,
    "refund_failure": StripeVsLedger.compare_refund_failure,
    "dispute": StripeVsLedger.compare_dispute,
    "dispute_reversal": StripeVsLedger.compare_dispute_reversal,
    "failure": StripeVsLedger.compare_failure,
}


def build_paid_at() -> Any:
    """Return when an attempt was paid; for a reversed one that is in its history."""
    steps = StateChange.objects.filter(
        subject="payments.attempt", subject_id=OuterRef("pk"), to_state="succeeded"
    ).order_by("at")
    paid_at = Coalesce(Subquery(steps.values("at")[:1]), F("created_at"))
    return Case(When(Q(state="reversed"), then=paid_at), default=F("state_at"))
