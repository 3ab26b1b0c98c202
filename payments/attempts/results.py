"""What the gateway's word about an attempt changes: attempt, payment, kept method, and all that follows."""

from datetime import datetime, timedelta

from django_subatomic.db import transaction_required

from payments import consequences
from payments.gateways import OperationResult
from payments.models import Attempt, Payment, SavedMethod
from payments.operations.services import lock_payment
from payments.saved_methods.services import PERMANENT_FAILURES, invalidate_method, record_saved_method
from wisepay import outbox

REPAYMENT_WINDOW = timedelta(days=30)  # how long a quote can be paid again after its bank debit came back


@transaction_required
def record_attempt_consequences(
    attempt: Attempt, result: OperationResult, *, is_moved: bool, was_settling: bool, now: datetime
) -> None:
    """Record what the attempt's new state means for its payment and method, and enqueue what follows."""
    payment = attempt.payment
    if attempt.is_settling and not was_settling:
        save_used_method(attempt, result, now=now)
        consequences.announce_submission(attempt)
    if not is_moved:
        return
    consequences.announce_automatic_charge(attempt)
    if attempt.state == "succeeded":
        save_used_method(attempt, result, now=now)
        record_payment_success(payment, attempt, result, now=now)
    elif attempt.state in ("failed", "cancelled"):
        record_method_failure(attempt, now=now)
        if was_settling:
            renew_payment_deadline(payment, now=now)
            consequences.announce_rejection(attempt)
        consequences.announce_attempt("payments.attempt.ended", attempt)
    elif attempt.state == "processing":
        consequences.announce_attempt("payments.attempt.processing", attempt)


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
    consequences.announce_reversal(current)
    return True
