"""Credit notes as the books say they are: written down, and tasks that were done in the books taken up again."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import ledger_session
from accounting.ledgers.protocol import RemoteCreditNote
from accounting.models import CreditNote, ManualTask
from accounting.posting.manual_tasks import CREDIT_NOTE_KINDS, list_open_tasks, retry_task_posting
from accounting.posting.services import schedule_sending
from connections.models import Tier
from connections.services import get_connection
from merchants.models import Merchant
from wisepay.errors import Disconnected


@transaction_required
def sync_credit_note_states(
    merchant: Merchant, remote_notes: Iterable[RemoteCreditNote], *, asked_at: datetime, now: datetime
) -> None:
    """Write down what is left of our credit notes, where it went, and what somebody did to them in the books.

    What we learned after `asked_at` is newer and stays.
    """
    by_number = {fact.number: fact for fact in remote_notes}
    notes = CreditNote.objects.select_for_update(of=("self",)).filter(merchant=merchant, number__in=by_number)
    for note in notes.order_by("pk"):
        fact = by_number[note.number]
        is_newer = note.read_at is None or note.read_at <= asked_at
        is_meant = fact.total == note.money or fact.status == "voided"  # some books empty what they void
        if is_newer and note.ledger_id == fact.id and is_meant:
            update_credit_note(note, fact, now=now)


def update_credit_note(note: CreditNote, remote_note: RemoteCreditNote, *, now: datetime) -> None:
    """One note, which the caller holds; a state that ours does not lead to stays ours."""
    used = [{"invoice": a.invoice, "amount": a.amount.amount, "on": a.on.isoformat()} for a in remote_note.allocations]
    CreditNote.objects.filter(pk=note.pk).update(remaining=remote_note.remaining.amount, allocations=used, read_at=now)
    for state in dict.fromkeys(("approved", remote_note.status) if note.state == "draft" else (remote_note.status,)):
        if note.can_move_to(state) and is_step_towards(state, remote_note.status):
            note.move_locked_to(state, now=now, by="ledger", reason="seen in the books")


@transaction_required
def record_deleted_credit_notes(
    merchant: Merchant, organisation_id: str, ledger_ids: Iterable[str], *, now: datetime
) -> None:
    """Somebody deleted these in that organisation's books."""
    notes = CreditNote.objects.select_for_update(of=("self",)).filter(merchant=merchant, ledger_id__in=ledger_ids)
    for note in notes.filter(organisation_id=organisation_id).order_by("pk"):
        if note.can_move_to("voided"):
            note.move_locked_to("voided", now=now, by="ledger", reason="deleted in the books", remaining=0, read_at=now)


def is_step_towards(state: str, target: str) -> bool:
    """Whether a note may become `state` on its way to `wanted`: a draft is approved before it is used or voided."""
    return state == target or (state == "approved" and target in ("applied", "voided"))


def sync_manual_tasks(merchant: Merchant, *, now: datetime) -> int:
    """See whether people did what was asked of them, and go on where they did; answers how many tasks are open.

    Raises Unavailable or Retry. A broken connection is waited out.
    """
    tasks = list(list_rejected_tasks(merchant).select_related("posting__attempt__credit_note", "posting__payment"))
    if not tasks:
        return 0
    numbers = sorted({number for task in tasks if (number := get_credit_note_number(task))})
    try:
        connection = get_connection(merchant, tier=Tier.COMPANY)
        with ledger_session(connection, priority="company", now=now) as ledger:
            size = ledger.batch_size
            found = [
                f
                for i in range(0, len(numbers), size)
                for f in ledger.read_credit_notes_by_number(numbers[i : i + size])
            ]
    except Disconnected:
        return len(tasks)
    with transaction():
        sync_credit_note_states(merchant, found, asked_at=now, now=now)
        retry_cleared_tasks(merchant, {f.number: f for f in found}, now=now)
    return list_rejected_tasks(merchant).count()


def list_rejected_tasks(merchant: Merchant) -> QuerySet[ManualTask]:
    """Open tasks about what these books refused; one in other books is not seen here."""
    return list_open_tasks(merchant).filter(posting__state="rejected")


@transaction_required
def retry_cleared_tasks(merchant: Merchant, remote_notes: dict[str, RemoteCreditNote], *, now: datetime) -> None:
    """Try again what nothing stands in the way of any more."""
    released = 0
    for task in list_rejected_tasks(merchant).select_related("posting__attempt__credit_note"):
        number = get_credit_note_number(task)
        if not number or number in remote_notes:
            released += retry_task_posting(task, remote_notes.get(number), now=now)
    if released:
        schedule_sending(merchant, now=now)


def get_credit_note_number(task: ManualTask) -> str:
    """The credit note that the task is about, if it is about one."""
    attempt = task.posting.attempt
    return attempt.credit_note.number if attempt is not None and task.kind in CREDIT_NOTE_KINDS else ""
