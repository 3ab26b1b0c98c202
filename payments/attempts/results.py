"""What the gateway's word about an attempt changes: attempt, payment, kept method, and all that follows."""

from datetime import datetime, timedelta
from typing import Any

from django_subatomic.db import transaction, transaction_required

from payments import consequences
from payments.gateways import OperationResult
from payments.models import Attempt, Payment, SavedMethod
from payments.operations.services import lock_payment
from payments.saved_methods.services import PERMANENT_FAILURES, invalidate_method, record_saved_method
from wisepay import outbox

REPAYMENT_WINDOW = timedelta(days=30)  # how long a quote can be paid again after its bank debit came back


def apply_attempt_result(attempt: Attempt, result: OperationResult, *, by: str, now: datetime) -> None:
    """Write the gateway's word on the attempt and, if it was paid, on the payment with all that follows.

    The same word again changes nothing. Raises IllegalTransition when money moved that must not have.
    """
    with transaction():
        payment = lock_payment(attempt.payment)
        current = attempt.lock()
        if not current.is_live and result.status in ("failed", "cancelled", "processing", "requires_action"):
            attempt.refresh_from_db()
            return
        current.payment = payment
        learned = build_result_fields(current, result, now=now)
        reason = result.failure_code or result.status
        was_settling = current.is_settling
        moved = current.move_locked_to(result.status, now=now, by=by, reason=reason, **learned)
        if not moved:
            Attempt.objects.filter(pk=attempt.pk).update(**learned)
            for name, value in learned.items():
                setattr(current, name, value)
        schedule_consequences(current, result, moved=moved, was_settling=was_settling, now=now)
        for name, value in {"state": current.state, "state_at": current.state_at, **learned}.items():
            setattr(attempt, name, value)
        attempt.payment = payment


def build_result_fields(attempt: Attempt, result: OperationResult, *, now: datetime) -> dict[str, Any]:
    """The columns that this outcome tells us more about."""
    method = result.method
    is_submitted = result.status == "processing" and method.kind not in ("", "card")
    return {
        "stripe_payment_intent_id": result.intent_id or attempt.stripe_payment_intent_id,
        "stripe_payment_method_id": method.id or attempt.stripe_payment_method_id,
        "stripe_mandate_id": method.mandate_id or attempt.stripe_mandate_id,
        "method_kind": method.kind or attempt.method_kind,
        "brand": method.brand or attempt.brand,
        "last4": method.last4 or attempt.last4,
        "failure_code": result.failure_code[:60],
        "failure_message": result.failure_message[:300],
        "submitted_at": attempt.submitted_at or (now if is_submitted else None),
    }


@transaction_required
def schedule_consequences(
    attempt: Attempt, result: OperationResult, *, moved: bool, was_settling: bool, now: datetime
) -> None:
    """What has to happen next, as messages."""
    payment = attempt.payment
    if attempt.is_settling and not was_settling:
        save_used_method(attempt, result, now=now)
        consequences.enqueue_after_submission(attempt)
    if not moved:
        return
    consequences.enqueue_after_charge(attempt)
    if attempt.state == "succeeded":
        save_used_method(attempt, result, now=now)
        record_payment_success(payment, attempt, result, now=now)
    elif attempt.state in ("failed", "cancelled"):
        record_method_failure(attempt, now=now)
        if was_settling:
            renew_payment_deadline(payment, now=now)
            consequences.enqueue_after_rejection(attempt)
        outbox.enqueue(f"attempt:{attempt.pk}:ended", "quotes.record_outcome", payment_id=payment.pk)
    elif attempt.state == "processing":
        outbox.enqueue(f"attempt:{attempt.pk}:processing", "quotes.record_outcome", payment_id=payment.pk)


@transaction_required
def record_payment_success(payment: Payment, attempt: Attempt, result: OperationResult, *, now: datetime) -> None:
    """The payment is paid; one message stands for all that follows."""
    if result.amount != attempt.money:
        raise ValueError(f"attempt {attempt.reference}: asked for {attempt.money}, the gateway took {result.amount}")
    payment.move_locked_to(
        "succeeded", now=now, by="gateway", paid_amount=attempt.amount, paid_at=now, refunded_amount=0
    )
    outbox.enqueue(f"attempt:{attempt.pk}:succeeded", "payments.follow_success", attempt_id=attempt.pk)


@transaction_required
def save_used_method(attempt: Attempt, result: OperationResult, *, now: datetime) -> None:
    """Keep what the gateway keeps, and remember what a kept method was used for."""
    kept = attempt.saved_method
    if kept is not None:
        SavedMethod.objects.filter(pk=kept.pk).update(last_used_at=now, last_failure="")
    elif attempt.saves_method and result.method.id:
        kept = record_saved_method(attempt, result.method, company=attempt.payment.company, now=now)
        SavedMethod.objects.filter(pk=kept.pk).update(last_used_at=now)
    if kept is not None and attempt.payment.needs_account:
        Payment.objects.filter(pk=attempt.payment_id).update(saved_method=kept)


def record_method_failure(attempt: Attempt, *, now: datetime) -> None:
    """A kept method remembers why it was refused; one that is dead is never offered again."""
    rows = SavedMethod.objects.filter(account=attempt.account_id)
    kept = attempt.saved_method or rows.filter(stripe_payment_method_id=attempt.stripe_payment_method_id).first()
    if kept is None or not attempt.failure_code:
        return
    SavedMethod.objects.filter(pk=kept.pk).update(last_failure=attempt.failure_code)
    # It may have been detached at the gateway, or its mandate may be dead: codes alone don't tell.
    outbox.enqueue(
        f"attempt:{attempt.pk}:method",
        "payments.read_method",
        account_id=attempt.account_id,
        object_id=kept.stripe_payment_method_id,
    )
    if attempt.failure_code in PERMANENT_FAILURES:
        invalidate_method(kept, reason=attempt.failure_code, now=now)


@transaction_required
def renew_payment_deadline(payment: Payment, *, now: datetime) -> None:
    """Money that came back is owed again, whatever the quote's own end was."""
    if payment.expires_at < now + REPAYMENT_WINDOW:
        payment.expires_at = now + REPAYMENT_WINDOW
        Payment.objects.filter(pk=payment.pk).update(expires_at=payment.expires_at)


@transaction_required
def reverse_attempt(attempt: Attempt, *, reason: str, now: datetime) -> bool:
    """The bank took the money back after it had arrived: the payment is owed again. False if that was known."""
    payment = lock_payment(attempt.payment)
    current = attempt.lock()
    if current.state != "succeeded":
        return False
    current.payment = payment
    current.move_locked_to("reversed", now=now, by="gateway", reason=reason, failure_code=reason[:60])
    payment.move_locked_to("reversed", now=now, by="gateway", reason=reason)
    renew_payment_deadline(payment, now=now)
    kept = (
        current.saved_method
        or SavedMethod.objects.filter(
            account=current.account_id, stripe_payment_method_id=current.stripe_payment_method_id
        )
        .exclude(stripe_payment_method_id="")
        .first()
    )
    if kept is not None and current.is_debit:
        invalidate_method(kept, reason="dead_mandate", now=now)
    consequences.enqueue_after_reversal(current)
    return True
