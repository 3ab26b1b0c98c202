"""What follows when the books took or refused a posting, or never heard of it. Steps of an open transaction."""

from datetime import datetime

from django.urls import reverse

from accounting.crediting_steps import hear_again, record_allocation, record_removal, wake_matching, withdraw
from accounting.desks import DESK_OF, match_of
from accounting.hand_tasks import close_task, needs_hand, open_task
from accounting.ledgers.words import NoteFacts
from accounting.models import CreditNote, Posting
from accounting.promises import UNHEARD, cancel, promise
from connections.models import Connection
from merchants.models import EventNotification
from merchants.services import notify_merchant
from payers.companies import CompanyTaken, Contact, map_company

Kind = Posting.Kind
UNDONE_BY = {
    Kind.DRAFT_NOTE: Kind.REMOVAL,
    Kind.CREDIT_NOTE: Kind.VOID,
    Kind.APPROVAL: Kind.VOID,
    Kind.PAYMENT: Kind.PAYMENT_REMOVAL,
    Kind.REFUND: Kind.REFUND_REMOVAL,
    Kind.INVOICE_PAYMENT: Kind.INVOICE_PAYMENT_REMOVAL,
    Kind.ALLOCATION: Kind.ALLOCATION_REMOVAL,
}
TAKES = (Kind.REFUND, Kind.ALLOCATION)
MAP_IT = "Choose a contact for this company under Payer Admin, Unmapped."
ALLOCATIONS = (Kind.ALLOCATION, Kind.ALLOCATION_REMOVAL)


def record_posted(posting: Posting, *, ledger_id: str, connection: Connection, now: datetime) -> None:
    """The books hold it under `ledger_id`, or hold no more what it undoes."""
    if posting.kind == Kind.CONTACT:
        try:
            map_company(posting.company, contact=Contact(connection.organisation_id, ledger_id))
        except CompanyTaken as error:
            record_refused(posting, refusal=f"{error} {MAP_IT}", facts=None, now=now)
            return
    if not posting.move_to("posted", now=now, by=connection.provider, ledger_id=ledger_id, error=""):
        return
    close_task(posting, now=now)
    if posting.kind in (Kind.REFUND, Kind.REFUND_REMOVAL):
        use_credit(posting, now=now)
    elif posting.kind in ALLOCATIONS:
        use_credit(posting, now=now)
        record = record_allocation if posting.kind == Kind.ALLOCATION else record_removal
        record(posting, match_of(posting), now=now)
    elif becomes := DESK_OF[posting.kind].becomes:
        move_note(posting, becomes, ledger_id=ledger_id, connection=connection, now=now)
        wake_matching(posting.company_id, now=now)


def move_note(posting: Posting, state: str, *, ledger_id: str, connection: Connection, now: datetime) -> None:
    """The credit note is now in that state, unless a look at the books was quicker."""
    note = held_note(posting)
    left = {"draft": None, "approved": note.amount}.get(state, 0)
    found = {"ledger_id": ledger_id, "organisation_id": connection.organisation_id}
    if note.may_become(state):
        note.advance(state, now=now, by=connection.provider, remaining=left, read_at=now, **found)
    elif not note.ledger_id:
        CreditNote.objects.filter(pk=note.pk).update(**found)


def use_credit(posting: Posting, *, now: datetime) -> None:
    """Refunds and allocations take of the credit, their removals give back; with nothing left it is applied."""
    note = held_note(posting)
    change = posting.amount or 0
    before = note.amount if note.remaining is None else note.remaining
    left = before - change if posting.kind in TAKES else before + change
    left = min(max(left, 0), note.amount)
    CreditNote.objects.filter(pk=note.pk).update(remaining=left, read_at=now)
    state = "approved" if left else "applied"
    if note.may_become(state):
        note.advance(state, now=now, by="books", reason=posting.number)
    wake_matching(posting.company_id, now=now)


def held_note(posting: Posting) -> CreditNote:
    """The posting's credit note, locked."""
    return CreditNote.objects.get(attempt=posting.attempt_id).lock()


def record_not_there(posting: Posting, *, now: datetime) -> None:
    """The books certainly do not hold it: it waits again, or is forgotten when it was to be undone anyway."""
    posting.move_to("pending", now=now, by="drain", reason="not sent")
    forgo_unwanted(posting, now=now)


def record_refused(posting: Posting, *, refusal: str, facts: NoteFacts | None, now: datetime) -> None:
    """The books refused it: it waits for a person, who is told once what to do."""
    posting.move_to("rejected", now=now, by="ledger", reason=refusal, error=refusal[:500])
    if forgo_unwanted(posting, now=now) or void_instead(posting, facts, now=now):
        return
    if posting.kind in ALLOCATIONS:
        hear_again(match_of(posting), now=now)
    if DESK_OF[posting.kind].makes_note and (note := held_note(posting)).may_become("rejected"):
        note.advance("rejected", now=now, by="ledger", reason=refusal)
    if needs_hand(posting, facts, refusal=refusal):
        open_task(posting, facts=facts, now=now)
    else:
        tell_refusal(posting, refusal=refusal, now=now)


def tell_refusal(posting: Posting, *, refusal: str, now: datetime) -> None:
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


def forgo_unwanted(posting: Posting, *, now: datetime) -> bool:
    """Forget a posting that is not in the books and that a later one would undo, together with that one."""
    kind = UNDONE_BY.get(Kind(posting.kind))
    of = {name: getattr(posting, name) for name in ("attempt", "refund", "share", "match", "number")}
    rows = Posting.objects.filter(**of, kind=kind, state__in=UNHEARD)
    undoing = rows.select_related("attempt__payment__merchant", "attempt__payment__company").first()
    if kind is None or undoing is None or undoing.attempt is None:
        return False
    for one in (posting, undoing):
        cancel(one, now=now, reason="not wanted any more")
    if DESK_OF[posting.kind].makes_note:
        held_note(posting).advance("removed", now=now, by="books", reason="not wanted any more")
    elif posting.kind == Kind.APPROVAL:
        promise(Kind.REMOVAL, posting.number, undoing.attempt, now=now, on=now)
    elif posting.kind == Kind.ALLOCATION:
        withdraw(match_of(posting), now=now, reason="not wanted any more")
    return True


def void_instead(posting: Posting, facts: NoteFacts | None, *, now: datetime) -> bool:
    """Void a draft that cannot be deleted because somebody approved it in the books meanwhile."""
    if posting.kind != Kind.REMOVAL or facts is None or facts.status not in ("approved", "applied"):
        return False
    attempt = posting.attempt
    if attempt is None:
        return False
    cancel(posting, now=now, reason="approved in the books")
    promise(Kind.VOID, posting.number, attempt, now=now, on=now)
    return True
