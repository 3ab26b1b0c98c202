"""The mirror's services: poll what is due, read pending changes, give companies their documents."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import open_ledger_session
from accounting.ledgers import LEDGERS
from accounting.mirror.downloads import sync_download
from accounting.mirror.kinds import MIRRORED_KINDS
from accounting.mirror.reader import get_mirror_cursor, sync_kinds, sync_organisation_changes
from accounting.mirror.store import ReadContext, notify_mirror_listeners
from accounting.models import Download, LedgerCredit, LedgerInvoice, MirrorCursor, PendingChange, UnreadableRecord
from accounting.refetch_requests import schedule_pending_changes, schedule_refetch
from connections.availability import find_working_connection, get_connection
from connections.models import Connection, Tier
from connections.rate_limiter.limiter import Priority
from connections.services import register_waiting_work_counter
from merchants.models import Merchant
from payers.companies import restore_contacts
from payers.models import PayerCompany
from wisepay import outbox
from wisepay.errors import Disconnected
from wisepay.outbox import handler

RETENTION = timedelta(days=30)  # longer than any vendor repeats an event
READ_AGAIN_AFTER = timedelta(hours=1)  # an invoice that could not be read holds up its payer
OVERDUE_AFTER = timedelta(seconds=20)  # the worker of a change that is pending for so long has died


def schedule_mirror_syncs(*, now: datetime) -> int:
    """Let workers read whatever is due, of every merchant with a connected ledger; answers for how many."""
    connections = Connection.objects.filter(state="connected", provider__in=LEDGERS)
    create_cursors(connections, now=now)
    connected = connections.filter(merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id"))
    due = MirrorCursor.objects.filter(Exists(connected), due_at__lte=now, kind__in=MIRRORED_KINDS)
    merchants = set(due.values_list("merchant", flat=True))
    for merchant_id in merchants:
        outbox.schedule(f"mirror:{merchant_id}", "accounting.read_mirror", now=now, merchant_id=merchant_id)
    overdue = PendingChange.objects.filter(
        read_at=None, notified_at__lte=now - OVERDUE_AFTER, merchant__in=connections.values("merchant")
    )
    for merchant_id in set(overdue.values_list("merchant", flat=True)):
        schedule_pending_changes(merchant_id, now=now)
    return len(merchants)


def schedule_unreadable_invoices(*, now: datetime) -> int:
    """Let invoices that became unreadable be read again by their ids, each once an hour; answers how many."""
    unreadable = UnreadableRecord.objects.filter(kind="invoices", read_at__lte=now - READ_AGAIN_AFTER)
    if not unreadable.exists():
        return 0
    same = {name: OuterRef(name) for name in ("merchant", "organisation_id", "ledger_id")}
    asked = PendingChange.objects.filter(**same, kind="invoices", notified_at__gt=now - READ_AGAIN_AFTER)
    rows = LedgerInvoice.objects.filter(
        Exists(unreadable.filter(**same)), ~Exists(asked), is_in_connected_organisation()
    )
    found = list(rows.order_by("merchant", "pk").values_list("merchant", "organisation_id", "ledger_id"))
    for merchant_id, documents in groupby(found, key=itemgetter(0)):
        with transaction():
            schedule_refetch(merchant_id, [(row[1], "invoices", row[2]) for row in documents], now=now)
    return len(found)


def is_in_connected_organisation() -> Exists:
    """Of a mirrored document: whether it is in an organisation that is connected."""
    connections = Connection.objects.filter(state="connected", provider__in=LEDGERS)
    return Exists(connections.filter(merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id")))


def create_cursors(connections: models.QuerySet[Connection], *, now: datetime) -> None:
    """Create the cursors of organisations that were never read."""
    known = set(MirrorCursor.objects.filter(kind__in=MIRRORED_KINDS).values_list("merchant", "organisation_id", "kind"))
    needed = {(one.merchant_id, one.organisation_id, kind) for one in connections for kind in MIRRORED_KINDS}
    MirrorCursor.objects.bulk_create(
        [
            MirrorCursor(merchant_id=merchant_id, organisation_id=organisation_id, kind=kind, due_at=now)
            for merchant_id, organisation_id, kind in sorted(needed - known)
        ],
        ignore_conflicts=True,
    )


def sync_mirror(merchant: Merchant, *, now: datetime) -> None:
    """Read the kinds that are due. A broken connection is waited out. Raises Unavailable or Retry."""
    connection = find_working_connection(merchant, tier=Tier.SERVICE)
    if connection is None:
        return
    cursors = MirrorCursor.objects.filter(merchant=merchant, organisation_id=connection.organisation_id)
    due = set(cursors.filter(Q(due_at__lte=now) | Q(page__gt=0)).values_list("kind", flat=True))
    with suppress(Disconnected):
        sync_kinds(connection, priority="service", now=now, kinds=[kind for kind in MIRRORED_KINDS if kind in due])


def sync_pending_changes(merchant: Merchant, *, now: datetime) -> None:
    """Read the pending changes. A broken connection is waited out. Raises Unavailable or Retry."""
    connection = find_working_connection(merchant, tier=Tier.COMPANY)
    if connection is not None:
        with suppress(Disconnected):
            sync_organisation_changes(connection, now=now)


def update_company_documents(company: PayerCompany, *, now: datetime) -> None:
    """Assign to the company the documents of its accounting contact, and take all others from it."""
    with transaction():
        invoices, notes = reassign_documents(LedgerInvoice, company), reassign_documents(LedgerCredit, company)
        if invoices or notes:
            notify_mirror_listeners(company.merchant, invoice_ids=invoices, credit_ids=notes, now=now)


@transaction_required
def reassign_documents(model: type[LedgerInvoice] | type[LedgerCredit], company: PayerCompany) -> list[int]:
    """Assign the rows of one kind; answers the keys of those that changed."""
    rows = model._default_manager.filter(merchant=company.merchant_id)
    others = company.currency_contacts.filter(organisation_id=company.organisation_id).values_list(
        "contact_id", flat=True
    )
    contact = Q(organisation_id=company.organisation_id, contact_id__in=[company.contact_id, *others])
    matching = rows.filter(contact) if company.contact_id else rows.none()
    assigned = rows.filter(company=company)
    other_company = Q(company=None) | ~Q(company=company)
    added = list(matching.filter(other_company).values_list("pk", flat=True))
    removed = list((assigned.exclude(contact) if company.contact_id else assigned).values_list("pk", flat=True))
    rows.filter(pk__in=removed).update(company=None)
    rows.filter(pk__in=added).update(company=company)
    return sorted({*added, *removed})


def refresh_contacts(merchant: Merchant, contact_ids: Sequence[str], *, now: datetime) -> None:
    """Read these contacts again by id, as many as go in one call.

    Raises Unavailable, Disconnected, Rejected or Retry.
    """
    connection = get_connection(merchant, tier=Tier.SERVICE)
    with open_ledger_session(connection, priority="service", now=now) as ledger:
        found = ledger.read_contacts(list(contact_ids)[: ledger.batch_size])
    cursor = get_mirror_cursor(merchant, connection.organisation_id, "contacts")
    with transaction():
        MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
        MIRRORED_KINDS["contacts"].save_page(ReadContext(merchant, connection.organisation_id, now), found)


def delete_read_changes(*, now: datetime) -> int:
    """Delete changes that were read longer than RETENTION ago; answers how many."""
    return PendingChange.objects.filter(read_at__lt=now - RETENTION).delete()[0]


@register_waiting_work_counter
def count_pending_reads(merchant: Merchant) -> dict[str, int]:
    """Count what waits for a connection: pending changes, and lists whose reading has begun."""
    unread = PendingChange.objects.filter(merchant=merchant, read_at=None).count()
    unfinished = MirrorCursor.objects.filter(merchant=merchant, page__gt=0).count()
    return {Tier.COMPANY: unread, Tier.SERVICE: unfinished}


def refresh_invoices(
    connection: Connection, invoices: Sequence[LedgerInvoice], *, priority: Priority, now: datetime
) -> set[int]:
    """Read these invoices again by id, as many as go in one call.

    Answers the keys of those that the ledger has or says are deleted; only they count as read at `now`.
    Raises Unavailable, Disconnected, Rejected or Retry.
    """
    merchant = connection.merchant
    keys_by_id = {row.ledger_id: row.pk for row in invoices if row.organisation_id == connection.organisation_id}
    if not keys_by_id:
        return set()
    with open_ledger_session(connection, priority=priority, now=now) as ledger:
        found = ledger.read_invoices(list(keys_by_id)[: ledger.batch_size])
    context = ReadContext(merchant, connection.organisation_id, now)
    cursor = get_mirror_cursor(merchant, connection.organisation_id, "invoices")
    answered = [*(row.id for row in found.rows), *found.tombstones]
    keys = {keys_by_id[ledger_id] for ledger_id in answered if ledger_id in keys_by_id}
    with transaction():
        MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
        MIRRORED_KINDS["invoices"].save_page(context, found)
        LedgerInvoice.objects.filter(pk__in=keys, read_at__lt=now).update(read_at=now)
    return keys


@handler("accounting.run_download")
def run_download(*, download_id: int, now: datetime, **_: object) -> None:
    """Run a download that a person started."""
    sync_download(Download.objects.select_related("merchant").get(pk=download_id), now=now)


@handler("accounting.read_mirror")
def read_mirror(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read the kinds of a merchant's mirror that are due."""
    sync_mirror(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.read_heard")
def read_pending_changes(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read a merchant's pending changes."""
    sync_pending_changes(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.follow_company")
def assign_company_documents(*, company_id: int, now: datetime, **_: object) -> None:
    """Assign the documents of its accounting contact to a company."""
    update_company_documents(PayerCompany.objects.select_related("merchant").get(pk=company_id), now=now)


@handler("accounting.recall_contacts")
def recall_contacts(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Restore which contact each company was, in an organisation that is connected again."""
    connection = Connection.objects.filter(merchant=merchant_id, state="connected").select_related("merchant").first()
    if connection is not None:
        restore_contacts(connection.merchant, organisation_id=connection.organisation_id)
