"""Apply the ledger's answer to a posting: posted, rejected, or not found."""

from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction_required

from accounting.ledger_session import get_guide, has_contacts_by_currency
from accounting.ledgers.protocol import RemoteCreditNote, WriteResult
from accounting.models import CreditNote, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.allocations import (
    record_allocation,
    record_allocation_removal,
    retract_match,
    schedule_match_refetch,
)
from accounting.posting.contact_needs import CHOOSE_CONTACT
from accounting.posting.kinds import get_kind
from accounting.posting.ledger_orders import get_posting_match
from accounting.posting.manual_tasks import create_manual_task, needs_manual_task
from accounting.posting.services import cancel_posting, close_manual_task, create_posting, schedule_matching_if_needed
from accounting.reconciliation.manual_results import list_contact_ids
from accounting.refetch_requests import schedule_refetch
from connections.models import Connection
from merchants.models import EventNotification
from merchants.services import notify_merchant
from payers.companies import CompanyTaken, Contact, map_company
from wisepay import outbox

UNREADABLE_RESULT = (
    "It was sent, and what {package} says of it cannot be read. It is looked for again every 15 minutes, and whenever "
    "you press Retry. If it stays, open it in {package}, and correct or delete it there. What cannot be read:"
)


@transaction_required
def record_posted(posting: Posting, *, ledger_id: str, connection: Connection, now: datetime) -> None:
    """The posting was carried out: what it creates is in the ledger under `ledger_id`."""
    if posting.kind == Kind.CONTACT:
        try:
            contact = Contact(connection.organisation_id, ledger_id, get_contact_currency(posting))
            map_company(posting.company, contact=contact, actor=get_guide(posting.merchant).package)
        except CompanyTaken as error:
            record_rejected(posting, refusal=f"{error} {CHOOSE_CONTACT}", remote_note=None, now=now)
            return
    if not posting.move_to("posted", now=now, by=connection.provider, ledger_id=ledger_id, error=""):
        return
    close_manual_task(posting, now=now)
    kind = get_kind(posting)
    if kind.credit_note_state:
        update_credit_note_state(posting, kind.credit_note_state, ledger_id=ledger_id, connection=connection, now=now)
        schedule_matching_if_needed(posting.company_id, now=now)
    if kind.traits.credit_sign:
        update_remaining_credit(posting, now=now)
    if kind.name == Kind.ALLOCATION:
        record_allocation(posting, get_posting_match(posting), now=now)
    elif kind.name == Kind.ALLOCATION_REMOVAL:
        record_allocation_removal(posting, get_posting_match(posting), now=now)


@transaction_required
def update_credit_note_state(
    posting: Posting, state: str, *, ledger_id: str, connection: Connection, now: datetime
) -> None:
    """Move the credit note to that state, unless it was read from the ledger in that state before."""
    note = lock_credit_note(posting)
    remaining = {"draft": None, "approved": note.amount}.get(state, 0)
    where = {"ledger_id": ledger_id, "organisation_id": connection.organisation_id}
    if note.can_move_to(state):
        note.move_locked_to(state, now=now, by=connection.provider, remaining=remaining, read_at=now, **where)
    elif not note.ledger_id:
        CreditNote.objects.filter(pk=note.pk).update(**where)


@transaction_required
def update_remaining_credit(posting: Posting, *, now: datetime) -> None:
    """Take a refund or an allocation off the remaining credit, or give its removal back; at nought it is applied."""
    note = lock_credit_note(posting)
    before = note.amount if note.remaining is None else note.remaining
    after = before + get_kind(posting).traits.credit_sign * (posting.amount or 0)
    remaining = min(max(after, 0), note.amount)
    CreditNote.objects.filter(pk=note.pk).update(remaining=remaining, read_at=now)
    state = "approved" if remaining else "applied"
    if note.can_move_to(state):
        note.move_locked_to(state, now=now, by="books", reason=posting.number)
    schedule_matching_if_needed(posting.company_id, now=now)


@transaction_required
def lock_credit_note(posting: Posting) -> CreditNote:
    """The posting's credit note, locked."""
    return CreditNote.objects.get(attempt=posting.attempt_id).lock()


def explain_unreadable_result(posting: Posting, result: WriteResult) -> str:
    """Say for people that what the ledger says of a posting cannot be read, and the way out."""
    package = get_guide(posting.merchant).package
    return f"{UNREADABLE_RESULT.format(package=package)} {result.unreadable or 'its answer.'}"


@transaction_required
def record_not_found(posting: Posting, *, now: datetime) -> None:
    """The posting is certainly not in the ledger: it waits again, or is cancelled if it was to be undone anyway."""
    posting.move_to("pending", now=now, by="drain", reason="not sent")
    cancel_if_reversed(posting, now=now)


@transaction_required
def record_rejected(posting: Posting, *, refusal: str, remote_note: RemoteCreditNote | None, now: datetime) -> None:
    """The ledger refused the posting: open a task where only a person can clear that, else notify the merchant."""
    posting.move_to("rejected", now=now, by="ledger", reason=refusal, error=refusal[:500])
    if cancel_if_reversed(posting, now=now) or void_approved_draft(posting, remote_note, now=now):
        return
    kind = get_kind(posting)
    if is_about_reference(refusal):
        schedule_reference_check(posting, now=now)
    if kind.traits.subject == "match":
        schedule_match_refetch(get_posting_match(posting), now=now)
    if kind.creates_credit_note and (note := lock_credit_note(posting)).can_move_to("rejected"):
        note.move_locked_to("rejected", now=now, by="ledger", reason=refusal)
    if needs_manual_task(posting, remote_note, refusal=refusal):
        create_manual_task(posting, remote_note=remote_note, now=now)
    else:
        notify_rejection(posting, refusal=refusal, now=now)


def get_contact_currency(posting: Posting) -> str:
    """The one currency of a posting's contact; empty where contacts take every currency."""
    return posting.currency if has_contacts_by_currency(posting.merchant) else ""


def is_about_reference(refusal: str) -> bool:
    """Whether the ledger refused because something stands no more that the document names."""
    return any(word in refusal.lower() for word in ("archived", "inactive", "deleted", "could not be found"))


@transaction_required
def schedule_reference_check(posting: Posting, *, now: datetime) -> None:
    """Have workers look whether the contact and the chosen accounts still stand."""
    company, merchant_id = posting.company, posting.merchant_id
    if ids := list_contact_ids(company):
        schedule_refetch(merchant_id, [(company.organisation_id, "contacts", key) for key in ids], now=now)
    outbox.schedule(f"lists:{merchant_id}", "accounting.import_lists", now=now, merchant_id=merchant_id)


@transaction_required
def notify_rejection(posting: Posting, *, refusal: str, now: datetime) -> None:
    """Notify the merchant's people of a refusal that is retried as it is."""
    what = get_guide(posting.merchant).name_documents(posting.get_kind_display())
    notify_merchant(
        posting.merchant,
        event=EventNotification.Event.POSTING_REFUSED,
        key=f"refused:{posting.pk}:{now.isoformat()}",
        title=f"{what} was refused by the accounting package",
        body=f"{posting.number} for {posting.company}: {refusal}",
        path=reverse("accounting:postings", args=[posting.merchant.reference]),
        now=now,
    )


@transaction_required
def cancel_if_reversed(posting: Posting, *, now: datetime) -> bool:
    """Cancel a posting that is not in the ledger together with the one that waits to undo it; answers whether."""
    kind = get_kind(posting)
    undoing = find_waiting_undo(posting)
    if undoing is None or undoing.attempt is None:
        return False
    for row in (posting, undoing):
        cancel_posting(row, now=now, reason="not wanted any more")
    if kind.creates_credit_note:
        lock_credit_note(posting).move_locked_to("removed", now=now, by="books", reason="not wanted any more")
    elif kind.name == Kind.APPROVAL:
        create_posting(Kind.REMOVAL, posting.number, undoing.attempt, now=now, on=now)
    elif kind.name == Kind.ALLOCATION:
        retract_match(get_posting_match(posting), now=now, reason="not wanted any more")
    return True


def find_waiting_undo(posting: Posting) -> Posting | None:
    """The posting that would undo this one, if it is not in the ledger yet."""
    undone_by = get_kind(posting).traits.undone_by
    if undone_by is None:
        return None
    rows = Posting.objects.filter(
        kind=undone_by,
        number=posting.number,
        attempt=posting.attempt_id,
        refund=posting.refund_id,
        payment_allocation=posting.payment_allocation_id,
        match=posting.match_id,
        state__in=Posting.NOT_IN_LEDGER_STATES,
    )
    return rows.select_related("attempt__payment__merchant", "attempt__payment__company").first()


@transaction_required
def void_approved_draft(posting: Posting, remote_note: RemoteCreditNote | None, *, now: datetime) -> bool:
    """Void a draft that cannot be deleted because somebody approved it in the ledger; answers whether."""
    if posting.kind != Kind.REMOVAL or remote_note is None or remote_note.status not in ("approved", "applied"):
        return False
    attempt = posting.attempt
    if attempt is None:
        return False
    cancel_posting(posting, now=now, reason="approved in the books")
    create_posting(Kind.VOID, posting.number, attempt, now=now, on=now)
    return True
