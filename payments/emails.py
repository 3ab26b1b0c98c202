"""Mails to payers about their payments."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from merchants.models import Merchant
from payments.failure_messages import explain_failure
from payments.models import Attempt, Refund, Setup
from wisepay.mail import send_mail

DEBIT_SUBJECTS = {
    "submitted": "Your bank debit to {merchant} is on its way: {amount}",
    "rejected": "Your bank debit to {merchant} was rejected: {amount}",
    "reversed": "Your payment to {merchant} was reversed: {amount}",
}


def send_receipt_email(attempt: Attempt) -> None:
    """A receipt of what was paid."""
    payment = attempt.payment
    _send(
        "emails/receipt",
        attempt.payer_email,
        payment.merchant,
        subject=f"Receipt from {payment.merchant.name}: {attempt.money}",
        message_id=f"receipt-{attempt.reference}",
        payment=payment,
        attempt=attempt,
    )


def send_debit_email(attempt: Attempt, *, news: str) -> None:
    """A bank debit was submitted, rejected or reversed; the latter two with the link to pay again."""
    payment = attempt.payment
    _send(
        f"emails/debit_{news}",
        attempt.payer_email,
        payment.merchant,
        subject=DEBIT_SUBJECTS[news].format(merchant=payment.merchant.name, amount=attempt.money),
        message_id=f"{news}-{attempt.reference}",
        payment=payment,
        attempt=attempt,
        why=explain_failure(attempt.failure_code, is_debit=True),
        pay_url=f"{settings.PUBLIC_URL}{reverse('payments:pay', args=[payment.reference])}",
    )


def send_method_saved_email(setup: Setup) -> None:
    """A method was saved for what recurs."""
    merchant = setup.company.merchant
    _send(
        "emails/method_saved",
        setup.payer_email,
        merchant,
        subject=f"Your payment method is saved with {merchant.name}",
        message_id=f"saved-{setup.reference}",
        setup=setup,
        payment=setup.payment,
    )


def send_refund_email(refund: Refund) -> None:
    """Money is on its way back."""
    payment = refund.payment
    _send(
        "emails/refund",
        refund.attempt.payer_email,
        payment.merchant,
        subject=f"Refund from {payment.merchant.name}: {refund.money}",
        message_id=f"refund-{refund.reference}",
        payment=payment,
        refund=refund,
        attempt=refund.attempt,
    )


def _send(template: str, to: str, merchant: Merchant, *, subject: str, message_id: str, **context: Any) -> None:
    send_mail(
        template,
        to=to,
        subject=subject,
        message_id=message_id,
        context={**context, "merchant": merchant},
        sender_name=merchant.name,
        reply_to=merchant.contact_email,
    )
