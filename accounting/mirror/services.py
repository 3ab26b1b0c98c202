"""Orders about the mirror: look at what is due, heed what was heard, follow a company to its contact."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import ledger_session
from accounting.ledgers import LEDGERS
from accounting.mirror.listeners import notify_mirror_listeners
from accounting.mirror.reader import MIRRORED_KINDS, get_mirror_cursor, sync_kinds, sync_organisation_changes
from accounting.mirror.store import ReadContext
from accounting.models import LedgerCredit, LedgerInvoice, MirrorCursor, PendingChange
from accounting.refetch_requests import schedule_pending_changes
from connections.models import Connection, Tier
from connections.services import get_connection
from connections.waiting_work import register_waiting_work_counter
from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import outbox
from wisepay.errors import Disconnected

RETENTION = timedelta(days=30)  # longer than anybody repeats an event
OVERDUE_AFTER = timedelta(seconds=20)  # what was heard and not read for so long was forgotten by whoever was to read it


def schedule_mirror_syncs(*, now: datetime) -> int:
    """Let workers read everything that is due, of every merchant whose books are connected; answers how many."""
    held = Connection.objects.filter(state="connected", provider__in=LEDGERS)
    create_cursors(held, now=now)
    connected = held.values("merchant")
    mine = held.filter(merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id"))
    due = MirrorCursor.objects.filter(Exists(mine), due_at__lte=now, kind__in=MIRRORED_KINDS)
    merchants = set(due.values_list("merchant", flat=True))
    for merchant_id in merchants:
        outbox.schedule(f"mirror:{merchant_id}", "accounting.read_mirror", now=now, merchant_id=merchant_id)
    forgotten = PendingChange.objects.filter(read_at=None, notified_at__lte=now - OVERDUE_AFTER, merchant__in=connected)
    for merchant_id in set(forgotten.values_list("merchant", flat=True)):
        schedule_pending_changes(merchant_id, now=now)
    return len(merchants)


def create_cursors(connections: models.QuerySet[Connection], *, now: datetime) -> None:
    """A cursor of every kind for books that nobody ever read."""
    mine = MirrorCursor.objects.filter(kind__in=MIRRORED_KINDS)
    known = set(mine.values_list("merchant", "organisation_id", "kind"))
    wanted = {(one.merchant_id, one.organisation_id, kind) for one in connections for kind in MIRRORED_KINDS}
    MirrorCursor.objects.bulk_create(
        [
            MirrorCursor(merchant_id=merchant_id, organisation_id=organisation_id, kind=kind, due_at=now)
            for merchant_id, organisation_id, kind in sorted(wanted - known)
        ],
        ignore_conflicts=True,
    )


def sync_mirror(merchant: Merchant, *, now: datetime) -> None:
    """Read what is due. A broken connection is waited out. Raises Unavailable or Retry."""
    connection = find_connection(merchant, tier=Tier.SERVICE)
    if connection is None:
        return
    mine = MirrorCursor.objects.filter(merchant=merchant, organisation_id=connection.organisation_id)
    due = set(mine.filter(Q(due_at__lte=now) | Q(page__gt=0)).values_list("kind", flat=True))
    with suppress(Disconnected):
        sync_kinds(connection, priority="service", now=now, kinds=[kind for kind in MIRRORED_KINDS if kind in due])


def sync_pending_changes(merchant: Merchant, *, now: datetime) -> None:
    """Read what was heard. A broken connection is waited out. Raises Unavailable or Retry."""
    connection = find_connection(merchant, tier=Tier.COMPANY)
    if connection is not None:
        with suppress(Disconnected):
            sync_organisation_changes(connection, now=now)


def find_connection(merchant: Merchant, *, tier: Tier) -> Connection | None:
    """The connection that carries this work, if it is connected."""
    try:
        connection = get_connection(merchant, tier=tier)
    except Disconnected:
        return None
    return connection if connection.state == "connected" else None


def update_company_documents(company: PayerCompany, *, now: datetime) -> None:
    """Documents of the contact that the company is are the company's, and no others."""
    with transaction():
        invoices, notes = reassign_documents(LedgerInvoice, company), reassign_documents(LedgerCredit, company)
        notify_mirror_listeners(company.merchant, invoice_ids=invoices, credit_ids=notes, now=now)


@transaction_required
def reassign_documents(model: type[LedgerInvoice] | type[LedgerCredit], company: PayerCompany) -> list[int]:
    """Move the rows of one kind; answers which."""
    rows = model._default_manager.filter(merchant=company.merchant_id)
    contact = Q(organisation_id=company.organisation_id, contact_id=company.contact_id)
    mine = rows.filter(contact) if company.contact_id else rows.none()
    lost = rows.filter(company=company) if not company.contact_id else rows.filter(company=company).exclude(contact)
    others = Q(company=None) | ~Q(company=company)
    moved = list(mine.filter(others).values_list("pk", flat=True))
    gone = list(lost.values_list("pk", flat=True))
    rows.filter(pk__in=gone).update(company=None)
    rows.filter(pk__in=moved).update(company=company)
    return sorted({*moved, *gone})


def delete_read_changes(*, now: datetime) -> int:
    """Delete what was read so long ago that nobody repeats it; answers how many."""
    return PendingChange.objects.filter(read_at__lt=now - RETENTION).delete()[0]


@register_waiting_work_counter
def count_pending_reads(merchant: Merchant) -> dict[str, int]:
    """What waits to be read: documents that the books told us of, and lists that are begun."""
    unread = PendingChange.objects.filter(merchant=merchant, read_at=None).count()
    begun = MirrorCursor.objects.filter(merchant=merchant, page__gt=0).count()
    return {Tier.COMPANY: unread, Tier.SERVICE: begun}


def refetch_invoices(merchant: Merchant, invoices: Sequence[LedgerInvoice], *, now: datetime) -> set[int]:
    """Read these invoices anew by id for work in the background, as many as go in one call.

    Answers the keys of those that the books told of, if only that they are gone.
    Only they count as read at `now`. Raises Unavailable, Disconnected, Rejected or Retry.
    """
    connection = get_connection(merchant, tier=Tier.SERVICE)
    mine = {row.ledger_id: row.pk for row in invoices if row.organisation_id == connection.organisation_id}
    if not mine:
        return set()
    with ledger_session(connection, priority="service", now=now) as ledger:
        found = ledger.read_invoices(list(mine)[: ledger.batch_size])
    books = ReadContext(merchant, connection.organisation_id, now)
    cursor = get_mirror_cursor(merchant, connection.organisation_id, "invoices")
    told = [*(row.id for row in found.rows), *found.tombstones]
    keys = {mine[key] for key in told if key in mine}
    with transaction():
        MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
        MIRRORED_KINDS["invoices"].save_page(books, found)
        LedgerInvoice.objects.filter(pk__in=keys, read_at__lt=now).update(read_at=now)
    return keys
