"""Mails to payers about their payments, each in the merchant's name."""

from payments.failure_messages import explain_failure
from payments.models import Attempt, Refund, Setup
from wisepay.mail import send_email

DEBIT_SUBJECTS = {
    "submitted": "Your bank debit to {merchant} is on its way: {amount}",
    "rejected": "Your bank debit to {merchant} was rejected: {amount}",
    "reversed": "Your payment to {merchant} was reversed: {amount}",
}


def send_receipt_email(attempt: Attempt) -> None:
    """Send the receipt of a succeeded attempt."""
    payment = attempt.payment
    send_email(
        "receipt",
        attempt.payer_email,
        {"payment": payment, "attempt": attempt},
        subject=f"Receipt from {payment.merchant.name}: {attempt.money}",
        message_id=f"receipt-{attempt.reference}",
        sender=payment.merchant,
    )


def send_debit_email(attempt: Attempt, *, news: str) -> None:
    """Send what became of a bank debit: submitted, or rejected or reversed with the link to pay again."""
    payment = attempt.payment
    why = explain_failure(attempt.failure_code, is_debit=True)
    send_email(
        f"debit_{news}",
        attempt.payer_email,
        {"payment": payment, "attempt": attempt, "why": why, "pay_url": payment.pay_url},
        subject=DEBIT_SUBJECTS[news].format(merchant=payment.merchant.name, amount=attempt.money),
        message_id=f"{news}-{attempt.reference}",
        sender=payment.merchant,
    )


def send_method_saved_email(setup: Setup) -> None:
    """Send the confirmation that a method was saved for the recurring part of a quote."""
    merchant = setup.company.merchant
    send_email(
        "method_saved",
        setup.payer_email,
        {"setup": setup, "payment": setup.payment},
        subject=f"Your payment method is saved with {merchant.name}",
        message_id=f"saved-{setup.reference}",
        sender=merchant,
    )


def send_refund_email(refund: Refund) -> None:
    """Send the confirmation of a refund."""
    payment = refund.payment
    send_email(
        "refund",
        refund.attempt.payer_email,
        {"payment": payment, "refund": refund, "attempt": refund.attempt},
        subject=f"Refund from {payment.merchant.name}: {refund.money}",
        message_id=f"refund-{refund.reference}",
        sender=payment.merchant,
    )
