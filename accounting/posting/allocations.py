"""Create, record and remove the allocations of credit notes to invoices."""

from datetime import datetime

from django.db.models import Q

from accounting.models import CreditMatch, LedgerInvoice, Posting
from accounting.posting.queueing import ACTOR, MAYBE_IN_LEDGER, Kind, cancel_posting, create_posting
from accounting.refetch_requests import schedule_refetch
from payments.models import Attempt
from wisepay import outbox


def schedule_matching(company_id: int, *, now: datetime) -> None:
    """Let a worker see which invoices of the company its credits belong to."""
    outbox.schedule(f"match:{company_id}", "accounting.match_credits", now=now, company_id=company_id)


def schedule_matching_if_needed(company_id: int, *, now: datetime) -> None:
    """The same, if there is anything to see."""
    owed = LedgerInvoice.objects.filter(Q(company=company_id), status=LedgerInvoice.InvoiceStatus.OPEN, due__gt=0)
    if owed.exists() or CreditMatch.objects.filter(note__payment__company=company_id).exists():
        schedule_matching(company_id, now=now)


def lock_live_posting(match: CreditMatch, kind: str) -> Posting | None:
    """The newest posting of that kind that was not cancelled, locked."""
    rows = Posting.objects.select_for_update(of=("self",)).filter(match=match, kind=kind)
    return rows.exclude(state="cancelled").order_by("-pk").first()


def record_allocation(posting: Posting, match: CreditMatch, *, now: datetime) -> None:
    """The books put the credit to the invoice; what was to be taken off again meanwhile is on its way."""
    current = match.lock()
    if current.can_move_to("applied"):
        current.move_locked_to("applied", now=now, by=ACTOR, reason=posting.number, amount=posting.amount)
    removal = Posting.objects.filter(match=match, kind=Kind.ALLOCATION_REMOVAL, number=posting.number)
    if current.state == "applied" and removal.exclude(state="cancelled").exists():
        current.move_locked_to("undoing", now=now, by=ACTOR)
    schedule_match_refetch(match, now=now)


def record_allocation_removal(posting: Posting, match: CreditMatch, *, now: datetime) -> None:
    """The credit is off the invoice."""
    current = match.lock()
    if current.can_move_to("undone"):
        current.move_locked_to("undone", now=now, by=ACTOR, reason=posting.number)
    schedule_match_refetch(match, now=now)


def retract_match(match: CreditMatch, *, now: datetime, reason: str) -> bool:
    """It is not so any more, without a person's word; the same may come up again."""
    current = match.lock()
    return current.can_move_to("withdrawn") and current.move_locked_to("withdrawn", now=now, by=ACTOR, reason=reason)


def schedule_match_refetch(match: CreditMatch, *, now: datetime) -> None:
    """Let the mirror read the invoice and the credit at once: nobody shall pay what a credit has just paid."""
    invoice, note = match.invoice, match.note
    named = [("invoices", invoice.ledger_id), ("credits", note.ledger_id)]
    schedule_refetch(match.merchant_id, ((invoice.organisation_id, kind, key) for kind, key in named), now=now)


def retract_matches(attempt: Attempt, *, now: datetime, reason: str, remove_applied: bool = False) -> None:
    """Put the attempt's credit to no invoice that nobody heard of yet; `takes_off`: nor to those that have it."""
    matches = CreditMatch.objects.filter(note__attempt=attempt, state__in=("proposed", "wanted", "applied"))
    for match in matches.order_by("pk"):
        made = lock_live_allocation(match)
        if made is not None and made.state in MAYBE_IN_LEDGER:
            if remove_applied:
                create_allocation_removal(match, made, attempt, now=now, by=ACTOR)
        elif match.state != "applied":
            if made is not None:
                cancel_posting(made, now=now, reason=reason)
            match.move_to("withdrawn", now=now, by=ACTOR, reason=reason)


def lock_live_allocation(match: CreditMatch) -> Posting | None:
    """The match's allocation that nobody cancelled or took off, locked; one that a person made is none of ours."""
    mine = Posting.objects.select_for_update(of=("self",)).filter(match=match).exclude(state="cancelled")
    rows = list(mine.order_by("-pk"))
    removed = {posting.number for posting in rows if posting.kind == Kind.ALLOCATION_REMOVAL}
    return next((p for p in rows if p.kind == Kind.ALLOCATION and p.number not in removed), None)


def create_allocation_removal(
    match: CreditMatch, posting: Posting, attempt: Attempt, *, now: datetime, by: str
) -> None:
    """Promise that the credit comes off the invoice; whether it ever got there is found out on the way."""
    amount = posting.amount
    create_posting(Kind.ALLOCATION_REMOVAL, posting.number, attempt, now=now, on=now, match=match, amount=amount)
    if match.state == "applied":
        match.move_to("undoing", now=now, by=by)
