"""What payments, bank debits, reversals and refunds promise to the books.

Every order here is idempotent and may come late or in any order: each looks, under the payment's lock, at what is so
now. A posting that nobody heard of yet is cancelled; one that may have arrived is undone by a posting of its own.
"""

from datetime import datetime
from functools import reduce
from operator import or_

from django.db import transaction
from django.db.models import Q

from accounting.desks import DESK_OF
from accounting.hand_tasks import close_task
from accounting.ledgers import has_drafts
from accounting.models import CreditMatch, CreditNote, Posting, Share
from accounting.numbers import invoice_number, note_number, payment_number, refund_number
from accounting.services import arm_drain
from merchants.models import Merchant
from payments.models import Attempt, Payment, Refund

Kind = Posting.Kind
Papers = dict[str, Posting]
UNHEARD = ("pending", "rejected")
HEARD = ("sent", "posted")
DRAFTING = (Kind.DRAFT_NOTE, Kind.APPROVAL, Kind.REMOVAL)
BY = "books"


def post_debit(attempt: Attempt, *, now: datetime) -> None:
    """Promise a draft credit note for a bank debit that was submitted and has not ended.

    Where the books have no drafts nothing is promised before the money has arrived.
    """
    with transaction.atomic(durable=True):
        payment, current = locked(attempt)
        if current.state == "processing" and has_drafts(payment.merchant):
            note = promise_note(payment, current, now=now)
            promise(Kind.DRAFT_NOTE, note.number, current, now=now, on=current.submitted_at or now)
            arm_drain(payment.merchant, now=now)


def post_payment(payment: Payment, *, now: datetime) -> None:
    """Promise the PF invoice, its payment into clearing and the approved PF_CR credit note. The same again is nothing.

    The documents belong to the attempt that succeeded; when that was reversed meanwhile, nothing is promised.
    """
    with transaction.atomic(durable=True):
        held = payment.lock()
        held.merchant = payment.merchant
        attempt = held.attempts.filter(state="succeeded").first()
        if attempt is not None:
            promise_documents(held, attempt, now=now)
            arm_drain(payment.merchant, now=now)


def drop_debit(attempt: Attempt, *, now: datetime) -> None:
    """Take back what was promised for a bank debit that failed."""
    with transaction.atomic(durable=True):
        payment, current = locked(attempt)
        if not current.is_live and current.state != "succeeded":
            unmake_note(current, now=now)
            arm_drain(payment.merchant, now=now)


def reverse_payment(attempt: Attempt, *, now: datetime) -> None:
    """Take the credit and the money of a reversed attempt out of the books; the PF invoice stays and is open again."""
    with transaction.atomic(durable=True):
        payment, current = locked(attempt)
        if current.state == "reversed":
            unmake_note(current, now=now)
            unmake_payment(payment, current, now=now)
            arm_drain(payment.merchant, now=now)


def post_refund(refund: Refund, *, now: datetime) -> None:
    """Promise that the credit note becomes smaller by a refund that succeeded."""
    with transaction.atomic(durable=True):
        payment, attempt = locked(refund.attempt)
        current = refund.lock()
        if current.state != "succeeded":
            return
        if attempt.state == "succeeded":
            promise_documents(payment, attempt, now=now)
        note = CreditNote.objects.filter(attempt=attempt).first()
        if note is None or note.state in ("removed", "voided"):
            return
        unmake_matches(attempt, now=now, reason="money went back")
        if Kind.REFUND not in papers(refund=current):
            promise(Kind.REFUND, refund_number(current), attempt, now=now, on=current.created_at, refund=current)
        arm_drain(payment.merchant, now=now)


def undo_refund(refund: Refund, *, now: datetime) -> None:
    """Take back what was promised for a refund that failed after all."""
    with transaction.atomic(durable=True):
        payment, attempt = locked(refund.attempt)
        current = refund.lock()
        made = papers(refund=current).get(Kind.REFUND)
        if current.state != "failed" or made is None:
            return
        if made.state in UNHEARD:
            cancel(made, now=now, reason="the refund failed")
        elif made.state in HEARD:
            promise(Kind.REFUND_REMOVAL, made.number, attempt, now=now, on=now, refund=current)
        arm_drain(payment.merchant, now=now)


def forgo_contacts(merchant: Merchant, *, organisation_id: str, now: datetime) -> None:
    """A company that somebody mapped meanwhile needs no contact of ours."""
    needless = Posting.objects.filter(
        merchant=merchant,
        kind=Kind.CONTACT,
        organisation_id=organisation_id,
        state__in=UNHEARD,
        company__organisation_id=organisation_id,
        company__contact_id__gt="",
    )
    with transaction.atomic(durable=True):
        for posting in needless.order_by("pk"):
            cancel(posting, now=now, reason="mapped by hand")


def forgo_drafts(merchant: Merchant, *, organisation_id: str, drafts: bool, now: datetime) -> None:
    """A draft in books that were left since is not pursued; where the books have no `drafts`, neither is a new one.

    A credit whose money has arrived is made anew, one whose debit failed is none.
    """
    waiting = Posting.objects.filter(merchant=merchant, kind__in=DRAFTING, state__in=UNHEARD)
    if drafts:
        waiting = waiting.filter(reduce(or_, (Q(DESK_OF[k].is_elsewhere(organisation_id), kind=k) for k in DRAFTING)))
    with transaction.atomic(durable=True):
        for posting in waiting.select_related("attempt__payment__merchant", "attempt__payment__company").order_by("pk"):
            if posting.attempt is None:
                continue
            payment, attempt = locked(posting.attempt)
            cancel(posting, now=now, reason="no drafts in these books")
            if posting.kind == Kind.APPROVAL:
                note = promise_note(payment, attempt, now=now)
                promise(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=payment.paid_at or now)
            elif posting.kind == Kind.REMOVAL:
                promise_note(payment, attempt, now=now).move_to("removed", now=now, by=BY, reason="left in other books")


# ---- steps of an open transaction, under the payment's lock -----------------------------------------


def locked(attempt: Attempt) -> tuple[Payment, Attempt]:
    """The payment and the attempt as they are now, locked in that order."""
    payment = attempt.payment.lock()
    payment.merchant, payment.company = attempt.payment.merchant, attempt.payment.company
    current = attempt.lock()
    current.payment = payment
    return payment, current


def papers(**of: Attempt | Refund | Payment) -> Papers:
    """The postings of something by kind, locked."""
    rows = Posting.objects.select_for_update(of=("self",)).filter(**of)
    return {p.kind: p for p in rows.order_by("pk")}


def promise(
    kind: str,
    number: str,
    attempt: Attempt,
    *,
    now: datetime,
    on: datetime,
    refund: Refund | None = None,
    share: Share | None = None,
    match: CreditMatch | None = None,
    amount: int | None = None,
) -> Posting:
    """The posting of that kind and number, made on first sight with the amount and the merchant's day.

    The amount is the refund's or the attempt's if none is given.
    """
    payment = attempt.payment
    posting, _ = Posting.objects.get_or_create(
        merchant=payment.merchant,
        kind=kind,
        number=number,
        defaults={
            "company": payment.company,
            "payment": payment,
            "attempt": attempt,
            "refund": refund,
            "share": share,
            "match": match,
            "amount": amount or (refund.amount if refund else attempt.amount),
            "on": on.astimezone(payment.merchant.zone).date(),
            "state": "pending",
            "state_at": now,
        },
    )
    return posting


def promise_note(payment: Payment, attempt: Attempt, *, now: datetime, amount: int | None = None) -> CreditNote:
    """The attempt's credit note, with the payment's next number; over the whole attempt if no amount is given."""
    note, _ = CreditNote.objects.get_or_create(
        attempt=attempt,
        defaults={
            "merchant": payment.merchant,
            "payment": payment,
            "number": note_number(payment, nth=payment.credit_notes.count() + 1),
            "amount": amount or attempt.amount,
            "currency": payment.currency,
            "state": "pending",
            "state_at": now,
        },
    )
    return note


def promise_documents(payment: Payment, attempt: Attempt, *, now: datetime) -> None:
    """Everything that the books need of a paid attempt."""
    attempt.payment = payment
    note = promise_note(payment, attempt, now=now)
    on = payment.paid_at or now
    promise_invoice(payment, attempt, note, on=on, now=now)
    mine = papers(attempt=attempt)
    draft = mine.get(Kind.DRAFT_NOTE)
    if Kind.APPROVAL in mine or (draft is not None and draft.state in HEARD):
        promise(Kind.APPROVAL, note.number, attempt, now=now, on=on)
    else:
        if draft is not None and draft.state in UNHEARD:
            cancel(draft, now=now, reason="settled before the draft was made")
        if note.state == "rejected":
            note.move_to("pending", now=now, by=BY)
        promise(Kind.CREDIT_NOTE, note.number, attempt, now=now, on=on)
    if Kind.PAYMENT not in mine:
        promise(Kind.PAYMENT, payment_number(payment, nth=nth_of(note)), attempt, now=now, on=on)


def nth_of(note: CreditNote) -> int:
    """Which of the payment's credit notes it is, counted from 1."""
    return CreditNote.objects.filter(payment=note.payment_id, pk__lte=note.pk).count()


def promise_invoice(payment: Payment, attempt: Attempt, note: CreditNote, *, on: datetime, now: datetime) -> None:
    """The PF invoice, over what this attempt paid: one that is there already gets the new amount."""
    made = payment.postings.filter(kind=Kind.INVOICE).first()
    invoice = made or promise(Kind.INVOICE, invoice_number(payment), attempt, now=now, on=on)
    changes = Posting.objects.filter(payment=payment, kind=Kind.INVOICE_CHANGE).exclude(state="cancelled")
    latest = changes.order_by("-pk").first() or invoice
    if invoice.state == "cancelled":
        invoice.move_to(
            "pending", now=now, by=BY, amount=attempt.amount, on=on.astimezone(payment.merchant.zone).date()
        )
    elif latest.amount == attempt.amount:
        return
    elif invoice.lock().state in UNHEARD:
        Posting.objects.filter(pk=invoice.pk).update(amount=attempt.amount)
    else:
        promise(Kind.INVOICE_CHANGE, payment_number(payment, nth=nth_of(note)), attempt, now=now, on=on)


def unmake_note(attempt: Attempt, *, now: datetime) -> None:
    """Let the attempt's credit note not be, or be no more."""
    note = CreditNote.objects.filter(attempt=attempt).first()
    mine = papers(attempt=attempt)
    if note is None or Kind.VOID in mine or Kind.REMOVAL in mine:
        return
    reason = f"the attempt {attempt.state}"
    unmake_matches(attempt, now=now, reason=reason, takes_off=True)
    for kind in (Kind.APPROVAL, Kind.CREDIT_NOTE, Kind.DRAFT_NOTE):
        made = mine.get(kind)
        if made is not None and made.state in HEARD:
            undo = Kind.REMOVAL if kind == Kind.DRAFT_NOTE else Kind.VOID
            promise(undo, note.number, attempt, now=now, on=now)
            return
        if made is not None and made.state in UNHEARD:
            cancel(made, now=now, reason=reason)
    note.move_to("removed", now=now, by=BY, reason=reason)
    for refund in Posting.objects.filter(attempt=attempt, kind=Kind.REFUND, state__in=UNHEARD).order_by("pk"):
        cancel(refund, now=now, reason=reason)


def unmake_matches(attempt: Attempt, *, now: datetime, reason: str, takes_off: bool = False) -> None:
    """Put the attempt's credit to no invoice that nobody heard of yet; `takes_off`: nor to those that have it."""
    matches = CreditMatch.objects.filter(note__attempt=attempt, state__in=("proposed", "wanted", "applied"))
    for match in matches.order_by("pk"):
        made = standing_allocation(match)
        if made is not None and made.state in HEARD:
            if takes_off:
                take_off(match, made, attempt, now=now, by=BY)
        elif match.state != "applied":
            if made is not None:
                cancel(made, now=now, reason=reason)
            match.move_to("withdrawn", now=now, by=BY, reason=reason)


def standing_allocation(match: CreditMatch) -> Posting | None:
    """The match's allocation that nobody cancelled or took off, locked; one that a person made is none of ours."""
    mine = Posting.objects.select_for_update(of=("self",)).filter(match=match).exclude(state="cancelled")
    rows = list(mine.order_by("-pk"))
    removed = {posting.number for posting in rows if posting.kind == Kind.ALLOCATION_REMOVAL}
    return next((p for p in rows if p.kind == Kind.ALLOCATION and p.number not in removed), None)


def take_off(match: CreditMatch, made: Posting, attempt: Attempt, *, now: datetime, by: str) -> None:
    """Promise that the credit comes off the invoice; whether it ever got there is found out on the way."""
    amount = made.amount
    promise(Kind.ALLOCATION_REMOVAL, made.number, attempt, now=now, on=now, match=match, amount=amount)
    if match.state == "applied":
        match.move_to("undoing", now=now, by=by)


def unmake_payment(payment: Payment, attempt: Attempt, *, now: datetime) -> None:
    """Let the attempt's money not be on the PF invoice; an invoice that nobody heard of is not made either."""
    made = papers(attempt=attempt).get(Kind.PAYMENT)
    if made is not None and made.state in UNHEARD:
        cancel(made, now=now, reason="reversed")
    elif made is not None and made.state in HEARD:
        promise(Kind.PAYMENT_REMOVAL, made.number, attempt, now=now, on=now)
    later = payment.postings.filter(kind=Kind.PAYMENT).exclude(state="cancelled")
    for invoice in payment.postings.filter(kind__in=(Kind.INVOICE, Kind.INVOICE_CHANGE), state__in=UNHEARD):
        if not later.exists():
            cancel(invoice, now=now, reason="reversed")


def cancel(posting: Posting, *, now: datetime, reason: str, by: str = BY) -> None:
    """Nobody needs it any more, and nobody has heard of it."""
    posting.move_to("cancelled", now=now, by=by, reason=reason, error="")
    close_task(posting, now=now)
