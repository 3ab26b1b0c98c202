"""Refund payments exactly once, and record refunds that were started at the gateway."""

from datetime import datetime

from django_subatomic.db import transaction, transaction_required

from merchants.models import Membership
from merchants.rights import Right
from payments import consequences
from payments.errors import NothingToRefund, RefundNotAllowed
from payments.gateway_accounts import is_unreachable
from payments.gateways import RefundResult, find_step_problem, open_gateway
from payments.models import Attempt, Dispute, Payment, Refund
from payments.operations.lifecycle import find_refusal
from payments.operations.services import enqueue_first_check, lock_payment
from wisepay import events, outbox
from wisepay.addresses import new_reference
from wisepay.errors import NotThere, Rejected, Unavailable
from wisepay.models import User
from wisepay.money import Money

BLOCKING_DISPUTES = ("open", "lost")


ACCOUNT_LEFT = "account_left"
UNKNOWN_PAYMENT = ("object_missing", "wrong_mode")
# Where the money is by why a refund failed (docs.stripe.com/api/refunds/object, docs.stripe.com/error-codes).
DISPUTED_ADVICE = (
    "The payer's bank disputes this payment and decides about the money. Answer the dispute; pay nothing back."
)
GIVEN_BACK_ADVICE = "It was given back at Stripe already, as far as it could be. Pay nothing back twice."
NOT_MADE_ADVICE = (
    "Stripe did not make it, so the money is where it was. Mend the reason at Stripe, then refund it again."
)
RETURNED_ADVICE = "The payer's bank sent it back, so the money is yours again. Pay the payer in another way."
FAILED_REFUND_ADVICE = {
    "charge_disputed": DISPUTED_ADVICE,
    "charge_for_pending_refund_disputed": DISPUTED_ADVICE,
    "charge_already_refunded": GIVEN_BACK_ADVICE,
    "declined": RETURNED_ADVICE,
    "expired_or_canceled_card": RETURNED_ADVICE,
    "lost_or_stolen_card": RETURNED_ADVICE,
    "unknown": RETURNED_ADVICE,
    "balance_insufficient": NOT_MADE_ADVICE,
    "insufficient_funds": NOT_MADE_ADVICE,
    "merchant_request": NOT_MADE_ADVICE,
}


def get_failed_refund_advice(refund: Refund) -> str:
    """Where the money of a failed refund is, and what to do. Only what Stripe said is claimed of it."""
    code, account = refund.failure_code, refund.attempt.account
    if code == ACCOUNT_LEFT:
        return (
            f"The payment was taken by the Stripe account {account.label}, whose keys Stripe no longer accepts from "
            "Wise-Pay. Look there whether it was given back; if not, give it back there."
        )
    if code in UNKNOWN_PAYMENT:
        return (
            f"The Stripe account {account.label} does not know this payment. Find the account that took it, and give "
            "it back there."
        )
    usual = RETURNED_ADVICE if refund.stripe_refund_id else NOT_MADE_ADVICE
    return FAILED_REFUND_ADVICE.get(code, usual)


def start_refund(payment: Payment, *, amount: int, reason: str, by: User, now: datetime) -> Refund:
    """Commit a refund of `amount` minor units, before the gateway is asked. Raises NothingToRefund, RefundNotAllowed.

    The amount counts as refunded from now on, so two refunds together never exceed what was paid.
    """
    with transaction():
        locked = lock_payment(payment)
        check_may_refund(find_refunder(locked, by), Money(amount, locked.currency))
        check_refundable(locked, amount=amount)
        reference = new_reference()
        refund = Refund.objects.create(
            reference=reference,
            payment=locked,
            attempt=locked.attempts.get(state="succeeded"),
            amount=amount,
            reason=reason,
            ordered_by=by,
            idempotency_key=f"refund-{reference}",
            state="processing",
            state_at=now,
            created_at=now,
        )
        Payment.objects.filter(pk=locked.pk).update(refunded_amount=locked.refunded_amount + amount)
        enqueue_first_check(refund, "payments.resolve_refund", refund_id=refund.pk)
    return refund


def find_refunder(payment: Payment, user: User) -> Membership | None:
    """The person's membership of the payment's merchant, read afresh; None for somebody who left."""
    return Membership.objects.select_related("role").filter(merchant=payment.merchant_id, user=user).first()


def get_refund_limit(member: Membership, currency: str) -> Money | None:
    """The most that the person may refund at once; None for no limit.

    The role's limit is so many minor units of whatever currency the payment has: 50,000 are A$500.00, and ¥50,000.
    """
    limit = member.role.refund_limit
    return Money(limit, currency) if limit is not None else None


def check_may_refund(member: Membership | None, money: Money) -> None:
    """Check that the person may refund so much at once. Raises RefundNotAllowed."""
    if member is None or not member.may(Right.REFUND):
        raise RefundNotAllowed("Your role may give no money back. Somebody with the right Refund can do it.")
    limit = get_refund_limit(member, money.currency)
    if limit is not None and money.amount > limit.amount:
        raise RefundNotAllowed(
            f"As {member.role} you may give back at most {limit} at once. Somebody with a higher limit can do it."
        )


def check_refundable(payment: Payment, *, amount: int) -> None:
    """Check that the amount can be refunded. Raises NothingToRefund."""
    if payment.state != "succeeded" or payment.paid_amount is None:
        raise NothingToRefund("Only a paid payment can be refunded.")
    if Dispute.objects.filter(attempt__payment=payment, state__in=BLOCKING_DISPUTES).exists():
        raise NothingToRefund("The payer's bank disputes this payment, or has decided it, so nothing can be refunded.")
    remaining = payment.paid_amount - payment.refunded_amount
    if not 0 < amount <= remaining:
        raise NothingToRefund("No more than what is left of the payment can be refunded.")
    if problem := find_step_problem(Money(amount, payment.currency)):
        raise NothingToRefund(problem)


def send_refund(refund: Refund, *, now: datetime) -> None:
    """Send the refund and apply its result, if the answer is known. Sending it twice is one refund."""
    attempt = refund.attempt
    gateway = open_gateway(attempt.account.secret_key.decrypt())
    try:
        result = gateway.refund(
            attempt.stripe_payment_intent_id, refund.money, key=refund.idempotency_key, reference=refund.reference
        )
    except (Unavailable, Rejected) as error:
        # A key that is not accepted never fails a refund: with a new key it is sent again.
        refusal = find_refusal(error, is_retry=True, reference=refund.reference)
        if is_unreachable(attempt.account, error):
            refusal = Rejected(ACCOUNT_LEFT, str(error))
        if refusal is None:
            return
        result = RefundResult("failed", "", refund.money, failure_code=refusal.code, reference=refund.reference)
    apply_refund_result(refund, result, now=now)


def refresh_refund(refund: Refund, *, now: datetime) -> None:
    """Look a refund up, and send it again only if the gateway does not have it. Raises Unavailable.

    Where nobody can find out any more how it ended, it is ended: a person has to look.
    """
    try:
        sync_refunds(refund.attempt, now=now)
    except Unavailable as error:
        code = find_undecidable_code(refund, error.__cause__)
        if not code:
            raise
        result = RefundResult("failed", "", refund.money, failure_code=code, reference=refund.reference)
        apply_refund_result(refund, result, now=now)
        return
    refund.refresh_from_db()
    if refund.state == "processing" and not refund.stripe_refund_id:
        send_refund(refund, now=now)


def find_undecidable_code(refund: Refund, error: BaseException | None) -> str:
    """Why nobody can find out any more how a refund ended: its account was left, or does not know the payment."""
    if is_unreachable(refund.attempt.account, error):
        return ACCOUNT_LEFT
    is_gone = isinstance(error, NotThere) or (isinstance(error, Rejected) and error.code in UNKNOWN_PAYMENT)
    return UNKNOWN_PAYMENT[0] if is_gone else ""


def sync_refunds(attempt: Attempt, *, now: datetime) -> None:
    """Record every refund of this attempt at the gateway, whoever started it. Raises Unavailable."""
    try:
        found = open_gateway(attempt.account.secret_key.decrypt()).list_refunds(attempt.stripe_payment_intent_id)
    except Rejected as error:
        raise Unavailable(str(error)) from error
    for result in sorted(found, key=lambda one: one.refund_id):
        refund = find_or_create_refund(attempt, result, now=now)
        if refund is not None:
            apply_refund_result(refund, result, now=now)


def find_or_create_refund(attempt: Attempt, result: RefundResult, *, now: datetime) -> Refund | None:
    """Find the row of a refund, or create it for one that was started at the gateway and did not fail."""
    rows = attempt.refunds.select_related("payment__merchant", "attempt__account")
    known = rows.filter(stripe_refund_id=result.refund_id).first() or rows.filter(reference=result.reference).first()
    if known is not None or result.status == "failed":
        return known
    with transaction():
        payment = lock_payment(attempt.payment)
        refund, is_new = Refund.objects.get_or_create(
            attempt=attempt,
            stripe_refund_id=result.refund_id,
            defaults={
                "payment": payment,
                "amount": result.amount.amount,
                "reason": "Started at Stripe",
                "origin": Refund.Origin.GATEWAY,
                "idempotency_key": f"gateway-{result.refund_id}"[:80],
                "state": "processing",
                "state_at": now,
                "created_at": now,
            },
        )
        if is_new and attempt.lock().state == "succeeded":
            total = min(payment.refunded_amount + refund.amount, payment.paid_amount or 0)
            Payment.objects.filter(pk=payment.pk).update(refunded_amount=total)
    return refund


def apply_refund_result(refund: Refund, result: RefundResult, *, now: datetime) -> None:
    """Write the result on the refund with its consequences; the same result again changes nothing."""
    with transaction():
        payment = lock_payment(refund.payment)
        current = refund.lock()
        fields = {
            "stripe_refund_id": result.refund_id or current.stripe_refund_id,
            "failure_code": result.failure_code[:60],
        }
        previous = current.state
        if result.status in (previous, "processing") or previous == "failed":
            Refund.objects.filter(pk=refund.pk).update(**fields)
        elif current.move_locked_to(result.status, now=now, by="gateway", reason=result.failure_code, **fields):
            schedule_refund_consequences(payment, current, previous=previous, now=now)
    refund.refresh_from_db()


@transaction_required
def schedule_refund_consequences(payment: Payment, refund: Refund, *, previous: str, now: datetime) -> None:
    """Announce how a refund ended, and tell payer and merchant."""
    money = refund.money
    if refund.state == "succeeded":
        events.announce("payments.refund.succeeded", refund_id=refund.pk)
        outbox.enqueue(f"refund:{refund.pk}:mail", "payments.email_refund", refund_id=refund.pk)
        title, body = "Payment refunded", f"{money} of {payment.purpose} went back to {payment.company}."
    else:
        if refund.attempt.lock().state == "succeeded":
            refunded = max(payment.refunded_amount - refund.amount, 0)
            Payment.objects.filter(pk=payment.pk).update(refunded_amount=refunded)
        if previous == "succeeded":
            events.announce("payments.refund.reverted", refund_id=refund.pk)
        title = "Refund failed"
        advice = get_failed_refund_advice(refund)
        body = f"{money} of {payment.purpose} did not go back to {payment.company}. {advice}"
    consequences.notify_merchant_of_payment(
        payment.merchant,
        payment,
        event=consequences.NotificationEvent.PAYMENT_REFUNDED,
        key=f"refund:{refund.pk}:{refund.state}",
        title=title,
        body=body,
        now=now,
    )
