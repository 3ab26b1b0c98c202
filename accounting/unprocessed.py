"""Unprocessed payments: money that was taken and that its invoice did not take in the books; a person decides."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounting.desks import share_of
from accounting.invoice_room import payable_invoices, rooms_of
from accounting.models import CreditNote, HandTask, LedgerInvoice, Posting, Share
from accounting.numbers import invoice_number, payment_number
from accounting.paying import NotPayable, check_part, locked_invoices
from accounting.promises import cancel, locked, promise, promise_note
from accounting.services import arm_drain
from accounting.share_promises import settle_shares
from merchants.models import Merchant
from payments.models import Attempt
from wisepay.models import User

Kind = Posting.Kind


class NotUnprocessed(Exception):
    """Somebody decided already, or it went through."""


def unprocessed_tasks(merchant: Merchant) -> QuerySet[HandTask]:
    """What has to be decided about payments that their invoices refused, oldest first."""
    rows = HandTask.objects.filter(
        merchant=merchant, state="open", kind=Kind.INVOICE_PAYMENT, posting__state="rejected"
    )
    return rows.select_related("company", "payment", "posting__share__invoice", "posting__payment").order_by("pk")


def other_invoices(posting: Posting) -> list[LedgerInvoice]:
    """The payer's invoices that could take the money instead, what is due first on top."""
    share = share_of(posting)
    taken = Share.objects.filter(payment=share.payment_id).values("invoice")
    rows = payable_invoices([posting.company_id]).filter(currency=posting.money.currency).exclude(pk__in=taken)
    found = list(rows[:50])
    rooms = rooms_of(found)
    return [invoice for invoice in found if rooms[invoice.pk].left >= posting.money.amount]


def retry_payment(posting: Posting, *, by: User, now: datetime) -> None:
    """Offer it to the books once more. Raises NotUnprocessed."""
    with transaction.atomic(durable=True):
        held(posting).advance("pending", now=now, by=by.email, reason="retry", error="")
        arm_drain(posting.merchant, now=now)


def reallocate_payment(posting: Posting, invoice: LedgerInvoice, *, by: User, now: datetime) -> None:
    """Put the money to another invoice of the same payer. Raises NotUnprocessed or what `check_part` raises."""
    share = share_of(posting)
    with transaction.atomic(durable=True):
        target = locked_invoices([invoice.pk])[invoice.pk]
        payment, _ = locked(attempt_of(posting))
        current = held(posting)
        if target.company_id != share.payment.company_id or target.currency != payment.currency:
            raise NotPayable("Choose an invoice of the same payer in the same currency.", invoice_id=target.pk)
        if Share.objects.filter(payment=payment, invoice=target).exists():
            raise NotPayable(f"A part of this payment is for invoice {target} already.", invoice_id=target.pk)
        check_part(target, current.money.amount, rooms_of([target], apart_from=payment)[target.pk])
        cancel(current, now=now, reason=f"put to invoice {target} instead", by=by.email)
        Share.objects.filter(pk=share.pk).update(invoice=target)
        settle_shares(payment, now=now)
        arm_drain(posting.merchant, now=now)


def leave_as_credit(posting: Posting, *, by: User, now: datetime) -> None:
    """Keep the money as a PF_CR credit of the payer, as a prepayment is. Raises NotUnprocessed or NotPayable."""
    with transaction.atomic(durable=True):
        payment, attempt = locked(attempt_of(posting))
        current = held(posting)
        if CreditNote.objects.filter(attempt=attempt).exists():
            raise NotPayable("Another part of this payment is credit already. Book this one by hand.")
        amount, on = current.money.amount, payment.paid_at or now
        cancel(current, now=now, reason="left as credit", by=by.email)
        Share.objects.filter(pk=share_of(posting).pk).update(outcome=Share.Outcome.CREDIT)
        note = promise_note(payment, attempt, now=now, amount=amount)
        promise(Kind.INVOICE, invoice_number(payment), attempt, now=now, on=on, amount=amount)
        promise(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=on, amount=amount)
        promise(Kind.PAYMENT, payment_number(payment, nth=1), attempt, now=now, on=on, amount=amount)
        arm_drain(posting.merchant, now=now)


def attempt_of(posting: Posting) -> Attempt:
    """The attempt that brought the money, with its payment, merchant and company."""
    rows = Attempt.objects.select_related("payment__merchant", "payment__company")
    return rows.get(pk=posting.attempt_id or 0)


def held(posting: Posting) -> Posting:
    """The posting, locked, while it waits for a decision. Raises NotUnprocessed."""
    current = posting.lock()
    if current.state != "rejected":
        raise NotUnprocessed("This was decided already.")
    return current
