"""Outbox handlers that create, send and check postings."""

from datetime import datetime

from accounting.posting.credit_notes import sync_manual_tasks
from accounting.posting.invoice_payments import post_invoice_payment, post_invoice_refund, reverse_invoice_payment
from accounting.posting.manual_tasks import CHECK_INTERVAL
from accounting.posting.quote_payments import (
    cancel_debit_postings,
    post_quote_debit,
    post_quote_payment,
    post_quote_refund,
    reverse_quote_payment,
    reverse_refund,
)
from accounting.posting.sender import send_postings
from merchants.models import Merchant
from payments.models import Attempt, Payment, Refund
from wisepay.outbox import Retry, handler


def get_attempt(attempt_id: int) -> Attempt:
    """The attempt with its payment, merchant and company."""
    return Attempt.objects.select_related("payment__merchant", "payment__company").get(pk=attempt_id)


def get_refund(refund_id: int) -> Refund:
    """The refund with its attempt, payment, merchant and company."""
    rows = Refund.objects.select_related("attempt__payment__merchant", "attempt__payment__company")
    return rows.get(pk=refund_id)


@handler("accounting.post_debit")
def post_debit(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Create the draft credit note of a quote's bank debit that was submitted."""
    attempt = get_attempt(attempt_id)
    if not has_payment_allocations(attempt.payment):
        post_quote_debit(attempt, now=now)


@handler("accounting.post_payment")
def post_payment(*, payment_id: int, now: datetime, **_: object) -> None:
    """Create a paid payment's postings."""
    payment = Payment.objects.select_related("merchant", "company").get(pk=payment_id)
    if has_payment_allocations(payment):
        post_invoice_payment(payment, now=now)
    else:
        post_quote_payment(payment, now=now)


@handler("accounting.drop_debit")
def drop_debit(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Cancel or remove the draft of a failed bank debit."""
    cancel_debit_postings(get_attempt(attempt_id), now=now)


@handler("accounting.reverse_payment")
def reverse_payment(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Undo a reversed attempt's postings."""
    attempt = get_attempt(attempt_id)
    if has_payment_allocations(attempt.payment):
        reverse_invoice_payment(attempt, now=now)
    else:
        reverse_quote_payment(attempt, now=now)


@handler("accounting.post_refund")
def post_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Create the postings of a refund, out of the credit or of the payments of the invoices."""
    refund = get_refund(refund_id)
    if has_payment_allocations(refund.attempt.payment):
        post_invoice_refund(refund, now=now)
    else:
        post_quote_refund(refund, now=now)


@handler("accounting.undo_refund")
def undo_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Undo the postings of a refund that failed after all."""
    refund = get_refund(refund_id)
    reverse_refund(refund, now=now)
    if has_payment_allocations(refund.attempt.payment):
        post_invoice_refund(refund, now=now)


@handler("accounting.drain_postings")
def send_merchant_postings(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Send a merchant's waiting postings."""
    send_postings(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.look_at_tasks")
def check_manual_tasks(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Check whether people did what the tasks ask for; again later while they have not."""
    if sync_manual_tasks(Merchant.objects.get(pk=merchant_id), now=now):
        raise Retry("tasks are open", after=CHECK_INTERVAL.total_seconds())


def has_payment_allocations(payment: Payment) -> bool:
    """Whether a payment is for invoices of the merchant's ledger."""
    return not payment.is_quote and payment.allocations.exists()
