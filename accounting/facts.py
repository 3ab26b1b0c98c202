"""Credit notes as the books say they are: written down, and tasks that were done in the books taken up again."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from accounting.hand_tasks import ABOUT_NOTES, open_tasks, release
from accounting.ledgers.words import NoteFacts
from accounting.models import CreditNote, HandTask
from accounting.services import arm_drain
from accounting.speaking import speaking
from connections.models import Tier
from connections.services import connection_for
from merchants.models import Merchant
from wisepay.errors import Disconnected


def record_facts(merchant: Merchant, found: Iterable[NoteFacts], *, asked_at: datetime, now: datetime) -> None:
    """Write down what is left of our credit notes, where it went, and what somebody did to them in the books.

    What we learned after `asked_at` is newer and stays. A step of an open transaction.
    """
    by_number = {fact.number: fact for fact in found}
    notes = CreditNote.objects.select_for_update(of=("self",)).filter(merchant=merchant, number__in=by_number)
    for note in notes.order_by("pk"):
        fact = by_number[note.number]
        is_newer = note.read_at is None or note.read_at <= asked_at
        is_meant = fact.total == note.money or fact.status == "voided"  # some books empty what they void
        if is_newer and note.ledger_id == fact.id and is_meant:
            write_fact(note, fact, now=now)


def write_fact(note: CreditNote, fact: NoteFacts, *, now: datetime) -> None:
    """One note, which the caller holds; a state that ours does not lead to stays ours."""
    used = [{"invoice": a.invoice, "amount": a.amount.amount, "on": a.on.isoformat()} for a in fact.allocations]
    CreditNote.objects.filter(pk=note.pk).update(remaining=fact.remaining.amount, allocations=used, read_at=now)
    for state in dict.fromkeys(("approved", fact.status) if note.state == "draft" else (fact.status,)):
        if note.may_become(state) and leads_to(state, fact.status):
            note.advance(state, now=now, by="ledger", reason="seen in the books")


def record_gone(merchant: Merchant, organisation_id: str, ledger_ids: Iterable[str], *, now: datetime) -> None:
    """Somebody deleted these in that organisation's books. A step of an open transaction."""
    notes = CreditNote.objects.select_for_update(of=("self",)).filter(merchant=merchant, ledger_id__in=ledger_ids)
    for note in notes.filter(organisation_id=organisation_id).order_by("pk"):
        if note.may_become("voided"):
            note.advance("voided", now=now, by="ledger", reason="deleted in the books", remaining=0, read_at=now)


def leads_to(state: str, wanted: str) -> bool:
    """Whether a note may become `state` on its way to `wanted`: a draft is approved before it is used or voided."""
    return state == wanted or (state == "approved" and wanted in ("applied", "voided"))


def look_at_tasks(merchant: Merchant, *, now: datetime) -> int:
    """See whether people did what was asked of them, and go on where they did; answers how many tasks are open.

    Raises Unavailable or Retry. A broken connection is waited out.
    """
    tasks = list(refused_tasks(merchant).select_related("posting__attempt__credit_note", "posting__payment"))
    if not tasks:
        return 0
    numbers = sorted({number for task in tasks if (number := note_number_of(task))})
    try:
        connection = connection_for(merchant, tier=Tier.COMPANY)
        with speaking(connection, lane="company", now=now) as ledger:
            size = ledger.batch_size
            found = [f for i in range(0, len(numbers), size) for f in ledger.read_credit_notes(numbers[i : i + size])]
    except Disconnected:
        return len(tasks)
    with transaction.atomic(durable=True):
        record_facts(merchant, found, asked_at=now, now=now)
        take_up(merchant, {f.number: f for f in found}, now=now)
    return refused_tasks(merchant).count()


def refused_tasks(merchant: Merchant) -> QuerySet[HandTask]:
    """Open tasks about what these books refused; one in other books is not seen here."""
    return open_tasks(merchant).filter(posting__state="rejected")


def take_up(merchant: Merchant, found: dict[str, NoteFacts], *, now: datetime) -> None:
    """Try again what nothing stands in the way of any more. A step of an open transaction."""
    released = 0
    for task in refused_tasks(merchant).select_related("posting__attempt__credit_note"):
        number = note_number_of(task)
        if not number or number in found:
            released += release(task, found.get(number), now=now)
    if released:
        arm_drain(merchant, now=now)


def note_number_of(task: HandTask) -> str:
    """The credit note that the task is about, if it is about one."""
    attempt = task.posting.attempt
    return attempt.credit_note.number if attempt is not None and task.kind in ABOUT_NOTES else ""
