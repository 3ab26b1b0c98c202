"""Create, record and remove the allocations of credit notes to invoices."""

from datetime import datetime

from django_subatomic.db import transaction_required

from accounting.models import CreditMatch, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.services import ACTOR, cancel_posting, create_posting
from accounting.refetch_requests import schedule_refetch
from payments.models import Attempt


@transaction_required
def lock_live_posting(match: CreditMatch, kind: str) -> Posting | None:
    """The newest posting of that kind that was not cancelled, locked."""
    rows = Posting.objects.select_for_update(of=("self",)).filter(match=match, kind=kind)
    return rows.exclude(state="cancelled").order_by("-pk").first()


@transaction_required
def record_allocation(posting: Posting, match: CreditMatch, *, now: datetime) -> None:
    """The ledger allocated the credit to the invoice; if it is to be removed again, that is under way."""
    current = match.lock()
    if current.can_move_to("applied"):
        current.move_locked_to("applied", now=now, by=ACTOR, reason=posting.number, amount=posting.amount)
    removal = Posting.objects.filter(match=match, kind=Kind.ALLOCATION_REMOVAL, number=posting.number)
    if current.state == "applied" and removal.exclude(state="cancelled").exists():
        current.move_locked_to("undoing", now=now, by=ACTOR)
    schedule_match_refetch(match, now=now)


@transaction_required
def record_allocation_removal(posting: Posting, match: CreditMatch, *, now: datetime) -> None:
    """The ledger removed the allocation of the credit."""
    current = match.lock()
    if current.can_move_to("undone"):
        current.move_locked_to("undone", now=now, by=ACTOR, reason=posting.number)
    schedule_match_refetch(match, now=now)


@transaction_required
def retract_match(match: CreditMatch, *, now: datetime, reason: str) -> bool:
    """Withdraw a match without a person's decision; it may be proposed again. Answers whether it was."""
    current = match.lock()
    return current.can_move_to("withdrawn") and current.move_locked_to("withdrawn", now=now, by=ACTOR, reason=reason)


@transaction_required
def schedule_match_refetch(match: CreditMatch, *, now: datetime) -> None:
    """Have the mirror read the invoice and the credit at once, so that nobody pays what a credit has just paid."""
    invoice, note = match.invoice, match.note
    named = [("invoices", invoice.ledger_id), ("credits", note.ledger_id)]
    schedule_refetch(match.merchant_id, ((invoice.organisation_id, kind, key) for kind, key in named), now=now)


@transaction_required
def retract_matches(attempt: Attempt, *, now: datetime, reason: str, remove_applied: bool = False) -> None:
    """Withdraw the matches of the attempt's credit that were not sent; with `remove_applied` undo the others too."""
    matches = CreditMatch.objects.filter(note__attempt=attempt, state__in=("proposed", "wanted", "applied"))
    for match in matches.order_by("pk"):
        posting = lock_live_allocation(match)
        if posting is not None and posting.state in Posting.MAYBE_IN_LEDGER_STATES:
            if remove_applied:
                create_allocation_removal(match, posting, attempt, now=now, by=ACTOR)
        elif match.state != "applied":
            if posting is not None:
                cancel_posting(posting, now=now, reason=reason)
            match.move_to("withdrawn", now=now, by=ACTOR, reason=reason)


@transaction_required
def lock_live_allocation(match: CreditMatch) -> Posting | None:
    """The match's allocation that was neither cancelled nor removed, locked; one that a person made is not ours."""
    postings = Posting.objects.select_for_update(of=("self",)).filter(match=match).exclude(state="cancelled")
    rows = list(postings.order_by("-pk"))
    removed = {posting.number for posting in rows if posting.kind == Kind.ALLOCATION_REMOVAL}
    return next((p for p in rows if p.kind == Kind.ALLOCATION and p.number not in removed), None)


@transaction_required
def create_allocation_removal(
    match: CreditMatch, posting: Posting, attempt: Attempt, *, now: datetime, by: str
) -> None:
    """Create the posting that takes the credit off the invoice, whether or not it has arrived there."""
    amount = posting.amount
    create_posting(Kind.ALLOCATION_REMOVAL, posting.number, attempt, now=now, on=now, match=match, amount=amount)
    if match.state == "applied":
        match.move_to("undoing", now=now, by=by)
