"""The kinds of documents that the mirror holds: everything that differs between them, in one table.

A list of the ledger is polled rarely while its webhooks arrive: those polls find the events that were lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django_subatomic.db import transaction_required

from accounting.ledgers.protocol import Ledger, RemotePage
from accounting.mirror.store import (
    ReadContext,
    mark_contacts_deleted,
    mark_credits_deleted,
    mark_invoices_deleted,
    upsert_contacts,
    upsert_credits,
    upsert_invoices,
)
from accounting.models import LedgerContact, LedgerCredit, LedgerInvoice, MirrorCursor
from accounting.unreadable import keep_apart, record_unreadable

PAYMENTS = "payments"  # a kind of webhook event that is not mirrored: it only says that some documents changed
WEBHOOKS_TRUSTED_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class MirroredKind:
    """One kind of document: its rows here, the ledger's verbs that read it, and how a page of it is saved.

    `present` selects the rows of documents that the ledger still has; `counter` is the column of Download that counts
    them. Between two polls pass `pause_with_webhooks`, or, while no webhook arrives, from `shortest_pause` after a
    change to `longest_pause`.
    """

    kind: str
    label: str
    model: type[LedgerContact] | type[LedgerInvoice] | type[LedgerCredit]
    id_column: str
    present: Q
    counter: str
    pause_with_webhooks: timedelta
    shortest_pause: timedelta
    longest_pause: timedelta
    page_call: Callable[[Ledger, int, datetime | None], RemotePage[Any]]
    documents_call: Callable[[Ledger, list[str]], RemotePage[Any]]
    upsert: Callable[[ReadContext, Any], list[datetime]]
    mark_deleted: Callable[[ReadContext, RemotePage[Any]], int]

    def read_page(self, ledger: Ledger, page: int, *, since: datetime | None) -> RemotePage[Any]:
        """Read one page of the list. Raises what the ledger raises."""
        return self.page_call(ledger, page, since)

    def read_documents(self, ledger: Ledger, ids: list[str]) -> RemotePage[Any]:
        """Read the documents of these ids. Raises what the ledger raises."""
        return self.documents_call(ledger, ids)

    @transaction_required
    def save_page(self, context: ReadContext, page: RemotePage[Any]) -> list[datetime]:
        """Save a page; answers, for each document that was new or different, when the ledger changed it.

        What could not be read, or the database forbids, is recorded with its reason, and holds up itself only.
        """
        changes, refused = keep_apart(page.rows, lambda rows: self.upsert(context, rows))
        deleted = self.mark_deleted(context, page) if page.tombstones else 0
        faults = [*page.unreadable, *refused]
        record_unreadable(
            context.merchant,
            context.organisation_id,
            self.kind,
            faults,
            readable_ids={*(row.id for row in page.rows), *page.tombstones} - {fault.id for fault in faults},
            now=context.asked_at,
        )
        return [*changes, *[page.as_of or context.asked_at] * deleted]


MIRRORED_KINDS = {
    "contacts": MirroredKind(
        kind="contacts",
        label="Contacts",
        model=LedgerContact,
        id_column="contact_id",
        present=Q(is_active=True),
        counter="contacts",
        pause_with_webhooks=timedelta(hours=24),
        shortest_pause=timedelta(hours=12),
        longest_pause=timedelta(hours=12),
        page_call=lambda ledger, page, since: ledger.read_contact_page(page, since=since),
        documents_call=lambda ledger, ids: ledger.read_contacts(ids),
        upsert=upsert_contacts,
        mark_deleted=mark_contacts_deleted,
    ),
    "invoices": MirroredKind(
        kind="invoices",
        label="Invoices",
        model=LedgerInvoice,
        id_column="ledger_id",
        present=~Q(status="deleted"),
        counter="invoices",
        pause_with_webhooks=timedelta(hours=6),
        shortest_pause=timedelta(minutes=3),
        longest_pause=timedelta(hours=2),
        page_call=lambda ledger, page, since: ledger.read_invoice_page(page, since=since),
        documents_call=lambda ledger, ids: ledger.read_invoices(ids),
        upsert=upsert_invoices,
        mark_deleted=mark_invoices_deleted,
    ),
    "credits": MirroredKind(
        kind="credits",
        label="Credit notes",
        model=LedgerCredit,
        id_column="ledger_id",
        present=~Q(status="deleted"),
        counter="credit_notes",
        pause_with_webhooks=timedelta(hours=12),
        shortest_pause=timedelta(hours=1),
        longest_pause=timedelta(hours=8),
        page_call=lambda ledger, page, since: ledger.read_credit_note_page(page, since=since),
        documents_call=lambda ledger, ids: ledger.read_credit_notes_by_id(ids),
        upsert=upsert_credits,
        mark_deleted=mark_credits_deleted,
    ),
}


def get_next_poll_at(cursor: MirrorCursor, *, now: datetime) -> datetime:
    """When the cursor is due again. Every poll that finds nothing doubles the pause, while no webhook arrives."""
    mirrored = MIRRORED_KINDS[cursor.kind]
    if cursor.notified_at is not None and now - cursor.notified_at < WEBHOOKS_TRUSTED_FOR:
        return now + mirrored.pause_with_webhooks
    pause: timedelta = min(mirrored.shortest_pause * 2 ** min(cursor.empty_polls, 20), mirrored.longest_pause)
    return now + pause
