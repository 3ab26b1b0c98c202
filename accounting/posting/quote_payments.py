"""What payments, bank debits, reversals and refunds promise to the books.

Every order here is idempotent and may come late or in any order: each looks, under the payment's lock, at what is so
now. A posting that nobody heard of yet is cancelled; one that may have arrived is undone by a posting of its own.
"""

from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Q
from django_subatomic.db import transaction

from accounting.ledger_session import has_drafts
from accounting.models import CreditNote, Posting
from accounting.posting.allocations import retract_matches
from accounting.posting.kinds import POSTING_KIND_BY_VALUE
from accounting.posting.numbers import (
    build_invoice_number,
    build_payment_number,
    build_refund_number,
)
from accounting.posting.queueing import (
    ACTOR,
    MAYBE_IN_LEDGER,
    NOT_IN_LEDGER,
    Kind,
    cancel_posting,
    create_credit_note,
    create_posting,
    lock_payment_and_attempt,
    lock_postings_by_kind,
)
from accounting.posting.services import schedule_sending
from merchants.models import Merchant
from payments.models import Attempt, Payment, Refund

DRAFT_KINDS = (Kind.DRAFT_NOTE, Kind.APPROVAL, Kind.REMOVAL)


def post_quote_debit(attempt: Attempt, *, now: datetime) -> None:
    """Promise a draft credit note for a bank debit that was submitted and has not ended.

    Where the books have no drafts nothing is promised before the money has arrived.
    """
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        if current.state == "processing" and has_drafts(payment.merchant):
            note = create_credit_note(payment, current, now=now)
            create_posting(Kind.DRAFT_NOTE, note.number, current, now=now, on=current.submitted_at or now)
            schedule_sending(payment.merchant, now=now)


def post_quote_payment(payment: Payment, *, now: datetime) -> None:
    """Promise the PF invoice, its payment into clearing and the approved PF_CR credit note. The same again is nothing.

    The documents belong to the attempt that succeeded; when that was reversed meanwhile, nothing is promised.
    """
    with transaction():
        held = payment.lock()
        held.merchant = payment.merchant
        attempt = held.attempts.filter(state="succeeded").first()
        if attempt is not None:
            create_document_postings(held, attempt, now=now)
            schedule_sending(payment.merchant, now=now)


def cancel_debit_postings(attempt: Attempt, *, now: datetime) -> None:
    """Take back what was promised for a bank debit that failed."""
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        if not current.is_live and current.state != "succeeded":
            void_credit_note(current, now=now)
            schedule_sending(payment.merchant, now=now)


def reverse_quote_payment(attempt: Attempt, *, now: datetime) -> None:
    """Take the credit and the money of a reversed attempt out of the books; the PF invoice stays and is open again."""
    with transaction():
        payment, current = lock_payment_and_attempt(attempt)
        if current.state == "reversed":
            void_credit_note(current, now=now)
            remove_ledger_payment(payment, current, now=now)
            schedule_sending(payment.merchant, now=now)


def post_quote_refund(refund: Refund, *, now: datetime) -> None:
    """Promise that the credit note becomes smaller by a refund that succeeded."""
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
    """Take back what was promised for a refund that failed after all."""
    with transaction():
        payment, attempt = lock_payment_and_attempt(refund.attempt)
        current = refund.lock()
        made = lock_postings_by_kind(refund=current).get(Kind.REFUND)
        if current.state != "failed" or made is None:
            return
        if made.state in NOT_IN_LEDGER:
            cancel_posting(made, now=now, reason="the refund failed")
        elif made.state in MAYBE_IN_LEDGER:
            create_posting(Kind.REFUND_REMOVAL, made.number, attempt, now=now, on=now, refund=current)
        schedule_sending(payment.merchant, now=now)


def cancel_contact_postings(merchant: Merchant, *, organisation_id: str, now: datetime) -> None:
    """A company that somebody mapped meanwhile needs no contact of ours."""
    needless = Posting.objects.filter(
        merchant=merchant,
        kind=Kind.CONTACT,
        organisation_id=organisation_id,
        state__in=NOT_IN_LEDGER,
        company__organisation_id=organisation_id,
        company__contact_id__gt="",
    )
    with transaction():
        for posting in needless.order_by("pk"):
            cancel_posting(posting, now=now, reason="mapped by hand")


def cancel_draft_postings(merchant: Merchant, *, organisation_id: str, supports_drafts: bool, now: datetime) -> None:
    """A draft in books that were left since is not pursued; where the books have no `drafts`, neither is a new one.

    A credit whose money has arrived is made anew, one whose debit failed is none.
    """
    waiting = Posting.objects.filter(merchant=merchant, kind__in=DRAFT_KINDS, state__in=NOT_IN_LEDGER)
    if supports_drafts:
        waiting = waiting.filter(
            reduce(
                or_,
                (Q(POSTING_KIND_BY_VALUE[k].is_in_other_organisation(organisation_id), kind=k) for k in DRAFT_KINDS),
            )
        )
    with transaction():
        for posting in waiting.select_related("attempt__payment__merchant", "attempt__payment__company").order_by("pk"):
            if posting.attempt is None:
                continue
            payment, attempt = lock_payment_and_attempt(posting.attempt)
            cancel_posting(posting, now=now, reason="no drafts in these books")
            if posting.kind == Kind.APPROVAL:
                note = create_credit_note(payment, attempt, now=now)
                create_posting(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=payment.paid_at or now)
            elif posting.kind == Kind.REMOVAL:
                create_credit_note(payment, attempt, now=now).move_to(
                    "removed", now=now, by=ACTOR, reason="left in other books"
                )


# ---- steps of an open transaction, under the payment's lock -----------------------------------------


def create_document_postings(payment: Payment, attempt: Attempt, *, now: datetime) -> None:
    """Everything that the books need of a paid attempt."""
    attempt.payment = payment
    note = create_credit_note(payment, attempt, now=now)
    on = payment.paid_at or now
    create_invoice_posting(payment, attempt, note, on=on, now=now)
    mine = lock_postings_by_kind(attempt=attempt)
    draft = mine.get(Kind.DRAFT_NOTE)
    if Kind.APPROVAL in mine or (draft is not None and draft.state in MAYBE_IN_LEDGER):
        create_posting(Kind.APPROVAL, note.number, attempt, now=now, on=on)
    else:
        if draft is not None and draft.state in NOT_IN_LEDGER:
            cancel_posting(draft, now=now, reason="settled before the draft was made")
        if note.state == "rejected":
            note.move_to("pending", now=now, by=ACTOR)
        create_posting(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=on)
    if Kind.PAYMENT not in mine:
        create_posting(
            Kind.PAYMENT, build_payment_number(payment, nth=get_credit_note_ordinal(note)), attempt, now=now, on=on
        )


def get_credit_note_ordinal(note: CreditNote) -> int:
    """Which of the payment's credit notes it is, counted from 1."""
    return CreditNote.objects.filter(payment=note.payment_id, pk__lte=note.pk).count()


def create_invoice_posting(
    payment: Payment, attempt: Attempt, note: CreditNote, *, on: datetime, now: datetime
) -> None:
    """The PF invoice, over what this attempt paid: one that is there already gets the new amount."""
    made = payment.postings.filter(kind=Kind.INVOICE).first()
    invoice = made or create_posting(Kind.INVOICE, build_invoice_number(payment), attempt, now=now, on=on)
    changes = Posting.objects.filter(payment=payment, kind=Kind.INVOICE_CHANGE).exclude(state="cancelled")
    latest = changes.order_by("-pk").first() or invoice
    if invoice.state == "cancelled":
        invoice.move_to(
            "pending", now=now, by=ACTOR, amount=attempt.amount, on=on.astimezone(payment.merchant.zone).date()
        )
    elif latest.amount == attempt.amount:
        return
    elif invoice.lock().state in NOT_IN_LEDGER:
        Posting.objects.filter(pk=invoice.pk).update(amount=attempt.amount)
    else:
        create_posting(
            Kind.INVOICE_CHANGE,
            build_payment_number(payment, nth=get_credit_note_ordinal(note)),
            attempt,
            now=now,
            on=on,
        )


def void_credit_note(attempt: Attempt, *, now: datetime) -> None:
    """Let the attempt's credit note not be, or be no more."""
    note = CreditNote.objects.filter(attempt=attempt).first()
    mine = lock_postings_by_kind(attempt=attempt)
    if note is None or Kind.VOID in mine or Kind.REMOVAL in mine:
        return
    reason = f"the attempt {attempt.state}"
    retract_matches(attempt, now=now, reason=reason, remove_applied=True)
    for kind in (Kind.APPROVAL, Kind.CREDIT_NOTE, Kind.DRAFT_NOTE):
        made = mine.get(kind)
        if made is not None and made.state in MAYBE_IN_LEDGER:
            undo = Kind.REMOVAL if kind == Kind.DRAFT_NOTE else Kind.VOID
            create_posting(undo, note.number, attempt, now=now, on=now)
            return
        if made is not None and made.state in NOT_IN_LEDGER:
            cancel_posting(made, now=now, reason=reason)
    note.move_to("removed", now=now, by=ACTOR, reason=reason)
    for refund in Posting.objects.filter(attempt=attempt, kind=Kind.REFUND, state__in=NOT_IN_LEDGER).order_by("pk"):
        cancel_posting(refund, now=now, reason=reason)


def remove_ledger_payment(payment: Payment, attempt: Attempt, *, now: datetime) -> None:
    """Let the attempt's money not be on the PF invoice; an invoice that nobody heard of is not made either."""
    made = lock_postings_by_kind(attempt=attempt).get(Kind.PAYMENT)
    if made is not None and made.state in NOT_IN_LEDGER:
        cancel_posting(made, now=now, reason="reversed")
    elif made is not None and made.state in MAYBE_IN_LEDGER:
        create_posting(Kind.PAYMENT_REMOVAL, made.number, attempt, now=now, on=now)
    later = payment.postings.filter(kind=Kind.PAYMENT).exclude(state="cancelled")
    for invoice in payment.postings.filter(kind__in=(Kind.INVOICE, Kind.INVOICE_CHANGE), state__in=NOT_IN_LEDGER):
        if not later.exists():
            cancel_posting(invoice, now=now, reason="reversed")
