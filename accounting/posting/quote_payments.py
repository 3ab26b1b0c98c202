"""Create the postings of payments by quote, and of their bank debits, reversals and refunds.

Every function here is idempotent and may be called late or in any order: each reads, under the payment's lock, what
is so now. A posting that was not sent is cancelled; one that may be in the ledger is undone by another posting.
"""

from datetime import datetime

from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import has_drafts
from accounting.models import CreditNote, Posting
from accounting.models.posting_kinds import PF_INVOICE_KINDS, Kind
from accounting.posting.allocations import retract_matches
from accounting.posting.credit_notes import void_credit_note
from accounting.posting.services import (
    ACTOR,
    build_invoice_number,
    build_payment_number,
    build_refund_number,
    cancel_posting,
    create_credit_note,
    create_posting,
    lock_payment_and_attempt,
    lock_postings_by_kind,
    schedule_sending,
)
from payments.models import Attempt, Payment, Refund


def post_quote_debit(attempt: Attempt, *, now: datetime) -> None:
    """Create the draft credit note of a bank debit that was submitted and has not ended.

    For a ledger without drafts nothing is created before the debit has settled.
    """
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        if current.state == "processing" and has_drafts(payment.merchant):
            note = create_credit_note(payment, current, now=now)
            create_posting(Kind.DRAFT_NOTE, note.number, current, now=now, on=current.submitted_at or now)
            schedule_sending(payment.merchant, now=now)


def post_quote_payment(payment: Payment, *, now: datetime) -> None:
    """Create the postings of the PF invoice, its payment into clearing and the approved PF_CR credit note, once.

    The documents belong to the attempt that succeeded; if that was reversed meanwhile, nothing is created.
    """
    with transaction():
        locked = payment.lock()
        locked.merchant = payment.merchant
        attempt = locked.attempts.filter(state="succeeded").first()
        if attempt is not None:
            create_document_postings(locked, attempt, now=now)
            schedule_sending(payment.merchant, now=now)


def cancel_debit_postings(attempt: Attempt, *, now: datetime) -> None:
    """Cancel or undo the postings of a bank debit that failed."""
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        if not current.is_live and current.state != "succeeded":
            void_credit_note(current, now=now)
            schedule_sending(payment.merchant, now=now)


def reverse_quote_payment(attempt: Attempt, *, now: datetime) -> None:
    """Void a reversed attempt's credit note and remove its payment; the PF invoice stays and is open again."""
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        if current.state == "reversed":
            void_credit_note(current, now=now)
            remove_ledger_payment(payment, current, now=now)
            schedule_sending(payment.merchant, now=now)


def post_quote_refund(refund: Refund, *, now: datetime) -> None:
    """Create the posting of a refund that succeeded, out of the attempt's credit note."""
    with transaction():
        payment, attempt = lock_payment_and_attempt(refund.attempt)
        current = refund.lock()
        if current.state != "succeeded":
            return
        if attempt.state == "succeeded":
            create_document_postings(payment, attempt, now=now)
        note = CreditNote.objects.filter(attempt=attempt).first()
        if note is None or note.state in ("removed", "voided"):
            return
        retract_matches(attempt, now=now, reason="money went back")
        if Kind.REFUND not in lock_postings_by_kind(refund=current):
            create_posting(
                Kind.REFUND, build_refund_number(current), attempt, now=now, on=current.created_at, refund=current
            )
        schedule_sending(payment.merchant, now=now)


def reverse_refund(refund: Refund, *, now: datetime) -> None:
    """Cancel or undo the posting of a refund that failed after all."""
    with transaction():
        payment, attempt = lock_payment_and_attempt(refund.attempt)
        current = refund.lock()
        posting = lock_postings_by_kind(refund=current).get(Kind.REFUND)
        if current.state != "failed" or posting is None:
            return
        if posting.state in Posting.NOT_IN_LEDGER_STATES:
            cancel_posting(posting, now=now, reason="the refund failed")
        elif posting.state in Posting.MAYBE_IN_LEDGER_STATES:
            create_posting(Kind.REFUND_REMOVAL, posting.number, attempt, now=now, on=now, refund=current)
        schedule_sending(payment.merchant, now=now)


@transaction_required
def create_document_postings(payment: Payment, attempt: Attempt, *, now: datetime) -> None:
    """Create everything that the ledger needs of a paid attempt, under the payment's lock."""
    attempt.payment = payment
    note = create_credit_note(payment, attempt, now=now)
    on = payment.paid_at or now
    create_invoice_posting(payment, attempt, note, on=on, now=now)
    postings = lock_postings_by_kind(attempt=attempt)
    draft = postings.get(Kind.DRAFT_NOTE)
    if Kind.APPROVAL in postings or (draft is not None and draft.state in Posting.MAYBE_IN_LEDGER_STATES):
        create_posting(Kind.APPROVAL, note.number, attempt, now=now, on=on)
    else:
        if draft is not None and draft.state in Posting.NOT_IN_LEDGER_STATES:
            cancel_posting(draft, now=now, reason="settled before the draft was made")
        if note.state == "rejected":
            note.move_to("pending", now=now, by=ACTOR)
        create_posting(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=on)
    if Kind.PAYMENT not in postings:
        create_posting(
            Kind.PAYMENT, build_payment_number(payment, nth=get_credit_note_ordinal(note)), attempt, now=now, on=on
        )


def get_credit_note_ordinal(note: CreditNote) -> int:
    """Which of the payment's credit notes this is, counted from 1."""
    return CreditNote.objects.filter(payment=note.payment_id, pk__lte=note.pk).count()


@transaction_required
def create_invoice_posting(
    payment: Payment, attempt: Attempt, note: CreditNote, *, on: datetime, now: datetime
) -> None:
    """Create the PF invoice over what this attempt paid; one that is there already gets the new amount."""
    existing = payment.postings.filter(kind=Kind.INVOICE).first()
    invoice = existing or create_posting(Kind.INVOICE, build_invoice_number(payment), attempt, now=now, on=on)
    changes = Posting.objects.filter(payment=payment, kind=Kind.INVOICE_CHANGE).exclude(state="cancelled")
    latest = changes.order_by("-pk").first() or invoice
    if invoice.state == "cancelled":
        invoice.move_to(
            "pending", now=now, by=ACTOR, amount=attempt.amount, on=on.astimezone(payment.merchant.zone).date()
        )
    elif latest.amount == attempt.amount:
        return
    elif invoice.lock().state in Posting.NOT_IN_LEDGER_STATES:
        Posting.objects.filter(pk=invoice.pk).update(amount=attempt.amount)
    else:
        create_posting(
            Kind.INVOICE_CHANGE,
            build_payment_number(payment, nth=get_credit_note_ordinal(note)),
            attempt,
            now=now,
            on=on,
        )


@transaction_required
def remove_ledger_payment(payment: Payment, attempt: Attempt, *, now: datetime) -> None:
    """Remove the attempt's payment from the PF invoice, and cancel what of both was never sent."""
    posting = lock_postings_by_kind(attempt=attempt).get(Kind.PAYMENT)
    if posting is not None and posting.state in Posting.NOT_IN_LEDGER_STATES:
        cancel_posting(posting, now=now, reason="reversed")
    elif posting is not None and posting.state in Posting.MAYBE_IN_LEDGER_STATES:
        create_posting(Kind.PAYMENT_REMOVAL, posting.number, attempt, now=now, on=now)
    later = payment.postings.filter(kind=Kind.PAYMENT).exclude(state="cancelled")
    for invoice in payment.postings.filter(kind__in=PF_INVOICE_KINDS, state__in=Posting.NOT_IN_LEDGER_STATES):
        if not later.exists():
            cancel_posting(invoice, now=now, reason="reversed")
