"""Credit matching: PF_CR credits of paid quotes are matched with the invoices that they were paid for.

Matching works on one company: first its matches are synced with the mirror, then open credits and invoices are scored,
and matches that are confident enough are approved at once. People approve, dismiss and revert matches; what they
decided is not proposed again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from accounting.credits.candidates import (
    InvoicesById,
    NotesById,
    get_amounts_in_ledger,
    get_applicable_amount,
    get_remaining_amount,
    is_read_since,
    list_credit_notes,
    list_open_credits,
    list_open_invoices,
)
from accounting.credits.scoring import MatchScore, score_matches
from accounting.invoices.services import lock_invoices
from accounting.models import CreditMatch, CreditNote, CreditSettings, LedgerInvoice, Posting
from accounting.posting.allocations import (
    create_allocation_removal,
    lock_live_allocation,
    lock_live_posting,
    retract_match,
)
from accounting.posting.services import (
    build_credit_allocation_number,
    cancel_posting,
    create_posting,
    schedule_matching,
    schedule_sending,
)
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payers.models import PayerCompany
from payments.models import Attempt
from wisepay.models import User
from wisepay.states import AdvisoryLock, lock_in_transaction

Kind = Posting.Kind
BY_RULE, BY_LEDGER = "rule", "books"
APPLIED_IN_LEDGER = "Somebody applied it in the accounting package."
DECIDED_STATES = ("wanted", "applied", "undoing", "dismissed", "undone")


class MatchChangeRefused(Exception):
    """The match cannot be changed like this now; the message says why."""


def get_threshold(merchant: Merchant) -> int | None:
    """The confidence from which on the merchant's credits are applied automatically; None: never."""
    settings = CreditSettings.objects.filter(merchant=merchant).first() or CreditSettings(merchant=merchant)
    return settings.threshold


def save_threshold(merchant: Merchant, *, threshold: int | None, now: datetime) -> None:
    """Save the confidence from which on credits are applied, and match again where proposals wait."""
    with transaction():
        CreditSettings.objects.update_or_create(merchant=merchant, defaults={"threshold": threshold})
        proposed = CreditMatch.objects.filter(merchant=merchant, state="proposed")
        for company_id in sorted(set(proposed.values_list("note__payment__company", flat=True))):
            schedule_matching(company_id, now=now)


def update_company_matches(company: PayerCompany, *, now: datetime) -> None:
    """Sync the company's matches with the mirror, and propose or apply new ones. Repeating it changes nothing."""
    with transaction():
        lock_in_transaction(AdvisoryLock.COMPANY_MATCHING, company.pk)
        sync_matches_with_mirror(company, now=now)
        notes, unused = list_open_credits(company)
        invoices, due = list_open_invoices(company, (credit.remaining.currency for credit in unused))
        scores = score_matches(unused, due)
        update_proposals(company, notes, invoices, scores, now=now)
        apply_confident_matches(company, scores, now=now)


def apply_match(match: CreditMatch, *, by: User, now: datetime) -> None:
    """Apply the credit to the invoice, as much of it as fits. Raises MatchChangeRefused."""
    with transaction():
        approve_match(match, by=by, now=now)


def apply_note(note: CreditNote, invoice: LedgerInvoice, *, by: User, now: datetime) -> CreditMatch:
    """Apply the credit to an invoice that a person chose, whether or not they were matched. Raises MatchChangeRefused.

    Both are of one payer company.
    """
    with transaction():
        lock_in_transaction(AdvisoryLock.COMPANY_MATCHING, note.payment.company_id)
        match = CreditMatch.objects.filter(note=note, invoice=invoice).first()
        if match is None:
            score = MatchScore(note.pk, invoice.pk, 100, (f"{by} chose it.",))
            state = {"state": "proposed", "state_at": now, "created_at": now}
            columns = build_match_columns(note, invoice, score)
            match = CreditMatch.objects.create(merchant=note.merchant, note=note, invoice=invoice, **state, **columns)
        return approve_match(match, by=by, now=now)


def dismiss_match(match: CreditMatch, *, by: User, now: datetime) -> None:
    """Dismiss the match: it is not proposed again. Raises MatchChangeRefused once its posting was sent."""
    with transaction():
        posting = lock_live_posting(match, Kind.ALLOCATION)
        current = match.lock()
        is_sent = posting is not None and posting.state not in Posting.NOT_IN_LEDGER_STATES
        if not current.can_move_to("dismissed") or (current.state == "wanted" and is_sent):
            raise MatchChangeRefused(
                "It is on its way to the accounting package, or there already. Undo it afterwards."
            )
        if posting is not None and not is_sent:
            cancel_posting(posting, now=now, reason="dismissed", by=by.email)
        current.move_locked_to("dismissed", now=now, by=by.email, decided_by=by)
        schedule_matching(get_company_id(match), now=now)


def revert_match(match: CreditMatch, *, by: User, now: datetime) -> None:
    """Remove the credit from the invoice; the match is not proposed again. Raises MatchChangeRefused."""
    with transaction():
        allocation = lock_live_allocation(match)
        current = match.lock()
        if current.state != "applied":
            raise MatchChangeRefused(f"It is {current.state}.")
        if allocation is None or allocation.state != "posted":
            raise MatchChangeRefused("Somebody applied it in the accounting package. Take it off there.")
        create_allocation_removal(current, allocation, get_attempt_for_note(match.note), now=now, by=by.email)
        CreditMatch.objects.filter(pk=match.pk).update(decided_by=by)
        schedule_sending(match.merchant, now=now)


@transaction_required
def approve_match(match: CreditMatch, *, by: User | None, now: datetime) -> CreditMatch:
    """Create the posting of the allocation, over what both sides have remaining. Raises MatchChangeRefused."""
    invoice = lock_invoices([match.invoice_id])[match.invoice_id]
    note = match.note.lock()
    current = match.lock()
    if not current.can_move_to("wanted"):
        raise MatchChangeRefused(f"It is {current.state} already.")
    amount = get_applicable_amount(note, invoice, apart_from=current)
    if amount <= 0:
        raise MatchChangeRefused("Nothing of the credit is left for it, or the invoice is not open any more.")
    by_name = by.email if by else BY_RULE
    current.move_locked_to("wanted", now=now, by=by_name, amount=amount, decided_by=by, synced_at=None)
    nth = Posting.objects.filter(match=match, kind=Kind.ALLOCATION).count() + 1
    attempt = get_attempt_for_note(note)
    number = build_credit_allocation_number(current, nth=nth)
    create_posting(Kind.ALLOCATION, number, attempt, now=now, on=now, match=current, amount=amount)
    schedule_sending(attempt.payment.merchant, now=now)
    return current


@transaction_required
def sync_matches_with_mirror(company: PayerCompany, *, now: datetime) -> None:
    """Bring every match to what the mirror shows of it, and record matches that people made in the ledger."""
    notes = {note.pk: note for note in list_credit_notes(company)}
    shown = get_amounts_in_ledger(list(notes.values())) if notes else {}
    matched = set()
    for match in CreditMatch.objects.filter(note__in=notes).select_related("invoice").order_by("pk"):
        match.note = notes[match.note_id]
        matched.add((match.note_id, match.invoice_id))
        amount, read_at = shown.get((match.note_id, match.invoice_id), (0, now))
        if amount:
            record_applied_in_ledger(match, amount, read_at=read_at, now=now)
        else:
            record_absent_from_ledger(match, now=now)
    for (note_id, invoice_id), (amount, _) in sorted(shown.items()):
        if (note_id, invoice_id) not in matched:
            record_manual_match(notes[note_id], invoice_id, amount, now=now)


@transaction_required
def record_applied_in_ledger(match: CreditMatch, amount: int, *, read_at: datetime, now: datetime) -> None:
    """Record that the mirror shows the credit on the invoice: by our posting, or by a person in the ledger."""
    if match.state == "undoing" or (match.state == "undone" and read_at <= match.state_at):
        return
    if match.state == "applied":
        CreditMatch.objects.filter(pk=match.pk, synced_at=None).update(synced_at=now)
        return
    posting = lock_live_allocation(match)
    if posting is not None and posting.state in Posting.NOT_IN_LEDGER_STATES:
        cancel_posting(posting, now=now, reason="applied in the books")
    elif posting is not None and match.state == "wanted":
        return
    columns = {
        "amount": amount,
        "confidence": 100,
        "reasons": [APPLIED_IN_LEDGER],
        "decided_by": None,
        "synced_at": now,
    }
    match.move_to("applied", now=now, by=BY_LEDGER, reason=APPLIED_IN_LEDGER, **columns)


@transaction_required
def record_absent_from_ledger(match: CreditMatch, *, now: datetime) -> None:
    """Record that the mirror does not show the credit on the invoice, if it was read since."""
    if match.state in ("applied", "undoing"):
        if match.synced_at is not None or is_read_since(match, match.invoice):
            removal = lock_live_posting(match, Kind.ALLOCATION_REMOVAL)
            if removal is not None and removal.state in Posting.NOT_IN_LEDGER_STATES:
                cancel_posting(removal, now=now, reason="taken off in the books")
            if removal is None or removal.state != "sent":
                match.move_to("undone", now=now, by=BY_LEDGER, reason="Taken off in the accounting package.")
    elif match.state == "wanted":
        retract_approved_match(match, now=now)
    elif match.state == "proposed" and not (match.invoice.is_payable and match.note.state == "approved"):
        retract_match(match, now=now, reason="the credit or the invoice is not open any more")


@transaction_required
def retract_approved_match(match: CreditMatch, *, now: datetime) -> None:
    """Retract an approved match that does not fit any more, unless its posting was sent or accepted."""
    posting = lock_live_posting(match, Kind.ALLOCATION)
    if posting is None:
        match.move_to("dismissed", now=now, by=BY_LEDGER, reason="A person says that it is settled.")
    elif posting.state in Posting.NOT_IN_LEDGER_STATES and match.amount > get_applicable_amount(
        match.note, match.invoice, apart_from=match
    ):
        cancel_posting(posting, now=now, reason="it does not fit any more")
        retract_match(match, now=now, reason="It does not fit any more.")


@transaction_required
def record_manual_match(note: CreditNote, invoice_id: int, amount: int, *, now: datetime) -> None:
    """Record that a person applied the credit to an invoice that it was not proposed for."""
    CreditMatch.objects.create(
        merchant=note.merchant,
        note=note,
        invoice_id=invoice_id,
        amount=amount,
        confidence=100,
        reasons=[APPLIED_IN_LEDGER],
        synced_at=now,
        state="applied",
        state_at=now,
        created_at=now,
    )


@transaction_required
def update_proposals(
    company: PayerCompany, notes: NotesById, invoices: InvoicesById, scores: Sequence[MatchScore], *, now: datetime
) -> None:
    """Create, refresh or retract the proposals that nobody has decided, by their scores."""
    rows = CreditMatch.objects.filter(note__payment__company=company).select_related("note", "invoice")
    unscored = {(match.note_id, match.invoice_id): match for match in rows}
    for score in scores:
        match = unscored.pop((score.credit, score.invoice), None)
        if match is None:
            create_match(notes[score.credit], invoices[score.invoice], score, now=now)
        elif match.state not in DECIDED_STATES:
            refresh_match(match, notes[score.credit], invoices[score.invoice], score, now=now)
    for match in unscored.values():
        if match.state == "proposed":
            retract_match(match, now=now, reason="Another one is likelier, or the rest is too small.")


def build_match_columns(note: CreditNote, invoice: LedgerInvoice, score: MatchScore) -> dict[str, Any]:
    """The columns of a score. The amount becomes exact when the match is approved."""
    amount = max(min(get_remaining_amount(note), invoice.due), 1)
    return {"amount": amount, "confidence": score.confidence, "reasons": list(score.reasons)}


@transaction_required
def create_match(note: CreditNote, invoice: LedgerInvoice, score: MatchScore, *, now: datetime) -> None:
    """Create a proposal, and notify the merchant's people if it waits for them."""
    state = {"state": "proposed", "state_at": now, "created_at": now}
    match = CreditMatch.objects.create(
        merchant=note.merchant, note=note, invoice=invoice, **state, **build_match_columns(note, invoice, score)
    )
    threshold = get_threshold(note.merchant)
    if threshold is None or score.confidence < threshold:
        notify_match_proposed(match, now=now)


@transaction_required
def refresh_match(
    match: CreditMatch, note: CreditNote, invoice: LedgerInvoice, score: MatchScore, *, now: datetime
) -> None:
    """Update a proposal to its present score, and reopen it if it was withdrawn."""
    changes = build_match_columns(note, invoice, score)
    if match.state == "withdrawn":
        match.move_to("proposed", now=now, by=BY_RULE, **changes)
    elif any(getattr(match, name) != value for name, value in changes.items()):
        CreditMatch.objects.filter(pk=match.pk).update(**changes)


def notify_match_proposed(match: CreditMatch, *, now: datetime) -> None:
    """Notify the merchant's people that a match waits for their decision."""
    notify_merchant(
        match.merchant,
        event=EventNotification.Event.BOOKS_TASK,
        key=f"credit:{match.pk}",
        title=f"Does credit {match.note} belong to invoice {match.invoice}?",
        body=f"{match.note.payment.purpose}: {match.money}. {' '.join(match.reasons)}",
        path=reverse("accounting:credits", args=[match.merchant.reference]),
        now=now,
    )


@transaction_required
def apply_confident_matches(company: PayerCompany, scores: Iterable[MatchScore], *, now: datetime) -> None:
    """Approve the proposals above the merchant's threshold, the most confident first, where something remains."""
    threshold = get_threshold(company.merchant)
    if threshold is None:
        return
    confident = {(score.credit, score.invoice) for score in scores if score.confidence >= threshold}
    rows = CreditMatch.objects.filter(note__payment__company=company, state="proposed")
    for match in rows.select_related("note", "invoice", "merchant").order_by("-confidence", "note", "invoice"):
        if (match.note_id, match.invoice_id) in confident:
            try:
                approve_match(match, by=None, now=now)
            except MatchChangeRefused:
                continue


def get_attempt_for_note(note: CreditNote) -> Attempt:
    """The attempt that left the credit, with its payment, merchant and company."""
    return Attempt.objects.select_related("payment__merchant", "payment__company").get(pk=note.attempt_id)


def get_company_id(match: CreditMatch) -> int:
    """The payer company's key."""
    return match.note.payment.company_id
