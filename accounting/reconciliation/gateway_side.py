"""Stripe against our own ledger: every line of the balance with what we know of it, and what Stripe does not have."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from accounting.reconciliation.days import Period
from accounting.reconciliation.words import Findings, Item, Kind
from payments.models import Attempt, GatewayAccount, Movement, MovementCursor, Refund
from payments.states import LIVE
from wisepay.money import Money
from wisepay.states import StateChange

SLACK = timedelta(minutes=15)  # a webhook may be on its way so long
UNDECIDED = timedelta(hours=1)  # an attempt may be undecided here so long after Stripe took the money
PAID = ("succeeded", "reversed")


class Line(NamedTuple):
    """A line of the balance with what of ours it is linked to."""

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
    came_back: bool
    is_second: bool


FIELDS = (
    "pk", "stripe_id", "kind", "paid_amount", "paid_currency", "amount", "fee", "currency", "happened_at", "payout_id",
    "method_kind", "intent_id", "source_id", "attempt_id", "attempt__amount", "attempt__state",
    "attempt__method_kind", "attempt__payment__currency",
    "attempt__payment__refunded_amount", "refund_id",
    "refund__amount", "refund__state", "dispute__amount", "dispute__state", "came_back", "is_second",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GatewaySide:
    """Reads one account's movements and our rows for a period, and names what differs."""

    account: GatewayAccount
    cursor: MovementCursor | None
    period: Period
    found: Findings
    now: datetime

    def items(self) -> Iterator[Item]:
        """Every item of the period: Stripe's, then those that Stripe should have. Differences go to `found`."""
        if self.cursor is None or self.cursor.known_until is None:
            return
        for row in self.lines().iterator(chunk_size=5000):
            yield self.judged(Line._make(row))
        yield from self.missing_charges()
        yield from self.missing_reversals()
        yield from self.missing_refunds()

    def lines(self) -> "QuerySet[Movement, Any]":
        """The lines of the balance, payouts left out."""
        same = Movement.objects.filter(account=self.account)
        back = same.filter(refund=OuterRef("refund"), kind="refund_failure")
        # Until an attempt knows its intent, the first charge that names it is its own.
        earlier = same.filter(attempt=OuterRef("attempt"), kind="charge", happened_at__lt=OuterRef("happened_at"))
        rows = same.filter(happened_at__gte=self.period.begin, happened_at__lt=self.period.end).exclude(kind="payout")
        return (
            rows.annotate(
                came_back=Case(When(kind="refund", then=Exists(back)), default=Value(False)),
                is_second=Case(
                    When(kind="charge", attempt__stripe_payment_intent_id="", then=Exists(earlier)),
                    When(kind="charge", then=~Q(attempt__stripe_payment_intent_id=F("intent_id"))),
                    default=Value(False),
                ),
            )
            .order_by("happened_at", "pk")
            .values_list(*FIELDS)
        )

    def judged(self, line: Line) -> Item:
        """The item of a line, with what our ledger says of it."""
        item = Item(
            kind=line.kind,
            at=line.happened_at,
            day=self.period.day_of(line.happened_at),
            currency=line.paid_currency,
            stripe=line.paid_amount,
            amount=line.amount,
            fee=line.fee,
            settled_in=line.currency,
            stripe_id=line.stripe_id,
            source_id=line.source_id,
            method_kind=line.method_kind or line.attempt_method or "",
            attempt=line.attempt,
            refund=line.refund,
            payout=line.payout,
        )
        judge = JUDGES.get(line.kind)
        if judge is None:
            item.ours = item.books = item.stripe
        elif self.is_fresh(line):
            item.ours, item.reason = item.stripe, "fresh"
        else:
            judge(self, line, item)
        return item

    def is_fresh(self, line: Line) -> bool:
        """Whether what it is about may simply not have been heard of."""
        age = self.now - line.happened_at
        if line.kind == "charge" and line.attempt_state in LIVE:
            return age < UNDECIDED
        is_linked = line.attempt if line.kind == "charge" else line.refund or line.dispute_amount
        return not is_linked and age < SLACK

    # ---- one kind of line each ------------------------------------------------------------------

    def charge(self, line: Line, item: Item) -> None:
        """Money that a payer paid."""
        if line.attempt is None or line.attempt_amount is None:
            self.add(Kind.CHARGE_UNKNOWN, item, "Stripe took {money}, and nothing here is about it.")
        elif line.is_second:
            self.add(Kind.CHARGED_TWICE, item, "A second charge of {money} for an attempt that was charged already.")
        elif line.attempt_state not in PAID:
            self.add(
                Kind.CHARGE_NOT_RECORDED, item, f"Stripe took {{money}}; here the attempt is {line.attempt_state}."
            )
        elif line.payment_currency != line.paid_currency:
            wanted = Money(line.attempt_amount, line.payment_currency or line.paid_currency)
            self.add(Kind.CURRENCY_DIFFERS, item, f"Stripe took {{money}}; here it is {wanted}.")
        else:
            item.ours = line.attempt_amount
            if item.ours != item.stripe:
                wanted = Money(item.ours, item.currency)
                self.add(Kind.AMOUNT_DIFFERS, item, f"Stripe took {{money}}; here it is {wanted}.")

    def refund(self, line: Line, item: Item) -> None:
        """Money that went back."""
        if line.refund_amount is None:
            self.add(Kind.REFUND_UNKNOWN, item, "Stripe gave {money} back, and no refund here says so.")
            return
        is_counted = line.refund_state in ("succeeded", "processing") or line.came_back
        if not is_counted:
            self.add(Kind.REFUND_STATE_DIFFERS, item, "Stripe gave {money} back; here the refund failed.")
            return
        item.ours = -line.refund_amount
        if line.refund_state == "processing":
            item.reason = "unsettled"
        if item.ours != item.stripe:
            wanted = Money(line.refund_amount, item.currency)
            self.add(Kind.AMOUNT_DIFFERS, item, f"Stripe gave {{money}} back; here it is {wanted}.")

    def refund_failure(self, line: Line, item: Item) -> None:
        """Money that was to go back and came home again."""
        if line.refund_amount is not None and line.refund_state != "failed":
            self.add(Kind.REFUND_STATE_DIFFERS, item, "A refund of {money} came back; here it still counts.")
        elif line.refund_amount is None:
            self.add(Kind.REFUND_UNKNOWN, item, "A refund of {money} came back, and no refund here says so.")
        else:
            item.ours = line.refund_amount

    def dispute(self, line: Line, item: Item) -> None:
        """Money that a payer's bank took."""
        if line.dispute_amount is None:
            self.add(Kind.DISPUTE_UNKNOWN, item, "A bank took {money} back, and no dispute here says so.")
            return
        item.ours = -line.dispute_amount
        if item.ours != item.stripe:
            wanted = Money(line.dispute_amount, item.currency)
            self.add(Kind.AMOUNT_DIFFERS, item, f"A bank took {{money}} back; here the dispute is over {wanted}.")
        if line.attempt_state == "succeeded":
            item.reason = "held"
            if line.dispute_state == "lost" and (line.refunded or 0) < (line.attempt_amount or 0):
                self.add(Kind.DISPUTE_STATE_DIFFERS, item, "A dispute over {money} is lost; here it counts as paid.")

    def dispute_reversal(self, line: Line, item: Item) -> None:
        """Money that a bank gave back."""
        if line.dispute_amount is None or line.dispute_state != "won":
            self.add(Kind.DISPUTE_STATE_DIFFERS, item, "A dispute over {money} was won, but not here.")
        else:
            item.ours = line.dispute_amount
            item.reason = "held"

    def failure(self, line: Line, item: Item) -> None:
        """A payment that came back without a dispute."""
        if line.attempt_state == "succeeded":
            self.add(Kind.RETURN_NOT_RECORDED, item, "A bank took {money} back; here it counts as paid.")
        else:
            item.ours = item.stripe

    # ---- what Stripe should have ----------------------------------------------------------------

    def missing_charges(self) -> Iterator[Item]:
        """Paid attempts without a charge."""
        for row in self.paid_attempts("charge", moment=paid_moment(), states=PAID):
            item = self.ours_alone("charge", row, row.attempt_amount)
            self.add(Kind.CHARGE_MISSING, item, "Here {money} were paid; Stripe has no such charge.", gap=item.ours)
            yield item

    def missing_reversals(self) -> Iterator[Item]:
        """Reversed attempts of which nobody took the money."""
        kinds = ("dispute", "failure")
        for row in self.paid_attempts(*kinds, moment=F("state_at"), states=("reversed",)):
            item = self.ours_alone("dispute", row, -row.attempt_amount)
            self.add(Kind.REVERSAL_MISSING, item, "Here {money} were taken back; Stripe still has them.", gap=item.ours)
            yield item

    def missing_refunds(self) -> Iterator[Item]:
        """Refunds that succeeded without a line."""
        lines = Movement.objects.filter(refund=OuterRef("pk"))
        unlinked = Movement.objects.filter(account=self.account, source_id=OuterRef("stripe_refund_id"))
        rows = Refund.objects.filter(
            ~Exists(lines),
            ~Exists(unlinked.exclude(source_id="")),
            attempt__account=self.account,
            state="succeeded",
            created_at__gte=self.period.begin,
            created_at__lt=self.period.end,
        )
        for one in rows.select_related("payment").order_by("pk"):
            if self.is_known(one.state_at):
                row = Ours(one.attempt_id, one.created_at, one.amount, one.payment.currency, "", one.pk)
                item = self.ours_alone("refund", row, -one.amount)
                self.add(Kind.REFUND_MISSING, item, "Here {money} went back; Stripe has no such refund.", gap=item.ours)
                yield item

    def paid_attempts(self, *kinds: str, moment: Any, states: tuple[str, ...]) -> "Iterator[Ours]":
        """Our attempts of the period in these states without a line of these kinds."""
        lines = Movement.objects.filter(attempt=OuterRef("pk"), kind__in=kinds)
        unlinked = Movement.objects.filter(
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
                yield Ours(*row)

    def is_known(self, instant: datetime) -> bool:
        """Whether Stripe's lines of then were all read."""
        return self.cursor is not None and self.cursor.knows(instant) and self.cursor.knows(instant + SLACK)

    def ours_alone(self, kind: str, row: "Ours", amount: int) -> Item:
        """An item that only our ledger has."""
        return Item(
            kind=kind,
            at=row.at,
            day=self.period.day_of(row.at),
            currency=row.currency,
            ours=amount,
            method_kind=row.method_kind,
            attempt=row.attempt,
            refund=row.refund,
        )

    def add(self, kind: Kind, item: Item, sentence: str, *, gap: int | None = None) -> None:
        """A difference of an item; `{money}` in the sentence is what moved."""
        money = Money(abs(item.stripe if gap is None else gap), item.currency)
        off = Money(item.ours - item.stripe, item.currency)
        subject = item.source_id or item.stripe_id
        thing = item.stripe_id or str(item.refund or "")
        self.found.add(kind, item.day, off, subject, sentence.format(money=money), attempt=item.attempt, thing=thing)


class Ours(NamedTuple):
    """Something of our ledger that Stripe should have."""

    attempt: int
    at: datetime
    attempt_amount: int
    currency: str
    method_kind: str
    refund: int | None = None


JUDGES = {
    "charge": GatewaySide.charge,
    "refund": GatewaySide.refund,
    "refund_failure": GatewaySide.refund_failure,
    "dispute": GatewaySide.dispute,
    "dispute_reversal": GatewaySide.dispute_reversal,
    "failure": GatewaySide.failure,
}


def paid_moment() -> Any:
    """When an attempt was paid: for a reversed one its history knows."""
    steps = StateChange.objects.filter(
        subject="payments.attempt", subject_id=OuterRef("pk"), to_state="succeeded"
    ).order_by("at")
    when_paid = Coalesce(Subquery(steps.values("at")[:1]), F("created_at"))
    return Case(When(Q(state="reversed"), then=when_paid), default=F("state_at"))
