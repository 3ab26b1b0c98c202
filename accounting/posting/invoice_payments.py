"""Create the postings of payments of invoices: each part once, over what remains of it after refunds.

The ledger is brought to what is so now, in whatever order events come: a payment there cannot be changed, so one over
another amount is removed and created anew under the next number. For a bank debit nothing is created before it
settles.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Sum
from django_subatomic.db import transaction, transaction_required

from accounting.models import CreditNote, PaymentAllocation, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.credit_notes import void_credit_note
from accounting.posting.manual_tasks import create_manual_task
from accounting.posting.quote_payments import remove_ledger_payment
from accounting.posting.services import (
    build_invoice_payment_number,
    build_refund_number,
    cancel_posting,
    create_posting,
    lock_payment_and_attempt,
    schedule_sending,
)
from payments.models import Attempt, Payment, Refund


def post_invoice_payment(payment: Payment, *, now: datetime) -> None:
    """Create the posting of each invoice's part of a paid payment, once."""
    with transaction():
        sync_payment_allocations(lock_payment_with_company(payment), now=now)
        schedule_sending(payment.merchant, now=now)


def reverse_invoice_payment(attempt: Attempt, *, now: datetime) -> None:
    """Remove a reversed attempt's payments from its invoices, and void what was left of it as credit."""
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        sync_payment_allocations(payment, now=now)
        if current.state == "reversed":
            void_credit_note(current, now=now)
            remove_ledger_payment(payment, current, now=now)
        schedule_sending(payment.merchant, now=now)


def post_invoice_refund(refund: Refund, *, now: datetime) -> None:
    """Reduce the payments of the invoices, or what was left as credit, by a refund that succeeded."""
    with transaction():
        payment, attempt = lock_payment_and_attempt(refund.attempt)
        current = refund.lock()
        if current.state == "succeeded" and attempt.state == "succeeded":
            post_refund_from_credit(attempt, current, now=now)
        sync_payment_allocations(payment, now=now)
        schedule_sending(payment.merchant, now=now)


@transaction_required
def lock_payment_with_company(payment: Payment) -> Payment:
    """The payment, locked, with the merchant and the company that were read before."""
    locked = payment.lock()
    locked.merchant, locked.company = payment.merchant, payment.company
    return locked


@transaction_required
def sync_payment_allocations(payment: Payment, *, now: datetime) -> None:
    """Bring every part of a payment to what it should be in the ledger, under the payment's lock."""
    allocations = list(payment.allocations.select_related("invoice").order_by("pk"))
    attempt = payment.attempts.filter(state="succeeded").first()
    if attempt is not None:
        attempt.payment = payment
    targets = get_target_amounts(allocations, attempt)
    for position, allocation in enumerate(allocations, 1):
        allocation.payment = payment
        if allocation.outcome == PaymentAllocation.Outcome.INVOICE:
            sync_payment_allocation(allocation, targets[allocation.pk], attempt, position=position, now=now)
        elif allocation.outcome == PaymentAllocation.Outcome.BY_HAND and targets[allocation.pk] != allocation.amount:
            create_removal_task(allocation, position=position, now=now)


def get_target_amounts(allocations: Sequence[PaymentAllocation], attempt: Attempt | None) -> dict[int, int]:
    """What each part should be in the ledger, in minor units by its key; refunds reduce the last parts first.

    What was left as credit is not reduced by them.
    """
    if attempt is None:
        return {allocation.pk: 0 for allocation in allocations}
    refunded = get_refunded_amount(attempt)
    targets: dict[int, int] = {}
    for allocation in reversed(allocations):
        taken = 0 if allocation.outcome == PaymentAllocation.Outcome.CREDIT else min(refunded, allocation.amount)
        targets[allocation.pk] = allocation.amount - taken
        refunded -= taken
    return targets


def get_refunded_amount(attempt: Attempt) -> int:
    """Minor units that were refunded of an attempt, without what was refunded out of a credit."""
    rows = Refund.objects.filter(attempt=attempt, state="succeeded").exclude(postings__kind=Kind.REFUND)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


@transaction_required
def sync_payment_allocation(
    allocation: PaymentAllocation, target: int, attempt: Attempt | None, *, position: int, now: datetime
) -> None:
    """Bring one part to `target` minor units in the ledger."""
    postings = list(
        Posting.objects.select_for_update(of=("self",)).filter(payment_allocation=allocation).order_by("pk")
    )
    versions = [posting for posting in postings if posting.kind == Kind.INVOICE_PAYMENT]
    current = find_live_invoice_payment(postings)
    if current is not None and not (attempt and target == current.amount and current.attempt_id == attempt.pk):
        remove_invoice_payment(current, allocation, now=now)
        current = None
    if current is None and target and attempt is not None:
        number = build_invoice_payment_number(allocation, position=position, nth=len(versions) + 1)
        on = allocation.payment.paid_at or now
        create_posting(Kind.INVOICE_PAYMENT, number, attempt, now=now, on=on, allocation=allocation, amount=target)


def find_live_invoice_payment(postings: Sequence[Posting]) -> Posting | None:
    """The part's payment that is, or is to be, in the ledger."""
    removed = {p.number for p in postings if p.kind == Kind.INVOICE_PAYMENT_REMOVAL and p.state != "cancelled"}
    payments = [p for p in postings if p.kind == Kind.INVOICE_PAYMENT and p.state != "cancelled"]
    return next((p for p in reversed(payments) if p.number not in removed), None)


@transaction_required
def remove_invoice_payment(posting: Posting, allocation: PaymentAllocation, *, now: datetime) -> None:
    """Remove a payment of an invoice, or cancel its posting if it was never sent."""
    if posting.state in Posting.NOT_IN_LEDGER_STATES:
        cancel_posting(posting, now=now, reason="it is to be another amount, or none")
    elif posting.state in Posting.MAYBE_IN_LEDGER_STATES and posting.attempt is not None:
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


@transaction_required
def create_removal_task(allocation: PaymentAllocation, *, position: int, now: datetime) -> None:
    """Open a task to remove a payment that a person booked by hand, after a refund of it."""
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


@transaction_required
def post_refund_from_credit(attempt: Attempt, refund: Refund, *, now: datetime) -> None:
    """Create the posting of a refund out of what was left as credit, if enough of that remains."""
    note = CreditNote.objects.filter(attempt=attempt).exclude(state__in=("removed", "voided")).first()
    if note is None:
        return
    refunds = Posting.objects.filter(attempt=attempt, kind=Kind.REFUND).exclude(state="cancelled")
    total = refunds.exclude(refund=refund).aggregate(total=Sum("amount"))["total"] or 0
    if refund.amount <= note.amount - total:
        number = build_refund_number(refund)
        create_posting(Kind.REFUND, number, attempt, now=now, on=refund.created_at, refund=refund)
