"""Emails to payers about their automatic payments."""

from accounting.models import ScheduledPayment
from payments.failure_messages import explain_failure
from payments.models import Attempt
from wisepay.mail import send_email


def send_failure_email(scheduled: ScheduledPayment, attempt: Attempt) -> None:
    """Email the payer why it failed, what happens next, and the link to pay it. Without an address nothing is sent."""
    merchant = scheduled.merchant
    payment = attempt.payment
    if not attempt.payer_email or payment.state == "succeeded":
        return
    run_at = scheduled.run_at.astimezone(merchant.zone) if scheduled.state == "scheduled" else None
    send_email(
        "autopay_failed",
        attempt.payer_email,
        {
            "scheduled": scheduled,
            "payment": payment,
            "attempt": attempt,
            "why": explain_to_payer(attempt),
            "run_at": run_at,
            "asks": attempt.failure_code == "authentication_required",
            "pay_url": payment.pay_url,
        },
        subject=f"Your automatic payment to {merchant.name} failed: {attempt.money}",
        message_id=f"autopay-{attempt.reference}-{attempt.state}",
        sender=merchant,
    )


def explain_to_payer(attempt: Attempt) -> str:
    """Why it failed, in words for the payer."""
    if attempt.state == "reversed":
        return "Your bank took the payment back after it had settled, so the invoice is owed again."
    return explain_failure(attempt.failure_code, is_debit=attempt.is_debit, was_declined=attempt.was_declined)
