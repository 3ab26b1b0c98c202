"""Unprocessed payments: the ledger rejected their posting to the invoice, and a person decides what to do."""

from datetime import datetime

from django.db.models import QuerySet
from django_subatomic.db import transaction

from accounting.invoices.balances import get_balances, list_payable_invoices
from accounting.invoices.services import NotPayable, check_invoice_amount, lock_invoices
from accounting.models import CreditNote, LedgerInvoice, ManualTask, PaymentAllocation, Posting
from accounting.posting.invoice_payments import sync_payment_allocations
from accounting.posting.ledger_orders import get_posting_allocation
from accounting.posting.services import (
    build_invoice_number,
    build_payment_number,
    cancel_posting,
    create_credit_note,
    create_posting,
    lock_payment_and_attempt,
    schedule_sending,
)
from merchants.models import Merchant
from payments.models import Attempt
from wisepay.events import announce
from wisepay.models import User

Kind = Posting.Kind


class AlreadyDecided(Exception):
    """The payment is not unprocessed any more."""


def list_unprocessed_tasks(merchant: Merchant) -> QuerySet[ManualTask]:
    """The open manual tasks of unprocessed payments, the oldest first."""
    rows = ManualTask.objects.filter(
        merchant=merchant, state="open", kind=Kind.INVOICE_PAYMENT, posting__state="rejected"
    )
    return rows.select_related(
        "company", "payment", "posting__payment_allocation__invoice", "posting__payment"
    ).order_by("pk")


def list_alternative_invoices(posting: Posting) -> list[LedgerInvoice]:
    """The payer's invoices that the payment could be allocated to instead, the first due on top."""
    allocation = get_posting_allocation(posting)
    taken = PaymentAllocation.objects.filter(payment=allocation.payment_id).values("invoice")
    rows = list_payable_invoices([posting.company_id]).filter(currency=posting.money.currency).exclude(pk__in=taken)
    invoices = list(rows[:50])
    balances = get_balances(invoices)
    return [invoice for invoice in invoices if balances[invoice.pk].payable >= posting.money.amount]


def retry_payment(posting: Posting, *, by: User, now: datetime) -> None:
    """Post the payment to its invoice once more. Raises AlreadyDecided."""
    with transaction():
        lock_rejected_posting(posting).move_locked_to("pending", now=now, by=by.email, reason="retry", error="")
        schedule_sending(posting.merchant, now=now)


def allocate_payment_to_invoice(posting: Posting, invoice: LedgerInvoice, *, by: User, now: datetime) -> None:
    """Allocate the payment to another invoice of the same payer.

    Raises AlreadyDecided, NotPayable, or what `check_invoice_amount` raises.
    """
    allocation = get_posting_allocation(posting)
    with transaction():
        target = lock_invoices([invoice.pk])[invoice.pk]
        payment, _ = lock_payment_and_attempt(get_attempt_for_posting(posting))
        current = lock_rejected_posting(posting)
        if target.company_id != allocation.payment.company_id or target.currency != payment.currency:
            raise NotPayable("Choose an invoice of the same payer in the same currency.", invoice_id=target.pk)
        if PaymentAllocation.objects.filter(payment=payment, invoice=target).exists():
            raise NotPayable(f"A part of this payment is for invoice {target} already.", invoice_id=target.pk)
        check_invoice_amount(target, current.money.amount, get_balances([target], apart_from=payment)[target.pk])
        cancel_posting(current, now=now, reason=f"put to invoice {target} instead", by=by.email)
        PaymentAllocation.objects.filter(pk=allocation.pk).update(invoice=target)
        announce("accounting.allocation.changed", allocation_id=allocation.pk, now=now)
        sync_payment_allocations(payment, now=now)
        schedule_sending(posting.merchant, now=now)


def create_credit_from_payment(posting: Posting, *, by: User, now: datetime) -> None:
    """Keep the payment as a PF_CR credit of the payer, like a prepayment. Raises AlreadyDecided or NotPayable."""
    with transaction():
        payment, attempt = lock_payment_and_attempt(get_attempt_for_posting(posting))
        current = lock_rejected_posting(posting)
        if CreditNote.objects.filter(attempt=attempt).exists():
            raise NotPayable("Another part of this payment is credit already. Book this one by hand.")
        amount, on = current.money.amount, payment.paid_at or now
        cancel_posting(current, now=now, reason="left as credit", by=by.email)
        PaymentAllocation.objects.filter(pk=get_posting_allocation(posting).pk).update(
            outcome=PaymentAllocation.Outcome.CREDIT
        )
        announce("accounting.allocation.changed", allocation_id=get_posting_allocation(posting).pk, now=now)
        note = create_credit_note(payment, attempt, now=now, amount=amount)
        create_posting(Kind.INVOICE, build_invoice_number(payment), attempt, now=now, on=on, amount=amount)
        create_posting(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=on, amount=amount)
        create_posting(Kind.PAYMENT, build_payment_number(payment, nth=1), attempt, now=now, on=on, amount=amount)
        schedule_sending(posting.merchant, now=now)


def get_attempt_for_posting(posting: Posting) -> Attempt:
    """The posting's attempt, with its payment, merchant and company."""
    rows = Attempt.objects.select_related("payment__merchant", "payment__company")
    return rows.get(pk=posting.attempt_id or 0)


def lock_rejected_posting(posting: Posting) -> Posting:
    """Lock the posting while it is rejected. Raises AlreadyDecided."""
    current = posting.lock()
    if current.state != "rejected":
        raise AlreadyDecided("This was decided already.")
    return current
