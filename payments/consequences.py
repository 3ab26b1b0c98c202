"""What follows when a payment was submitted, paid, rejected or reversed: each thing a message of its own."""

from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payments.failure_messages import explain_failure
from payments.models import Attempt, Payment
from wisepay import outbox

NotificationEvent = EventNotification.Event


@transaction_required
def enqueue_after_submission(attempt: Attempt) -> None:
    """The payer's bank has it."""
    mark = f"attempt:{attempt.pk}"
    outbox.enqueue(f"{mark}:draft", "accounting.post_debit", attempt_id=attempt.pk)
    outbox.enqueue(f"{mark}:submitted", "quotes.record_outcome", payment_id=attempt.payment_id)
    outbox.enqueue(f"{mark}:submitted-mail", "payments.email_progress", attempt_id=attempt.pk, news="submitted")
    outbox.enqueue(f"{mark}:submitted-notice", "payments.tell_merchant", attempt_id=attempt.pk, news="submitted")


@transaction_required
def enqueue_after_charge(attempt: Attempt) -> None:
    """An attempt to charge an automatic payment ended, by itself or by its payer."""
    if attempt.payment.origin == Payment.Origin.AUTOMATIC and not attempt.is_live:
        key = f"attempt:{attempt.pk}:charge:{attempt.state}"
        outbox.enqueue(key, "accounting.follow_charge", attempt_id=attempt.pk)


@transaction_required
def enqueue_after_saving(payment: Payment) -> None:
    """A method was saved for what recurs of a quote."""
    outbox.enqueue(f"payment:{payment.pk}:map", "accounting.map_from_payment", payment_id=payment.pk)


@transaction_required
def enqueue_after_rejection(attempt: Attempt) -> None:
    """The payer's bank said no, days later."""
    mark = f"attempt:{attempt.pk}"
    outbox.enqueue(f"{mark}:drop", "accounting.drop_debit", attempt_id=attempt.pk)
    if not attempt.is_off_session:  # of an automatic payment its own mail tells
        outbox.enqueue(f"{mark}:rejected-mail", "payments.email_progress", attempt_id=attempt.pk, news="rejected")
    outbox.enqueue(f"{mark}:rejected-notice", "payments.tell_merchant", attempt_id=attempt.pk, news="rejected")


@transaction_required
def enqueue_after_reversal(attempt: Attempt) -> None:
    """The bank took money back that had arrived."""
    mark = f"attempt:{attempt.pk}"
    outbox.enqueue(f"{mark}:reverse", "accounting.reverse_payment", attempt_id=attempt.pk)
    enqueue_after_charge(attempt)
    outbox.enqueue(f"{mark}:reversed", "quotes.record_outcome", payment_id=attempt.payment_id)
    if not attempt.is_off_session:
        outbox.enqueue(f"{mark}:reversed-mail", "payments.email_progress", attempt_id=attempt.pk, news="reversed")
    outbox.enqueue(f"{mark}:reversed-notice", "payments.tell_merchant", attempt_id=attempt.pk, news="reversed")


def enqueue_after_success(attempt: Attempt, *, now: datetime) -> None:
    """Everything that follows when a payment was paid. The same again is nothing."""
    payment, mark = attempt.payment, f"attempt:{attempt.pk}"
    with transaction():
        outbox.enqueue(f"{mark}:post", "accounting.post_payment", payment_id=payment.pk)
        outbox.enqueue(f"{mark}:outcome", "quotes.record_outcome", payment_id=payment.pk)
        outbox.enqueue(f"{mark}:receipt", "payments.email_receipt", attempt_id=attempt.pk)
        if payment.needs_account:
            enqueue_after_saving(payment)
        notify_merchant(
            payment.merchant,
            event=NotificationEvent.PREPAYMENT_PROCESSED,
            key=f"paid:{attempt.pk}",
            title="Prepayment Processed Successfully" if payment.is_quote else "Payment Processed Successfully",
            body=f"{payment.company} paid {attempt.money} for {payment.purpose}.",
            path=get_payment_path(payment),
            now=now,
        )


DEBIT_NOTIFICATIONS = {
    "submitted": (
        NotificationEvent.BANK_DEBIT_SUBMITTED,
        "Bank debit submitted",
        "{company} pays {amount} for {purpose} by bank debit ({method}). It takes some days to settle.",
    ),
    "rejected": (
        NotificationEvent.BANK_DEBIT_REJECTED,
        "Bank debit rejected",
        "The bank debit of {amount} from {company} for {purpose} came back: {why} "
        "The payer was told and can pay again.",
    ),
    "reversed": (
        NotificationEvent.BANK_DEBIT_REJECTED,
        "Payment reversed",
        "{amount} from {company} for {purpose} was taken back by the bank after it had settled. "
        "The payer was told and can pay again.",
    ),
}


def notify_merchant_of_debit(attempt: Attempt, *, news: str, now: datetime) -> None:
    """Notify the merchant's people once of what became of a bank debit."""
    event, title, body = DEBIT_NOTIFICATIONS[news]
    payment = attempt.payment
    words = {
        "company": payment.company,
        "amount": attempt.money,
        "purpose": payment.purpose,
        "method": attempt.method,
        "why": explain_failure(attempt.failure_code, is_debit=True),
    }
    with transaction():
        notify_merchant(
            payment.merchant,
            event=event,
            key=f"{news}:{attempt.pk}",
            title=title,
            body=body.format(**words),
            path=get_payment_path(payment),
            now=now,
        )


@transaction_required
def notify_merchant_of_payment(
    merchant: Merchant, payment: Payment, *, event: str, key: str, title: str, body: str, now: datetime
) -> None:
    """Tell the merchant's people of something about a payment."""
    notify_merchant(merchant, event=event, key=key, title=title, body=body, path=get_payment_path(payment), now=now)


def get_payment_path(payment: Payment) -> str:
    """The payment's page in the merchant's console."""
    return reverse("payments:detail", args=[payment.merchant.reference, payment.reference])
