"""Orders about the mirror: look at what is due, heed what was heard, follow a company to its contact."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q

from accounting.ledgers import LEDGERS
from accounting.mirror import DESKS, read_due, read_heard
from accounting.mirror_events import mirror_changed
from accounting.mirror_heard import DOUBT
from accounting.models import HeardChange, LedgerCredit, LedgerInvoice, MirrorCursor
from connections.models import Connection, Tier
from connections.queues import queue_counter
from connections.services import connection_for
from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import outbox
from wisepay.errors import Disconnected

KEEP = timedelta(days=30)  # longer than anybody repeats an event
LATE = timedelta(seconds=20)  # what was heard and not read for so long was forgotten by whoever was to read it


def arm_due(*, now: datetime) -> int:
    """Let workers read everything that is due, of every merchant whose books are connected; answers how many."""
    held = Connection.objects.filter(state="connected", provider__in=LEDGERS)
    begin_cursors(held, now=now)
    connected = held.values("merchant")
    mine = held.filter(merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id"))
    due = MirrorCursor.objects.filter(Exists(mine), due_at__lte=now, kind__in=DESKS)
    merchants = set(due.values_list("merchant", flat=True))
    for merchant_id in merchants:
        outbox.arm(f"mirror:{merchant_id}", "accounting.read_mirror", now=now, merchant_id=merchant_id)
    forgotten = HeardChange.objects.filter(read_at=None, heard_at__lte=now - LATE, merchant__in=connected)
    for merchant_id in set(forgotten.values_list("merchant", flat=True)):
        arm_heard(merchant_id, now=now)
    return len(merchants)


def begin_cursors(held: models.QuerySet[Connection], *, now: datetime) -> None:
    """A cursor of every kind for books that nobody ever read."""
    mine = MirrorCursor.objects.filter(kind__in=DESKS)
    known = set(mine.values_list("merchant", "organisation_id", "kind"))
    wanted = {(one.merchant_id, one.organisation_id, kind) for one in held for kind in DESKS}
    MirrorCursor.objects.bulk_create(
        [
            MirrorCursor(merchant_id=merchant_id, organisation_id=organisation_id, kind=kind, due_at=now)
            for merchant_id, organisation_id, kind in sorted(wanted - known)
        ],
        ignore_conflicts=True,
    )


def arm_heard(merchant_id: int, *, now: datetime) -> None:
    """Let a worker read what was heard of a merchant's books."""
    outbox.arm(f"heard:{merchant_id}", "accounting.read_heard", now=now, merchant_id=merchant_id)


def read_soon(merchant_id: int, documents: Iterable[tuple[str, str, str]], *, now: datetime) -> None:
    """Let these be read again at once, each named by organisation, kind and id. A step of an open transaction."""
    rows = [
        HeardChange(
            merchant_id=merchant_id,
            organisation_id=organisation_id,
            kind=kind,
            ledger_id=ledger_id,
            event_at=DOUBT,
            heard_at=now,
        )
        for organisation_id, kind, ledger_id in documents
    ]
    HeardChange.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["merchant", "organisation_id", "kind", "ledger_id"],
        update_fields=["heard_at", "read_at"],
    )
    arm_heard(merchant_id, now=now)


def read_mirror(merchant: Merchant, *, now: datetime) -> None:
    """Read what is due. A broken connection is waited out. Raises Unavailable or Retry."""
    connection = open_connection(merchant, tier=Tier.SERVICE)
    if connection is None:
        return
    mine = MirrorCursor.objects.filter(merchant=merchant, organisation_id=connection.organisation_id)
    due = set(mine.filter(Q(due_at__lte=now) | Q(page__gt=0)).values_list("kind", flat=True))
    with suppress(Disconnected):
        read_due(connection, lane="service", now=now, kinds=[kind for kind in DESKS if kind in due])


def read_news(merchant: Merchant, *, now: datetime) -> None:
    """Read what was heard. A broken connection is waited out. Raises Unavailable or Retry."""
    connection = open_connection(merchant, tier=Tier.COMPANY)
    if connection is not None:
        with suppress(Disconnected):
            read_heard(connection, now=now)


def open_connection(merchant: Merchant, *, tier: Tier) -> Connection | None:
    """The connection that carries this work, if it is connected."""
    try:
        connection = connection_for(merchant, tier=tier)
    except Disconnected:
        return None
    return connection if connection.state == "connected" else None


def follow_company(company: PayerCompany, *, now: datetime) -> None:
    """Documents of the contact that the company is are the company's, and no others."""
    with transaction.atomic(durable=True):
        invoices, notes = follow(LedgerInvoice, company), follow(LedgerCredit, company)
        mirror_changed(company.merchant, invoice_ids=invoices, credit_ids=notes, now=now)


def follow(model: type[LedgerInvoice] | type[LedgerCredit], company: PayerCompany) -> list[int]:
    """Move the rows of one kind; answers which. A step of an open transaction."""
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


def forget_heard(*, now: datetime) -> int:
    """Delete what was read so long ago that nobody repeats it; answers how many."""
    return HeardChange.objects.filter(read_at__lt=now - KEEP).delete()[0]


@queue_counter
def count_unread(merchant: Merchant) -> dict[str, int]:
    """What waits to be read: documents that the books told us of, and lists that are begun."""
    unread = HeardChange.objects.filter(merchant=merchant, read_at=None).count()
    begun = MirrorCursor.objects.filter(merchant=merchant, page__gt=0).count()
    return {Tier.COMPANY: unread, Tier.SERVICE: begun}
