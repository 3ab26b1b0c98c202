"""The rows of the payer's widgets: outstanding quotes and past payments, and how each payment stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from merchants.models import Merchant
from payers.models import PayerAccess
from payments.errors import get_operation_failure
from payments.models import Attempt, Payment, Setup
from payments.operations.next_actions import find_next_action
from payments.portal.access import attach_companies, list_visible_payments
from payments.portal.ordering import list_first_ids
from payments.portal.widgets import PAGE_SIZE, RowPage
from payments.states import LIVE_STATES, PAID_STATES
from wisepay.models import User
from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class PaymentStanding:
    """How a payment stands: the badge's state, a sentence where one is due, and whether it can be paid now."""

    state: str
    words: str = ""
    can_pay: bool = False


@dataclass(frozen=True, slots=True)
class OutstandingPayment:
    """A payment that is owed: `amount` is what is asked for first, `total` what may be paid in all."""

    payment: Payment
    standing: PaymentStanding
    amount: Money
    total: Money
    due_on: date


@dataclass(frozen=True, slots=True)
class PaidAttempt:
    """An attempt that took money, with notes of what was refunded since."""

    payment: Payment
    attempt: Attempt
    at: datetime
    notes: list[str] = field(default_factory=list)


def list_owed_quotes(accesses: Sequence[PayerAccess], user: User, *, now: datetime) -> QuerySet[Payment]:
    """The quotes that are owed or on their way, by due date; invoices are read from the mirror."""
    live = Attempt.objects.filter(payment=OuterRef("pk"), state__in=LIVE_STATES)
    rows = list_visible_payments(accesses, user).annotate(setup_state=build_live_setup_subquery())
    owed = Q(state="reversed") | Q(state="open") & (Q(expires_at__gt=now) | Exists(live) | Q(setup_state__isnull=False))
    rows = rows.filter(owed, origin=Payment.Origin.QUOTE)
    return rows.filter(state__in=["open", "reversed"]).order_by("expires_at", "pk")


def build_live_setup_subquery() -> Subquery:
    """Of the outer payment: the state of its setup that has not ended."""
    return Subquery(Setup.objects.filter(payment=OuterRef("pk"), state__in=LIVE_STATES).values("state")[:1])


def list_outstanding_quotes(
    shown: Sequence[Payment], attempts: Mapping[int, Attempt], *, now: datetime
) -> list[OutstandingPayment]:
    """How each of these quotes of `list_owed_quotes` stands; `attempts` are their newest, by payment."""
    return [
        OutstandingPayment(
            payment=payment,
            standing=get_payment_standing(
                payment, attempts.get(payment.pk), getattr(payment, "setup_state", None), now=now
            ),
            amount=payment.due,
            total=payment.full or payment.due,
            due_on=payment.expires_at.astimezone(payment.merchant.zone).date(),
        )
        for payment in shown
    ]


def list_latest_attempts(payments: Iterable[Payment]) -> QuerySet[Attempt]:
    """The newest attempt of each payment."""
    rows = Attempt.objects.filter(payment__in=[payment.pk for payment in payments])
    return rows.order_by("payment", "-pk").distinct("payment")


def attach_payment(attempt: Attempt, payments: dict[int, Payment]) -> Attempt:
    """The attempt with the payment that was read before."""
    attempt.payment = payments[attempt.payment_id]
    return attempt


def get_payment_standing(
    payment: Payment, attempt: Attempt | None, setup_state: str | None, *, now: datetime
) -> PaymentStanding:
    """How an unpaid payment stands, in words for its payer; `setup_state` is of a setup that has not ended."""
    if attempt is not None and attempt.is_settling and attempt.submitted_at is not None:
        return PaymentStanding(
            "processing", f"Processing: bank debit sent {format_day(payment.merchant, attempt.submitted_at)}"
        )
    live_state = attempt.state if attempt is not None and attempt.is_live else setup_state
    action = find_next_action(attempt)
    if action is not None and attempt is not None and attempt.next_action:
        return PaymentStanding(attempt.state, f"{action.title}.", can_pay=True)
    if live_state:
        return get_standing_in_progress(live_state)
    is_payable = not payment.is_expired(now)
    failure = get_operation_failure(attempt)
    if payment.state == "reversed" or failure:
        state = "reversed" if payment.state == "reversed" and not (attempt and attempt.state == "failed") else "failed"
        advice = "" if is_payable else f" It can't be paid here any more: please contact {payment.merchant.name}."
        return PaymentStanding(state, f"{failure}{advice}", can_pay=is_payable)
    return PaymentStanding("open", can_pay=is_payable)


def get_standing_in_progress(state: str) -> PaymentStanding:
    """How it stands while the gateway or the payer's bank has not decided."""
    if state == "requires_action":
        return PaymentStanding(state, "Your bank wants to confirm that it is you.", can_pay=True)
    return PaymentStanding("processing", "Processing: we are waiting for the bank's answer.")


def format_day(merchant: Merchant, at: datetime) -> str:
    """A day as people say it, in the merchant's zone: "21 Nov"."""
    local = at.astimezone(merchant.zone)
    return f"{local.day} {local:%b}"


def list_past_payments(accesses: Sequence[PayerAccess], user: User, *, page: int) -> RowPage[PaidAttempt]:
    """What was paid, the newest first: pages of payments, a row for every attempt that took money. Three queries."""
    start = (page - 1) * PAGE_SIZE
    keys = list_first_ids(
        accesses,
        user,
        sort="-date",
        stop=start + PAGE_SIZE + 1,
        apply_filter=lambda rows: rows.filter(paid_at__isnull=False),
    )[start:]
    found = Payment.objects.in_bulk(keys[:PAGE_SIZE])
    shown = attach_companies([found[key] for key in keys[:PAGE_SIZE]], accesses)
    attempts = list_paid_attempts(shown)
    rows = [
        build_paid_attempt(payment, attempt, is_newest=number == 0)
        for payment in shown
        for number, attempt in enumerate(attempts.get(payment.pk, []))
    ]
    return RowPage(rows, page, has_next=len(keys) > PAGE_SIZE)


def list_paid_attempts(payments: Iterable[Payment]) -> dict[int, list[Attempt]]:
    """The attempts of each payment that took money, the newest first. One query."""
    by_id = {payment.pk: payment for payment in payments}
    paid: dict[int, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(payment__in=list(by_id), state__in=PAID_STATES).order_by("-pk"):
        paid.setdefault(attempt.payment_id, []).append(attach_payment(attempt, by_id))
    return paid


def build_paid_attempt(payment: Payment, attempt: Attempt, *, is_newest: bool) -> PaidAttempt:
    """One row, with what happened since."""
    at = payment.paid_at if is_newest and payment.paid_at else attempt.created_at
    notes = [format_refund_note(payment)] if attempt.state == "succeeded" and payment.refunded_amount else []
    return PaidAttempt(payment, attempt, at, notes)


def format_refund_note(payment: Payment) -> str:
    """How much of it went back, or is on its way back."""
    back = Money(payment.refunded_amount, payment.currency)
    return "Refunded in full" if payment.refunded_amount == payment.paid_amount else f"{back} refunded"
