"""Make the planned invoices in the books: read again at PSA, looked for by number, sent in batches, compared.

Before a call the batch is `sent`; what is still so when a worker comes back is looked for by its number before it is
sent again. So an invoice is made once, whatever breaks.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError
from django_subatomic.db import transaction

from accounting.ledger_session import open_ledger_session
from accounting.ledgers.protocol import DocumentLine, DocumentOrder, Ledger, RemoteInvoice, WriteResult
from accounting.refetch_requests import schedule_refetch
from psa.billing_protocol import RemoteBilledInvoice
from psa.invoice_sync.books import BooksInvoices, read_books
from psa.invoice_sync.checks import check_row, split_tax
from psa.invoice_sync.models import InvoiceSync, InvoiceSyncRow, InvoiceSyncSettings
from psa.invoice_sync.preview import build_row, explain_refusal, fail_sync, get_parts
from psa.invoice_sync.services import SyncRefused, build_context, get_settings
from psa.session import open_psa_session
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.leases import hold_lease
from wisepay.money import Money
from wisepay.outbox import Retry

BATCH = 25
MOST_BATCHES = 4  # in one turn of a worker
SLOW_WRITE = timedelta(minutes=2)  # in which a write whose answer was lost may still land
CHANGED = "It was changed in ConnectWise PSA since the preview. Start another sync to see it as it is now."
GONE = "It is not in ConnectWise PSA any more, or not closed."
DECIDED_ANEW = "Its payer company, contact or tax code was chosen anew since the preview. Start another sync to see it."
SWITCHED_OFF = "Sync Invoices was switched off. Switch it on, and go on here, or start another sync."
DIFFERENT = "An invoice with this number came into the books that is another one."
OTHER_TOTAL = "The books made {there} of it, and ConnectWise PSA says {here}. Correct it in the books."


def sync_invoices(sync: InvoiceSync, *, now: datetime) -> None:
    """Make the next invoices, until nothing is left. Raises Unavailable or Retry; what ends it is said on the run."""
    rows = InvoiceSync.objects.filter(pk=sync.pk)
    with hold_lease(rows, now=now, busy="another worker has this sync", after=10):
        sync.refresh_from_db(fields=["state"])  # a worker before may have ended it
        if sync.state != "running":
            return
        try:
            check_may_run(sync)
            resolve_sent(sync, now=now)
            for _ in range(MOST_BATCHES):
                batch = list_planned(sync)
                if not batch:
                    break
                send_batch(sync, batch, now=now)
            check_totals(sync, now=now)
        except (SyncRefused, Disconnected) as error:
            fail_sync(sync, str(error), now=now)
            return
        except Rejected as error:
            fail_sync(sync, explain_refusal(error), now=now)
            return
    if sync.rows.filter(state__in=["planned", "sent"]).exists():
        raise Retry("there are more invoices", after=1)
    with transaction():
        sync.move_to("finished", now=now, by="psa", error="")


def check_may_run(sync: InvoiceSync) -> None:
    """Check that nobody has switched it off, and that both systems are those of the preview. Raises SyncRefused."""
    if not get_settings(sync.merchant).is_enabled:
        raise SyncRefused(SWITCHED_OFF)
    get_parts(sync)


def list_planned(sync: InvoiceSync) -> list[InvoiceSyncRow]:
    """The next rows that are to be made."""
    return list(sync.rows.filter(state="planned").select_related("company", "sync__merchant").order_by("pk")[:BATCH])


def send_batch(sync: InvoiceSync, batch: Sequence[InvoiceSyncRow], *, now: datetime) -> None:
    """Make those of a batch that are still as they were shown. Raises what the sessions raise."""
    fresh = read_again(sync, batch, now=now)
    unchanged = [row for row in batch if block_changed(row, fresh.get(row.invoice_id), now=now)]
    if not unchanged:
        return
    _, connection = get_parts(sync)
    with open_ledger_session(connection, priority="company", now=now) as ledger:
        books = read_books(ledger, [row.number for row in unchanged])
        ready = [row for row in decide_again(sync, unchanged, books, now=now) if row.state == "planned"]
        claimed = claim(ready, now=now)
        if claimed:
            create_invoices(sync, ledger, claimed, now=now)


def read_again(sync: InvoiceSync, batch: Sequence[InvoiceSyncRow], *, now: datetime) -> dict[int, RemoteBilledInvoice]:
    """Read the batch at PSA as it is now, by id."""
    connection, _ = get_parts(sync)
    with open_psa_session(connection, priority="company", now=now) as psa:
        found = psa.list_billed_invoices([row.invoice_id for row in batch])
    return {one.id: one for one in found}


def block_changed(row: InvoiceSyncRow, found: RemoteBilledInvoice | None, *, now: datetime) -> bool:
    """Block a row that PSA has no more, or otherwise than it was shown; answer whether it is as it was."""
    if found is None or not found.is_closed:
        record(row, "blocked", reason=GONE, now=now)
        return False
    if build_row(row.sync, found, now=now).facts != row.facts:
        record(row, "blocked", reason=CHANGED, now=now)
        return False
    return True


def decide_again(
    sync: InvoiceSync, rows: Sequence[InvoiceSyncRow], books: BooksInvoices, *, now: datetime
) -> Sequence[InvoiceSyncRow]:
    """Decide the rows by what stands in the books and in the tables now, and record what is not to be made."""
    context = build_context(sync, rows, books)
    for row in rows:
        shown = row.target
        state, reason = check_row(row, context)
        if state == "planned" and row.target != shown:
            state, reason = "blocked", DECIDED_ANEW
        if state != "planned":
            record(row, state, reason=reason, now=now)
    return rows


def claim(rows: Sequence[InvoiceSyncRow], *, now: datetime) -> list[InvoiceSyncRow]:
    """Phase 1: commit that these are about to be made. Raises Retry where another run has one of them."""
    try:
        with transaction():
            for row in rows:
                row.move_to("sent", now=now, by="psa", sent_at=now)
    except IntegrityError as error:
        raise Retry("another sync has one of these invoices", after=30) from error
    return list(rows)


def create_invoices(sync: InvoiceSync, ledger: Ledger, rows: Sequence[InvoiceSyncRow], *, now: datetime) -> None:
    """Phases 2 and 3: send the batch, and commit each answer. What got none stays `sent`, to be looked for."""
    own = get_settings(sync.merchant)
    try:
        answers = ledger.create_invoices([build_order(row, own) for row in rows], key=f"wp-{uuid.uuid4()}")
    except Rejected as error:
        if len(rows) > 1:  # one of them spoils the whole call
            middle = len(rows) // 2
            create_invoices(sync, ledger, rows[:middle], now=now)
            create_invoices(sync, ledger, rows[middle:], now=now)
            return
        answers = [WriteResult(rows[0].number, refusal=error.message)]
    except (Unavailable, Disconnected) as error:
        if isinstance(error, Disconnected) or not error.maybe_done:
            return_to_planned(rows, now=now)
        raise
    apply_answers(ledger, rows, answers, now=now)


def return_to_planned(rows: Sequence[InvoiceSyncRow], *, now: datetime) -> None:
    """Let these wait again, which were certainly not made."""
    for row in rows:
        record(row, "planned", reason="", now=now, sent_at=None)


def apply_answers(
    ledger: Ledger, rows: Sequence[InvoiceSyncRow], answers: Sequence[WriteResult], *, now: datetime
) -> None:
    """Record what became of each; one that was refused may be there by an earlier call, and is looked for first."""
    refused = [row.number for row, answer in zip(rows, answers, strict=True) if answer.refusal and not answer.id]
    books = read_books(ledger, refused) if refused else BooksInvoices()
    for row, answer in zip(rows, answers, strict=True):
        if answer.id:
            record(row, "posted", reason="", ledger_id=answer.id, now=now)
        elif answer.refusal:
            found = find_same(row, books)
            if found is not None:
                record(row, "posted", reason="", ledger_id=found.id, now=now)
            else:
                record(row, "rejected", reason=f"The books refused it: {answer.refusal}", now=now)


def build_order(row: InvoiceSyncRow, own: InvoiceSyncSettings) -> DocumentOrder:
    """The invoice as the ledger takes it: under PSA's number, its tax to the cent."""
    if row.total is None:
        raise ValueError(f"invoice {row} has no total")
    lines = tuple(
        DocumentLine(line["description"], Money(line["amount"], row.currency), Money(tax, row.currency))
        for line, tax in zip(row.lines, split_tax(row), strict=True)
    )
    return DocumentOrder(
        number=row.number,
        contact_id=row.contact_id,
        on=row.get_day(),
        reference=row.remark,
        description=f"Invoice {row.number}",
        amount=Money(row.total, row.currency),
        account=own.account,
        tax_code=row.ledger_tax_code,
        item=own.item,
        lines=lines,
        due_on=row.due_on or row.get_day(),
    )


def resolve_sent(sync: InvoiceSync, *, now: datetime) -> None:
    """Find out what became of invoices whose answer was lost, by their numbers. Raises Retry while one may land."""
    rows = list(sync.rows.filter(state="sent").select_related("company", "merchant").order_by("pk"))
    if not rows:
        return
    _, connection = get_parts(sync)
    with open_ledger_session(connection, priority="company", now=now) as ledger:
        books = read_books(ledger, [row.number for row in rows])
    for row in rows:
        resolve_row(row, books, now=now)
    waiting = [row for row in rows if row.state == "sent" and row.sent_at]
    if waiting:
        raise Retry("an invoice may still come", after=SLOW_WRITE.total_seconds())


def resolve_row(row: InvoiceSyncRow, books: BooksInvoices, *, now: datetime) -> None:
    """Record where one invoice stands; one that is not there is sent again once a slow write would have landed."""
    found = find_same(row, books) or find_of_contact(row, books)
    if found is not None:
        record(row, "posted", reason="", ledger_id=found.id, now=now)
    elif books.list_standing(row.number):
        record(row, "rejected", reason=DIFFERENT, now=now)
    elif row.sent_at is None or now >= row.sent_at + SLOW_WRITE:
        record(row, "planned", reason="", now=now, sent_at=None)


def find_same(row: InvoiceSyncRow, books: BooksInvoices) -> RemoteInvoice | None:
    """The invoice of the books that is this one: its number, contact and total."""
    same = (one for one in books.list_standing(row.number) if one.contact_id == row.contact_id)
    return next((one for one in same if one.total == row.money), None)


def find_of_contact(row: InvoiceSyncRow, books: BooksInvoices) -> RemoteInvoice | None:
    """The one invoice with its number, if it is its contact's: none stood there before, so it is the one that was sent.

    What the books made of it otherwise is said once the totals are compared.
    """
    found = books.list_standing(row.number)
    return found[0] if len(found) == 1 and found[0].contact_id == row.contact_id else None


def check_totals(sync: InvoiceSync, *, now: datetime) -> None:
    """Compare what the books made with what PSA says, have the mirror read it, and say what differs."""
    rows = list(sync.rows.filter(state="posted", checked_at=None).order_by("pk"))
    if not rows:
        return
    _, connection = get_parts(sync)
    totals: dict[str, Money] = {}
    with open_ledger_session(connection, priority="company", now=now) as ledger:
        for begin in range(0, len(rows), ledger.batch_size):
            ids = [row.ledger_id for row in rows[begin : begin + ledger.batch_size]]
            totals |= {one.id: one.total for one in ledger.read_invoices(ids).rows}
    with transaction():
        for row in rows:
            there = totals.get(row.ledger_id)
            reason = "" if there in (None, row.money) else OTHER_TOTAL.format(there=there, here=row.money)
            InvoiceSyncRow.objects.filter(pk=row.pk).update(checked_at=now, reason=reason[:300])
        documents = [(sync.organisation_id, "invoices", row.ledger_id) for row in rows]
        schedule_refetch(sync.merchant_id, documents, now=now)


def record(row: InvoiceSyncRow, state: str, *, reason: str, now: datetime, **columns: object) -> None:
    """Move a row, with the reason where people read it."""
    with transaction():
        if row.move_to(state, now=now, by="psa", reason=reason, **columns):
            row.reason = reason[:300]
            InvoiceSyncRow.objects.filter(pk=row.pk).update(reason=row.reason)
