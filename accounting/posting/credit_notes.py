"""Void credit notes, sync them with what the ledger says of them, and retry tasks that people did there."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import open_ledger_session
from accounting.ledgers.protocol import RemoteCreditNote
from accounting.models import CreditNote, ManualTask, Posting
from accounting.models.posting_kinds import KIND_TRAITS, Kind
from accounting.posting.allocations import retract_matches
from accounting.posting.kinds import KIND_BY_NAME
from accounting.posting.manual_tasks import list_open_tasks, retry_task_posting
from accounting.posting.services import ACTOR, cancel_posting, create_posting, lock_postings_by_kind, schedule_sending
from connections.availability import get_connection
from connections.models import Tier
from merchants.models import Merchant
from payments.models import Attempt
from wisepay.errors import Disconnected, retry_refusals


@transaction_required
def sync_credit_note_states(
    merchant: Merchant, remote_notes: Iterable[RemoteCreditNote], *, asked_at: datetime, now: datetime
) -> None:
    """Record what remains of our credit notes, where the rest went, and their state in the ledger.

    What was recorded after `asked_at` is newer and stays.
    """
    by_number: dict[str, list[RemoteCreditNote]] = {}
    for each in remote_notes:
        by_number.setdefault(each.number, []).append(each)
    notes = CreditNote.objects.select_for_update(of=("self",)).filter(merchant=merchant, number__in=by_number)
    for note in notes.order_by("pk"):
        is_newer = note.read_at is None or note.read_at <= asked_at
        ours = [each for each in by_number[note.number] if is_own_note(note, each)]
        if is_newer and ours:
            update_credit_note(note, ours[0], now=now)


def is_own_note(note: CreditNote, remote_note: RemoteCreditNote) -> bool:
    """Whether a note in the ledger is ours: another's may have the same number."""
    is_same_amount = (
        remote_note.total == note.money or remote_note.status == "voided"
    )  # some ledgers empty what is void
    return remote_note.status != "unknown" and note.ledger_id == remote_note.id and is_same_amount


def choose_own_notes(merchant: Merchant, remote_notes: Iterable[RemoteCreditNote]) -> dict[str, RemoteCreditNote]:
    """The notes by number; of several with the same number the one that is ours."""
    found: dict[str, RemoteCreditNote] = {}
    notes = list(remote_notes)
    is_ambiguous = len({note.number for note in notes}) < len(notes)
    rows = CreditNote.objects.filter(merchant=merchant, number__in={note.number for note in notes})
    ids = set(rows.values_list("ledger_id", flat=True)) if is_ambiguous else set()
    for note in sorted(notes, key=lambda note: note.id in ids):
        found[note.number] = note
    return found


def update_credit_note(note: CreditNote, remote_note: RemoteCreditNote, *, now: datetime) -> None:
    """Record one locked note's remaining credit and allocations, and move it to its state there if ours allows that."""
    used = [{"invoice": a.invoice, "amount": a.amount.amount, "on": a.on.isoformat()} for a in remote_note.allocations]
    CreditNote.objects.filter(pk=note.pk).update(remaining=remote_note.remaining.amount, allocations=used, read_at=now)
    for state in dict.fromkeys(("approved", remote_note.status) if note.state == "draft" else (remote_note.status,)):
        if note.can_move_to(state) and is_step_towards(state, remote_note.status):
            note.move_locked_to(state, now=now, by="ledger", reason="seen in the books")


@transaction_required
def record_deleted_credit_notes(
    merchant: Merchant, organisation_id: str, ledger_ids: Iterable[str], *, now: datetime
) -> None:
    """Somebody deleted these credit notes in that organisation's ledger: they are voided."""
    notes = CreditNote.objects.select_for_update(of=("self",)).filter(merchant=merchant, ledger_id__in=ledger_ids)
    for note in notes.filter(organisation_id=organisation_id).order_by("pk"):
        if note.can_move_to("voided"):
            note.move_locked_to("voided", now=now, by="ledger", reason="deleted in the books", remaining=0, read_at=now)


def is_step_towards(state: str, target: str) -> bool:
    """Whether a note may become `state` on its way to `target`: a draft is approved before it is used or voided."""
    return state == target or (state == "approved" and target in ("applied", "voided"))


def sync_manual_tasks(merchant: Merchant, *, now: datetime) -> int:
    """Read what the tasks are about, and retry those that people did; answers how many are open.

    Raises Unavailable or Retry; a refusal is no answer and is asked again. While the connection is broken nothing is
    read.
    """
    tasks = list(list_rejected_tasks(merchant).select_related("posting__attempt__credit_note", "posting__payment"))
    if not tasks:
        return 0
    numbers = sorted({number for task in tasks if (number := get_credit_note_number(task))})
    try:
        connection = get_connection(merchant, tier=Tier.COMPANY)
        with open_ledger_session(connection, priority="company", now=now) as ledger, retry_refusals():
            size = ledger.batch_size
            found = [
                note
                for i in range(0, len(numbers), size)
                for note in ledger.read_credit_notes_by_number(numbers[i : i + size])
            ]
    except Disconnected:
        return len(tasks)
    with transaction():
        sync_credit_note_states(merchant, found, asked_at=now, now=now)
        retry_cleared_tasks(merchant, choose_own_notes(merchant, found), now=now)
    return list_rejected_tasks(merchant).count()


def list_rejected_tasks(merchant: Merchant) -> QuerySet[ManualTask]:
    """Open tasks about what this ledger refused; one about a former organisation's ledger cannot be read here."""
    return list_open_tasks(merchant).filter(posting__state="rejected")


@transaction_required
def retry_cleared_tasks(merchant: Merchant, remote_notes: dict[str, RemoteCreditNote], *, now: datetime) -> None:
    """Send again the postings of tasks that nothing stands in the way of any more."""
    count = 0
    for task in list_rejected_tasks(merchant).select_related("posting__attempt__credit_note"):
        number = get_credit_note_number(task)
        note = remote_notes.get(number)
        if not number or (note is not None and note.status != "unknown"):
            count += retry_task_posting(task, note, now=now)
    if count:
        schedule_sending(merchant, now=now)


def get_credit_note_number(task: ManualTask) -> str:
    """The number of the credit note that the task is about; empty if it is about none."""
    attempt = task.posting.attempt if task.posting is not None else None
    return attempt.credit_note.number if attempt is not None and KIND_BY_NAME[Kind(task.kind)].reads_credit_note else ""


@transaction_required
def void_credit_note(attempt: Attempt, *, now: datetime) -> None:
    """Void the attempt's credit note, or cancel its posting if it was never sent."""
    note = CreditNote.objects.filter(attempt=attempt).first()
    postings = lock_postings_by_kind(attempt=attempt)
    if note is None or Kind.VOID in postings or Kind.REMOVAL in postings:
        return
    reason = f"the attempt {attempt.state}"
    retract_matches(attempt, now=now, reason=reason, remove_applied=True)
    for kind in (Kind.APPROVAL, Kind.CREDIT_NOTE, Kind.DRAFT_NOTE):
        posting, undone_by = postings.get(kind), KIND_TRAITS[kind].undone_by
        if posting is not None and undone_by is not None and posting.state in Posting.MAYBE_IN_LEDGER_STATES:
            create_posting(undone_by, note.number, attempt, now=now, on=now)
            return
        if posting is not None and posting.state in Posting.NOT_IN_LEDGER_STATES:
            cancel_posting(posting, now=now, reason=reason)
    note.move_to("removed", now=now, by=ACTOR, reason=reason)
    for refund in Posting.objects.filter(
        attempt=attempt, kind=Kind.REFUND, state__in=Posting.NOT_IN_LEDGER_STATES
    ).order_by("pk"):
        cancel_posting(refund, now=now, reason=reason)
