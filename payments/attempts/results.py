"""Record what a result or a reversal of an attempt means for its payment and method."""

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
    """Mark the payment as paid and enqueue its consequences. Raises ValueError if the amount is another one."""
    if result.amount != attempt.money:
        raise ValueError(f"attempt {attempt.reference}: asked for {attempt.money}, the gateway took {result.amount}")
    payment.move_locked_to(
        "succeeded", now=now, by="gateway", paid_amount=attempt.amount, paid_at=now, refunded_amount=0
    )
    outbox.enqueue(f"attempt:{attempt.pk}:succeeded", "payments.follow_success", attempt_id=attempt.pk)


@transaction_required
def save_used_method(attempt: Attempt, result: OperationResult, *, now: datetime) -> None:
    """Record the use of a saved method, or the method that the gateway saved with this charge."""
    method = attempt.saved_method
    if method is not None:
        SavedMethod.objects.filter(pk=method.pk).update(last_used_at=now, last_failure="")
    elif attempt.saves_method and result.method.id:
        method = record_saved_method(attempt, result.method, company=attempt.payment.company, now=now)
        SavedMethod.objects.filter(pk=method.pk).update(last_used_at=now)
    if method is not None and attempt.payment.needs_account:
        Payment.objects.filter(pk=attempt.payment_id).update(saved_method=method)


def find_used_method(attempt: Attempt) -> SavedMethod | None:
    """Find the saved method that was charged, also when it was saved with this very charge."""
    rows = SavedMethod.objects.filter(account=attempt.account_id).exclude(stripe_payment_method_id="")
    return attempt.saved_method or rows.filter(stripe_payment_method_id=attempt.stripe_payment_method_id).first()


def record_method_failure(attempt: Attempt, *, now: datetime) -> None:
    """Record on the saved method why it was refused; one that can never work again becomes invalid."""
    method = find_used_method(attempt)
    if method is None or not attempt.failure_code:
        return
    SavedMethod.objects.filter(pk=method.pk).update(last_failure=attempt.failure_code)
    # It may have been detached at the gateway, or its mandate may be dead: codes alone don't tell.
    outbox.enqueue(
        f"attempt:{attempt.pk}:method",
        "payments.read_method",
        account_id=attempt.account_id,
        object_id=method.stripe_payment_method_id,
    )
    if attempt.failure_code in PERMANENT_FAILURES:
        invalidate_method(method, reason=attempt.failure_code, now=now)


@transaction_required
def renew_payment_deadline(payment: Payment, *, now: datetime) -> None:
    """Give the payer REPAYMENT_WINDOW to pay again what came back, even if the quote ended before."""
    if payment.expires_at < now + REPAYMENT_WINDOW:
        payment.expires_at = now + REPAYMENT_WINDOW
        Payment.objects.filter(pk=payment.pk).update(expires_at=payment.expires_at)


@transaction_required
def reverse_attempt(attempt: Attempt, *, reason: str, now: datetime) -> bool:
    """Reverse an attempt and its payment after the bank took the money back; False if it was not paid."""
    payment = lock_payment(attempt.payment)
    current = attempt.lock()
    if current.state != "succeeded":
        return False
    current.payment = payment
    current.move_locked_to("reversed", now=now, by="gateway", reason=reason, failure_code=reason[:60])
    payment.move_locked_to("reversed", now=now, by="gateway", reason=reason)
    renew_payment_deadline(payment, now=now)
    method = find_used_method(current)
    if method is not None and current.is_debit:
        invalidate_method(method, reason="dead_mandate", now=now)
    consequences.announce_reversal(current)
    return True
