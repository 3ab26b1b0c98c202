"""What payments of invoices promise to the books: each part once, over what is left of it after refunds.

The books are brought to what is so now, whatever order the news comes in: a payment there cannot be changed, so one
over another amount is taken back and made anew under the next number. Of a bank debit nothing is said to the books
before it settles.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Sum
from django_subatomic.db import transaction

from accounting.models import CreditNote, PaymentAllocation, Posting
from accounting.posting.manual_tasks import create_manual_task
from accounting.posting.numbers import build_invoice_payment_number, build_refund_number
from accounting.posting.queueing import (
    MAYBE_IN_LEDGER,
    NOT_IN_LEDGER,
    cancel_posting,
    create_posting,
    lock_payment_and_attempt,
)
from accounting.posting.quote_payments import remove_ledger_payment, void_credit_note
from accounting.posting.services import schedule_sending
from payments.models import Attempt, Payment, Refund

Kind = Posting.Kind


def has_payment_allocations(payment: Payment) -> bool:
    """Whether a payment is for invoices of the books."""
    return not payment.is_quote and payment.allocations.exists()


def post_invoice_payment(payment: Payment, *, now: datetime) -> None:
    """Promise the payment of every invoice of a paid payment. The same again is nothing."""
    with transaction():
        sync_payment_allocations(lock_payment_with_company(payment), now=now)
        schedule_sending(payment.merchant, now=now)


def reverse_invoice_payment(attempt: Attempt, *, now: datetime) -> None:
    """Take the money of a reversed attempt off its invoices, and what was left of it as credit out of the books."""
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        sync_payment_allocations(payment, now=now)
        if current.state == "reversed":
            void_credit_note(current, now=now)
            remove_ledger_payment(payment, current, now=now)
        schedule_sending(payment.merchant, now=now)


def post_invoice_refund(refund: Refund, *, now: datetime) -> None:
    """Promise that the payments of the invoices, or what was left as credit, become smaller by a refund."""
    with transaction():
        payment, attempt = lock_payment_and_attempt(refund.attempt)
        current = refund.lock()
        if current.state == "succeeded" and attempt.state == "succeeded":
            post_refund_from_credit(attempt, current, now=now)
        sync_payment_allocations(payment, now=now)
        schedule_sending(payment.merchant, now=now)


def lock_payment_with_company(payment: Payment) -> Payment:
    """The payment, locked, with the merchant and the company that were read before."""
    held = payment.lock()
    held.merchant, held.company = payment.merchant, payment.company
    return held


# ---- steps of an open transaction, under the payment's lock -----------------------------------------


def sync_payment_allocations(payment: Payment, *, now: datetime) -> None:
    """Promise what the books lack of a payment's parts and take back what they hold too much. The same is nothing."""
    allocations = list(payment.allocations.select_related("invoice").order_by("pk"))
    attempt = payment.attempts.filter(state="succeeded").first()
    if attempt is not None:
        attempt.payment = payment
    wanted = get_target_amounts(allocations, attempt)
    for place, allocation in enumerate(allocations, 1):
        allocation.payment = payment
        if allocation.outcome == PaymentAllocation.Outcome.INVOICE:
            sync_payment_allocation(allocation, wanted[allocation.pk], attempt, position=place, now=now)
        elif allocation.outcome == PaymentAllocation.Outcome.BY_HAND and wanted[allocation.pk] != allocation.amount:
            create_removal_task(allocation, position=place, now=now)


def get_target_amounts(allocations: Sequence[PaymentAllocation], attempt: Attempt | None) -> dict[int, int]:
    """What each part should stand at by its key: refunds are taken off the last parts first, nothing paid is nothing.

    What was left as credit is not touched by the refunds that come here.
    """
    if attempt is None:
        return {allocation.pk: 0 for allocation in allocations}
    back = get_refunded_amount(attempt)
    wanted: dict[int, int] = {}
    for allocation in reversed(allocations):
        taken = 0 if allocation.outcome == PaymentAllocation.Outcome.CREDIT else min(back, allocation.amount)
        wanted[allocation.pk] = allocation.amount - taken
        back -= taken
    return wanted


def get_refunded_amount(attempt: Attempt) -> int:
    """Minor units that went back of an attempt, without what was taken out of a credit."""
    rows = Refund.objects.filter(attempt=attempt, state="succeeded").exclude(postings__kind=Kind.REFUND)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def sync_payment_allocation(
    allocation: PaymentAllocation, target: int, attempt: Attempt | None, *, position: int, now: datetime
) -> None:
    """Bring one part to `wanted` minor units in the books."""
    mine = list(Posting.objects.select_for_update(of=("self",)).filter(payment_allocation=allocation).order_by("pk"))
    versions = [posting for posting in mine if posting.kind == Kind.INVOICE_PAYMENT]
    current = find_live_invoice_payment(mine)
    if current is not None and not (attempt and target == current.amount and current.attempt_id == attempt.pk):
        remove_invoice_payment(current, allocation, now=now)
        current = None
    if current is None and target and attempt is not None:
        number = build_invoice_payment_number(allocation, position=position, nth=len(versions) + 1)
        on = allocation.payment.paid_at or now
        create_posting(Kind.INVOICE_PAYMENT, number, attempt, now=now, on=on, allocation=allocation, amount=target)


def find_live_invoice_payment(postings: Sequence[Posting]) -> Posting | None:
    """The part's payment that is to be in the books, if one is."""
    removed = {p.number for p in postings if p.kind == Kind.INVOICE_PAYMENT_REMOVAL and p.state != "cancelled"}
    made = [p for p in postings if p.kind == Kind.INVOICE_PAYMENT and p.state != "cancelled"]
    return next((p for p in reversed(made) if p.number not in removed), None)


def remove_invoice_payment(posting: Posting, allocation: PaymentAllocation, *, now: datetime) -> None:
    """Let a payment of an invoice not be, or be no more."""
    if posting.state in NOT_IN_LEDGER:
        cancel_posting(posting, now=now, reason="it is to be another amount, or none")
    elif posting.state in MAYBE_IN_LEDGER and posting.attempt is not None:
        attempt = posting.attempt
        attempt.payment = allocation.payment
        create_posting(
            Kind.INVOICE_PAYMENT_REMOVAL,
            posting.number,
            attempt,
            now=now,
            on=now,
            allocation=allocation,
            amount=posting.amount,
        )


def create_removal_task(allocation: PaymentAllocation, *, position: int, now: datetime) -> None:
    """Money went back of a part that a person booked: only they know what they made."""
    number = build_invoice_payment_number(allocation, position=position, nth=1)
    booked = (
        Posting.objects.filter(payment_allocation=allocation, kind=Kind.INVOICE_PAYMENT, state="cancelled")
        .order_by("pk")
        .last()
    )
    if booked is None or booked.attempt is None:
        return
    attempt = booked.attempt
    attempt.payment = allocation.payment
    posting = create_posting(
        Kind.INVOICE_PAYMENT_REMOVAL, number, attempt, now=now, on=now, allocation=allocation, amount=allocation.amount
    )
    if posting.state == "pending":
        reason = "A person booked it by hand."
        posting.move_to("sent", now=now, by="books", reason=reason)
        posting.move_to("rejected", now=now, by="books", reason=reason, error=reason)
        create_manual_task(posting, remote_note=None, now=now)


def post_refund_from_credit(attempt: Attempt, refund: Refund, *, now: datetime) -> None:
    """Take a refund out of what was left as credit, where that is enough for it; else the parts become smaller."""
    note = CreditNote.objects.filter(attempt=attempt).exclude(state__in=("removed", "voided")).first()
    if note is None:
        return
    taken = Posting.objects.filter(attempt=attempt, kind=Kind.REFUND).exclude(state="cancelled")
    total = taken.exclude(refund=refund).aggregate(total=Sum("amount"))["total"] or 0
    if refund.amount <= note.amount - total:
        number = build_refund_number(refund)
        create_posting(Kind.REFUND, number, attempt, now=now, on=refund.created_at, refund=refund)
