"""The kinds of documents that the mirror holds: everything that differs between them, in one table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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
from accounting.models import LedgerContact, LedgerCredit, LedgerInvoice

PAYMENTS = "payments"  # a kind of webhook event that is not mirrored: it only says that some documents changed


@dataclass(frozen=True, slots=True)
class MirroredKind:
    """One kind of document: its rows here, the ledger's verbs that read it, and how a page of it is saved.

    `present` selects the rows of documents that the ledger still has; `counter` is the column of Download that counts
    them.
    """

    kind: str
    label: str
    model: type[LedgerContact] | type[LedgerInvoice] | type[LedgerCredit]
    id_column: str
    present: Q
    counter: str
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
        """Save a page; answers, for each document that was new or different, when the ledger changed it."""
        changes = self.upsert(context, page.rows)
        deleted = self.mark_deleted(context, page) if page.tombstones else 0
        return [*changes, *[page.as_of or context.asked_at] * deleted]


MIRRORED_KINDS = {
    "contacts": MirroredKind(
        kind="contacts",
        label="Contacts",
        model=LedgerContact,
        id_column="contact_id",
        present=Q(is_active=True),
        counter="contacts",
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
        page_call=lambda ledger, page, since: ledger.read_credit_note_page(page, since=since),
        documents_call=lambda ledger, ids: ledger.read_credit_notes_by_id(ids),
        upsert=upsert_credits,
        mark_deleted=mark_credits_deleted,
    ),
}
