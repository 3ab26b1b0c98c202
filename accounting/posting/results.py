"""What follows when the books took or refused a posting, or never heard of it. Steps of an open transaction."""

from datetime import datetime

from django.urls import reverse

from accounting.ledgers.protocol import RemoteCreditNote
from accounting.models import CreditNote, Posting
from accounting.posting.allocations import (
    record_allocation,
    record_allocation_removal,
    retract_match,
    schedule_match_refetch,
    schedule_matching_if_needed,
)
from accounting.posting.kinds import POSTING_KIND_BY_VALUE
from accounting.posting.manual_tasks import close_manual_task, create_manual_task, needs_manual_task
from accounting.posting.orders import get_posting_match
from accounting.posting.queueing import NOT_IN_LEDGER, cancel_posting, create_posting
from connections.models import Connection
from merchants.models import EventNotification
from merchants.services import notify_merchant
from payers.companies import CompanyTaken, Contact, map_company

Kind = Posting.Kind
REVERSED_BY = {
    Kind.DRAFT_NOTE: Kind.REMOVAL,
    Kind.CREDIT_NOTE: Kind.VOID,
    Kind.APPROVAL: Kind.VOID,
    Kind.PAYMENT: Kind.PAYMENT_REMOVAL,
    Kind.REFUND: Kind.REFUND_REMOVAL,
    Kind.INVOICE_PAYMENT: Kind.INVOICE_PAYMENT_REMOVAL,
    Kind.ALLOCATION: Kind.ALLOCATION_REMOVAL,
}
CREDIT_REDUCING_KINDS = (Kind.REFUND, Kind.ALLOCATION)
CHOOSE_CONTACT = "Choose a contact for this company under Payer Admin, Unmapped."
ALLOCATION_KINDS = (Kind.ALLOCATION, Kind.ALLOCATION_REMOVAL)


def record_posted(posting: Posting, *, ledger_id: str, connection: Connection, now: datetime) -> None:
    """The books hold it under `ledger_id`, or hold no more what it undoes."""
    if posting.kind == Kind.CONTACT:
        try:
            map_company(posting.company, contact=Contact(connection.organisation_id, ledger_id))
        except CompanyTaken as error:
            record_rejected(posting, refusal=f"{error} {CHOOSE_CONTACT}", remote_note=None, now=now)
            return
    if not posting.move_to("posted", now=now, by=connection.provider, ledger_id=ledger_id, error=""):
        return
    close_manual_task(posting, now=now)
    if posting.kind in (Kind.REFUND, Kind.REFUND_REMOVAL):
        update_remaining_credit(posting, now=now)
    elif posting.kind in ALLOCATION_KINDS:
        update_remaining_credit(posting, now=now)
        record = record_allocation if posting.kind == Kind.ALLOCATION else record_allocation_removal
        record(posting, get_posting_match(posting), now=now)
    elif becomes := POSTING_KIND_BY_VALUE[posting.kind].credit_note_state:
        update_credit_note_state(posting, becomes, ledger_id=ledger_id, connection=connection, now=now)
        schedule_matching_if_needed(posting.company_id, now=now)


def update_credit_note_state(
    posting: Posting, state: str, *, ledger_id: str, connection: Connection, now: datetime
) -> None:
    """The credit note is now in that state, unless a look at the books was quicker."""
    note = lock_credit_note(posting)
    left = {"draft": None, "approved": note.amount}.get(state, 0)
    found = {"ledger_id": ledger_id, "organisation_id": connection.organisation_id}
    if note.can_move_to(state):
        note.move_locked_to(state, now=now, by=connection.provider, remaining=left, read_at=now, **found)
    elif not note.ledger_id:
        CreditNote.objects.filter(pk=note.pk).update(**found)


def update_remaining_credit(posting: Posting, *, now: datetime) -> None:
    """Refunds and allocations take of the credit, their removals give back; with nothing left it is applied."""
    note = lock_credit_note(posting)
    change = posting.amount or 0
    before = note.amount if note.remaining is None else note.remaining
    left = before - change if posting.kind in CREDIT_REDUCING_KINDS else before + change
    left = min(max(left, 0), note.amount)
    CreditNote.objects.filter(pk=note.pk).update(remaining=left, read_at=now)
    state = "approved" if left else "applied"
    if note.can_move_to(state):
        note.move_locked_to(state, now=now, by="books", reason=posting.number)
    schedule_matching_if_needed(posting.company_id, now=now)


def lock_credit_note(posting: Posting) -> CreditNote:
    """The posting's credit note, locked."""
    return CreditNote.objects.get(attempt=posting.attempt_id).lock()


def record_not_found(posting: Posting, *, now: datetime) -> None:
    """The books certainly do not hold it: it waits again, or is forgotten when it was to be undone anyway."""
    posting.move_to("pending", now=now, by="drain", reason="not sent")
    cancel_if_reversed(posting, now=now)


def record_rejected(posting: Posting, *, refusal: str, remote_note: RemoteCreditNote | None, now: datetime) -> None:
    """The books refused it: it waits for a person, who is told once what to do."""
    posting.move_to("rejected", now=now, by="ledger", reason=refusal, error=refusal[:500])
    if cancel_if_reversed(posting, now=now) or void_approved_draft(posting, remote_note, now=now):
        return
    if posting.kind in ALLOCATION_KINDS:
        schedule_match_refetch(get_posting_match(posting), now=now)
    if POSTING_KIND_BY_VALUE[posting.kind].creates_credit_note and (note := lock_credit_note(posting)).can_move_to(
        "rejected"
    ):
        note.move_locked_to("rejected", now=now, by="ledger", reason=refusal)
    if needs_manual_task(posting, remote_note, refusal=refusal):
        create_manual_task(posting, remote_note=remote_note, now=now)
    else:
        notify_rejection(posting, refusal=refusal, now=now)


def notify_rejection(posting: Posting, *, refusal: str, now: datetime) -> None:
    """Notify the merchant's people of a refusal that is retried as it is."""
    notify_merchant(
        posting.merchant,
        event=EventNotification.Event.POSTING_REFUSED,
        key=f"refused:{posting.pk}:{now.isoformat()}",
        title=f"{posting.get_kind_display()} was refused by the accounting package",
        body=f"{posting.number} for {posting.company}: {refusal}",
        path=reverse("accounting:postings", args=[posting.merchant.reference]),
        now=now,
    )


def cancel_if_reversed(posting: Posting, *, now: datetime) -> bool:
    """Forget a posting that is not in the books and that a later one would undo, together with that one."""
    kind = REVERSED_BY.get(Kind(posting.kind))
    of = {name: getattr(posting, name) for name in ("attempt", "refund", "payment_allocation", "match", "number")}
    rows = Posting.objects.filter(**of, kind=kind, state__in=NOT_IN_LEDGER)
    undoing = rows.select_related("attempt__payment__merchant", "attempt__payment__company").first()
    if kind is None or undoing is None or undoing.attempt is None:
        return False
    for one in (posting, undoing):
        cancel_posting(one, now=now, reason="not wanted any more")
    if POSTING_KIND_BY_VALUE[posting.kind].creates_credit_note:
        lock_credit_note(posting).move_locked_to("removed", now=now, by="books", reason="not wanted any more")
    elif posting.kind == Kind.APPROVAL:
        create_posting(Kind.REMOVAL, posting.number, undoing.attempt, now=now, on=now)
    elif posting.kind == Kind.ALLOCATION:
        retract_match(get_posting_match(posting), now=now, reason="not wanted any more")
    return True


def void_approved_draft(posting: Posting, remote_note: RemoteCreditNote | None, *, now: datetime) -> bool:
    """Void a draft that cannot be deleted because somebody approved it in the books meanwhile."""
    if posting.kind != Kind.REMOVAL or remote_note is None or remote_note.status not in ("approved", "applied"):
        return False
    attempt = posting.attempt
    if attempt is None:
        return False
    cancel_posting(posting, now=now, reason="approved in the books")
    create_posting(Kind.VOID, posting.number, attempt, now=now, on=now)
    return True
