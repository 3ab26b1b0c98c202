"""The rows of the payer's widgets: what is outstanding, what is scheduled, what was paid."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from merchants.models import Merchant
from payers.models import PayerAccess
from payments.models import Attempt, Payment, Setup
from payments.portal_access import visible_payments, with_companies
from payments.portal_order import first_keys
from payments.sentences import failure_of
from payments.states import LIVE
from wisepay.models import User
from wisepay.money import Money

PAGE = 25
PAID = ("succeeded", "reversed")


@dataclass(frozen=True, slots=True)
class Slice[R]:
    """One page of rows; whether there are newer and older ones is known without counting them."""

    rows: Sequence[R]
    number: int
    has_next: bool

    @property
    def previous(self) -> int:
        """The page before, 0 on the first."""
        return self.number - 1

    @property
    def next(self) -> int:
        """The page after, 0 on the last."""
        return self.number + 1 if self.has_next else 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a payment stands: the badge's state, a sentence where one is due, and whether it can be paid now."""

    state: str
    words: str = ""
    can_pay: bool = False


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A payment that is owed: `amount` is what is asked for first, `total` what may be paid in all."""

    payment: Payment
    standing: Standing
    amount: Money
    total: Money
    due_on: date


@dataclass(frozen=True, slots=True)
class Paid:
    """An attempt that was paid, with what became of it since."""

    payment: Payment
    attempt: Attempt
    at: datetime
    notes: list[str] = field(default_factory=list)


def page_number(text: str) -> int:
    """The page that a query asks for; 1 for everything that is none."""
    return min(int(text), 400) if text.isascii() and text.isdigit() and text.strip("0") else 1


def owed_quotes(accesses: Sequence[PayerAccess], user: User, *, now: datetime) -> QuerySet[Payment]:
    """The quotes that are owed or on their way, by due date; invoices are owed by the books, not by a payment."""
    live = Attempt.objects.filter(payment=OuterRef("pk"), state__in=LIVE)
    rows = visible_payments(accesses, user).annotate(setup_state=live_setup())
    owed = Q(state="reversed") | Q(state="open") & (Q(expires_at__gt=now) | Exists(live) | Q(setup_state__isnull=False))
    rows = rows.filter(owed, origin=Payment.Origin.QUOTE)
    return rows.filter(state__in=["open", "reversed"]).order_by("expires_at", "pk")


def live_setup() -> Subquery:
    """Of the outer payment: the state of its setup that has not ended."""
    return Subquery(Setup.objects.filter(payment=OuterRef("pk"), state__in=LIVE).values("state")[:1])


def outstanding_rows(shown: Sequence[Payment], attempts: Mapping[int, Attempt], *, now: datetime) -> list[Outstanding]:
    """How these of `owed_quotes` stand whose newest attempts these are."""
    return [
        Outstanding(
            payment=payment,
            standing=standing_of(payment, attempts.get(payment.pk), getattr(payment, "setup_state", None), now=now),
            amount=payment.due,
            total=payment.full or payment.due,
            due_on=payment.expires_at.astimezone(payment.merchant.zone).date(),
        )
        for payment in shown
    ]


def latest_attempts(payments: Iterable[Payment]) -> QuerySet[Attempt]:
    """The newest attempt of each payment."""
    rows = Attempt.objects.filter(payment__in=[payment.pk for payment in payments])
    return rows.order_by("payment", "-pk").distinct("payment")


def with_payment(attempt: Attempt, payments: dict[int, Payment]) -> Attempt:
    """The attempt with the payment that was read before."""
    attempt.payment = payments[attempt.payment_id]
    return attempt


def standing_of(payment: Payment, attempt: Attempt | None, setup_state: str | None, *, now: datetime) -> Standing:
    """How an unpaid payment stands, in words for its payer; `setup_state` is of a setup that has not ended."""
    if attempt is not None and attempt.is_settling and attempt.submitted_at is not None:
        return Standing("processing", f"Processing: bank debit sent {day_of(payment.merchant, attempt.submitted_at)}")
    talking = attempt.state if attempt is not None and attempt.is_live else setup_state
    if talking:
        return under_way(talking)
    is_payable = not payment.is_over(now)
    failure = failure_of(attempt)
    if payment.state == "reversed" or failure:
        state = "reversed" if payment.state == "reversed" and not (attempt and attempt.state == "failed") else "failed"
        lost = "" if is_payable else f" It can't be paid here any more: please contact {payment.merchant.name}."
        return Standing(state, f"{failure}{lost}", can_pay=is_payable)
    return Standing("open", can_pay=is_payable)


def under_way(state: str) -> Standing:
    """How it stands while the gateway or the payer's bank is asked."""
    if state == "requires_action":
        return Standing(state, "Your bank wants to confirm that it is you.", can_pay=True)
    return Standing("processing", "Processing: we are waiting for the bank's answer.")


def day_of(merchant: Merchant, at: datetime) -> str:
    """A day as people say it, in the merchant's zone: "21 Nov"."""
    local = at.astimezone(merchant.zone)
    return f"{local.day} {local:%b}"


def past(accesses: Sequence[PayerAccess], user: User, *, page: int) -> Slice[Paid]:
    """What was paid, the newest first: pages of payments, a row for every attempt that took money. Three queries."""
    start = (page - 1) * PAGE
    keys = first_keys(
        accesses,
        user,
        sort="-date",
        stop=start + PAGE + 1,
        narrow=lambda rows: rows.filter(paid_at__isnull=False),
    )[start:]
    found = Payment.objects.in_bulk(keys[:PAGE])
    shown = with_companies([found[key] for key in keys[:PAGE]], accesses)
    attempts = paid_attempts(shown)
    made = [
        paid_row(payment, attempt, is_newest=number == 0)
        for payment in shown
        for number, attempt in enumerate(attempts.get(payment.pk, []))
    ]
    return Slice(made, page, has_next=len(keys) > PAGE)


def paid_attempts(payments: Iterable[Payment]) -> dict[int, list[Attempt]]:
    """The attempts of each payment that took money, the newest first. One query."""
    wanted = {payment.pk: payment for payment in payments}
    made: dict[int, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(payment__in=list(wanted), state__in=PAID).order_by("-pk"):
        made.setdefault(attempt.payment_id, []).append(with_payment(attempt, wanted))
    return made


def paid_row(payment: Payment, attempt: Attempt, *, is_newest: bool) -> Paid:
    """One row, with what happened since."""
    at = payment.paid_at if is_newest and payment.paid_at else attempt.created_at
    notes = [refund_note(payment)] if attempt.state == "succeeded" and payment.refunded_amount else []
    return Paid(payment, attempt, at, notes)


def refund_note(payment: Payment) -> str:
    """How much of it went back, or is on its way back."""
    back = Money(payment.refunded_amount, payment.currency)
    return "Refunded in full" if payment.refunded_amount == payment.paid_amount else f"{back} refunded"
