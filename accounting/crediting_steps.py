"""Steps of open transactions about credits and their invoices: what a posting's outcome means, who looks again."""

from datetime import datetime

from django.db.models import Q

from accounting.mirror_orders import read_soon
from accounting.models import CreditMatch, LedgerInvoice, Posting
from wisepay import outbox

Kind = Posting.Kind
UNHEARD = ("pending", "rejected")
BY = "books"


def arm_matching(company_id: int, *, now: datetime) -> None:
    """Let a worker see which invoices of the company its credits belong to."""
    outbox.arm(f"match:{company_id}", "accounting.match_credits", now=now, company_id=company_id)


def wake_matching(company_id: int, *, now: datetime) -> None:
    """The same, if there is anything to see."""
    owed = LedgerInvoice.objects.filter(Q(company=company_id), status=LedgerInvoice.Status.OPEN, due__gt=0)
    if owed.exists() or CreditMatch.objects.filter(note__payment__company=company_id).exists():
        arm_matching(company_id, now=now)


def live_posting(match: CreditMatch, kind: str) -> Posting | None:
    """The newest posting of that kind that was not cancelled, locked."""
    rows = Posting.objects.select_for_update(of=("self",)).filter(match=match, kind=kind)
    return rows.exclude(state="cancelled").order_by("-pk").first()


def record_allocation(posting: Posting, match: CreditMatch, *, now: datetime) -> None:
    """The books put the credit to the invoice; what was to be taken off again meanwhile is on its way."""
    current = match.lock()
    if current.may_become("applied"):
        current.advance("applied", now=now, by=BY, reason=posting.number, amount=posting.amount)
    removal = Posting.objects.filter(match=match, kind=Kind.ALLOCATION_REMOVAL, number=posting.number)
    if current.state == "applied" and removal.exclude(state="cancelled").exists():
        current.advance("undoing", now=now, by=BY)
    hear_again(match, now=now)


def record_removal(posting: Posting, match: CreditMatch, *, now: datetime) -> None:
    """The credit is off the invoice."""
    current = match.lock()
    if current.may_become("undone"):
        current.advance("undone", now=now, by=BY, reason=posting.number)
    hear_again(match, now=now)


def withdraw(match: CreditMatch, *, now: datetime, reason: str) -> bool:
    """It is not so any more, without a person's word; the same may come up again."""
    current = match.lock()
    return current.may_become("withdrawn") and current.advance("withdrawn", now=now, by=BY, reason=reason)


def hear_again(match: CreditMatch, *, now: datetime) -> None:
    """Let the mirror read the invoice and the credit at once: nobody shall pay what a credit has just paid."""
    invoice, note = match.invoice, match.note
    named = [("invoices", invoice.ledger_id), ("credits", note.ledger_id)]
    read_soon(match.merchant_id, ((invoice.organisation_id, kind, key) for kind, key in named), now=now)
