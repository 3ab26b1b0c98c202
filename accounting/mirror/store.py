"""The mirror's rows: upsert what was read, if it is newer than what is stored, in few statements a page.

Listeners are called, in the page's transaction, with the documents that are new or different.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from django.db.models import Model, QuerySet, Value
from django.db.models.functions import Greatest
from django_subatomic.db import transaction_required

from accounting.ledgers.protocol import RemoteContact, RemoteCreditNoteDetails, RemoteInvoice, RemotePage
from accounting.models import LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice
from accounting.models.posting_kinds import CREDIT_NOTE_PREFIX
from accounting.posting.contact_needs import has_contact_task
from accounting.posting.credit_notes import (
    choose_own_notes,
    record_deleted_credit_notes,
    retry_cleared_tasks,
    sync_credit_note_states,
)
from merchants.models import Merchant
from payers.models import CompanyContact, PayerCompany, fold_name
from wisepay import outbox
from wisepay.events import add_once

EARLIEST = datetime.min.replace(tzinfo=UTC)
CREDIT_STATUSES = {"draft": "draft", "approved": "open", "applied": "used", "removed": "deleted", "voided": "voided"}
DOCUMENT_COLUMNS = ("number", "remark", "contact_id", "currency", "total", "issued_on", "changed_at")
INVOICE_COLUMNS = (*DOCUMENT_COLUMNS, "status", "due", "due_on", "term_id")
CREDIT_COLUMNS = (*DOCUMENT_COLUMNS, "status", "remaining")
CONTACT_COLUMNS = ("name", "folded_name", "email", "number", "currency", "is_active", "changed_at")


class MirrorListener(Protocol):
    """Enqueues or schedules outbox messages and does nothing else: the page's transaction has to stay short."""

    def __call__(
        self, merchant: Merchant, *, invoice_ids: Sequence[int], credit_ids: Sequence[int], now: datetime
    ) -> None: ...


LISTENERS: list[MirrorListener] = []


def mirror_listener[F: Callable[..., None]](function: F) -> F:
    """Register a function that is called once a page with the primary keys of new or different documents."""
    return add_once(LISTENERS, function)


@transaction_required
def notify_mirror_listeners(
    merchant: Merchant, *, invoice_ids: Sequence[int] = (), credit_ids: Sequence[int] = (), now: datetime
) -> None:
    """Call every listener, unless nothing changed."""
    if invoice_ids or credit_ids:
        for listener in LISTENERS:
            listener(merchant, invoice_ids=invoice_ids, credit_ids=credit_ids, now=now)


class HasChangedAt(Protocol):
    """Something with the ledger's time of its last change."""

    @property
    def changed_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The organisation that is read, and when the reading was started."""

    merchant: Merchant
    organisation_id: str
    asked_at: datetime

    @property
    def owner_columns(self) -> dict[str, Any]:
        """The columns that name the organisation."""
        return {"merchant": self.merchant, "organisation_id": self.organisation_id}


@transaction_required
def upsert_contacts(context: ReadContext, rows: Sequence[RemoteContact]) -> list[datetime]:
    """Upsert contacts; answers, for each that was new or different, when the ledger changed it."""
    changed = find_changed_rows(
        context, LedgerContact, "contact_id", {row.id: build_contact_columns(row) for row in sort_by_change(rows)}
    )
    contacts = [
        LedgerContact(**context.owner_columns, contact_id=key, read_at=context.asked_at, **columns)
        for key, columns in changed.items()
    ]
    upsert_rows(LedgerContact, contacts, "contact_id", (*CONTACT_COLUMNS, "read_at"))
    record_merges(context, {row.id: row.merged_into for row in rows if row.merged_into and not row.is_active})
    schedule_contact_check(context, [row.id for row in rows])
    return [columns["changed_at"] or context.asked_at for columns in changed.values()]


@transaction_required
def record_merges(context: ReadContext, merged: dict[str, str]) -> None:
    """Save which contact took the place of which, where the ledger said so; an active one was not merged."""
    rows = LedgerContact.objects.filter(**context.owner_columns)
    rows.filter(is_active=True).exclude(merged_into="").update(merged_into="")
    for contact_id, target in merged.items():
        rows.filter(contact_id=contact_id, is_active=False).update(merged_into=target)


@transaction_required
def schedule_contact_check(context: ReadContext, contact_ids: Sequence[str]) -> None:
    """Have a worker see to companies that are one of these contacts, where one of them stands no more or again."""
    rows = LedgerContact.objects.filter(**context.owner_columns, contact_id__in=contact_ids)
    if rows.filter(is_active=False).exists() or has_contact_task(context.merchant):
        outbox.schedule(
            f"contact-check:{context.merchant.pk}",
            "accounting.check_contacts",
            now=context.asked_at,
            merchant_id=context.merchant.pk,
        )


@transaction_required
def upsert_invoices(context: ReadContext, rows: Sequence[RemoteInvoice]) -> list[datetime]:
    """The same for invoices, with the payments and credits that were applied to them."""
    remote = {row.id: row for row in sort_by_change(rows)}
    changed = find_changed_rows(
        context, LedgerInvoice, "ledger_id", {key: build_invoice_columns(row) for key, row in remote.items()}
    )
    invoices = [LedgerInvoice(**build_document_key(context, key), **columns) for key, columns in changed.items()]
    set_companies(context, invoices)
    upsert_rows(LedgerInvoice, invoices, "ledger_id", (*INVOICE_COLUMNS, "company", "read_at"))
    upsert_applications(context, {invoice.pk: remote[invoice.ledger_id] for invoice in invoices})
    notify_mirror_listeners(context.merchant, invoice_ids=[invoice.pk for invoice in invoices], now=context.asked_at)
    return [invoice.changed_at for invoice in invoices]


@transaction_required
def upsert_credits(context: ReadContext, rows: Sequence[RemoteCreditNoteDetails]) -> list[datetime]:
    """The same for credit notes; the states of our own are synced, and their manual tasks retried."""
    remote = {row.id: row for row in sort_by_change(rows)}
    changed = find_changed_rows(
        context, LedgerCredit, "ledger_id", {key: build_credit_columns(row) for key, row in remote.items()}
    )
    notes = [LedgerCredit(**build_document_key(context, key), **columns) for key, columns in changed.items()]
    set_companies(context, notes)
    upsert_rows(LedgerCredit, notes, "ledger_id", (*CREDIT_COLUMNS, "company", "read_at"))
    ours = [row for row in remote.values() if row.number.startswith(CREDIT_NOTE_PREFIX)]
    if ours:
        sync_credit_note_states(context.merchant, ours, asked_at=context.asked_at, now=context.asked_at)
        chosen = choose_own_notes(context.merchant, ours)
        retry_cleared_tasks(context.merchant, chosen, now=context.asked_at)
    notify_mirror_listeners(context.merchant, credit_ids=[note.pk for note in notes], now=context.asked_at)
    return [note.changed_at for note in notes]


def sort_by_change[T: HasChangedAt](rows: Iterable[T]) -> list[T]:
    """The rows in the order of their changes: of two rows of one document in a page the newer one comes last."""
    return sorted(rows, key=lambda row: row.changed_at or EARLIEST)


def find_changed_rows(
    context: ReadContext, model: type[Model], id_name: str, read: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Those of the documents that are not stored, or differ from what is stored and are newer. One query.

    Of two readings with the same time of change the later one counts: some ledgers tell that time in seconds.
    """
    rows: QuerySet[Any] = model._default_manager.filter(**context.owner_columns, **{f"{id_name}__in": read})
    names = next(iter(read.values()), {})
    stored = {row[id_name]: row for row in rows.values(id_name, "read_at", *names)}
    return {key: columns for key, columns in read.items() if is_newer(context, columns, stored.get(key))}


def is_newer(context: ReadContext, columns: dict[str, Any], stored: dict[str, Any] | None) -> bool:
    """Whether these columns differ from the stored row and are not older."""
    if stored is None or stored["changed_at"] is None or columns["changed_at"] is None:
        return True
    if columns["changed_at"] != stored["changed_at"]:
        return bool(columns["changed_at"] > stored["changed_at"])
    is_different = any(stored[name] != value for name, value in columns.items())
    return is_different and context.asked_at >= stored["read_at"]


def upsert_rows(model: type[Model], rows: Sequence[Model], id_name: str, columns: Sequence[str]) -> None:
    """Insert the rows, or update those that are stored, and set their primary keys. One statement."""
    if rows:
        model._default_manager.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", id_name],
            update_fields=list(columns),
        )


def build_document_key(context: ReadContext, ledger_id: str) -> dict[str, Any]:
    """The columns that identify a document."""
    return {**context.owner_columns, "ledger_id": ledger_id, "read_at": context.asked_at}


def set_companies(context: ReadContext, documents: Sequence[LedgerInvoice | LedgerCredit]) -> None:
    """Set the payer company of each document by its contact. One query."""
    wanted = {**context.owner_columns, "contact_id__in": {row.contact_id for row in documents if row.contact_id}}
    companies = PayerCompany.objects.filter(**wanted).values_list("contact_id", "pk")
    others = CompanyContact.objects.filter(**wanted).values_list("contact_id", "company")
    company_ids = dict(companies.union(others))
    for row in documents:
        row.company_id = company_ids.get(row.contact_id)


@transaction_required
def upsert_applications(context: ReadContext, remote_invoices: dict[int, RemoteInvoice]) -> None:
    """Store what is applied to these invoices, by primary key, and delete what is not any more.

    Three statements at most.
    """
    read = {
        (pk, each.kind, each.id): LedgerApplication(
            **context.owner_columns,
            invoice_id=pk,
            kind=each.kind,
            ledger_id=each.id[:80],
            source_id=each.source_id,
            remark=each.remark[:255],
            amount=each.amount.amount,
            on=each.on,
            read_at=context.asked_at,
        )
        for pk, row in remote_invoices.items()
        for each in row.applied
    }
    rows = LedgerApplication.objects.filter(invoice__in=remote_invoices)
    stored = {(row.invoice_id, row.kind, row.ledger_id): row for row in rows}
    removed = [row.pk for key, row in stored.items() if key not in read]
    if removed:
        LedgerApplication.objects.filter(pk__in=removed).delete()
    changed = [row for key, row in read.items() if key not in stored or has_changed(stored[key], row)]
    if changed:
        LedgerApplication.objects.bulk_create(
            changed,
            update_conflicts=True,
            unique_fields=["invoice", "kind", "ledger_id"],
            update_fields=["source_id", "remark", "amount", "on", "read_at"],
        )


def has_changed(stored: LedgerApplication, read: LedgerApplication) -> bool:
    """Whether the application differs from what is stored."""
    names = ("source_id", "remark", "amount", "on")
    return any(getattr(stored, name) != getattr(read, name) for name in names)


def build_contact_columns(row: RemoteContact) -> dict[str, Any]:
    """The columns of a contact."""
    names = (row.name[:255], fold_name(row.name), row.email[:255], row.number[:60], row.currency[:3])
    values = (*names, row.is_active, row.changed_at)
    return dict(zip(CONTACT_COLUMNS, values, strict=True))


def build_document_columns(row: RemoteInvoice | RemoteCreditNoteDetails) -> dict[str, Any]:
    """The columns that invoices and credit notes have in common."""
    return {
        "number": row.number[:255],
        "remark": row.remark[:255],
        "contact_id": row.contact_id,
        "currency": row.total.currency,
        "total": row.total.amount,
        "issued_on": row.issued_on,
        "changed_at": row.changed_at,
    }


def build_invoice_columns(row: RemoteInvoice) -> dict[str, Any]:
    """The columns of an invoice."""
    more = {"status": row.status, "due": row.due.amount, "due_on": row.due_on, "term_id": row.term_id}
    return build_document_columns(row) | more


def build_credit_columns(row: RemoteCreditNoteDetails) -> dict[str, Any]:
    """The columns of a credit note."""
    return build_document_columns(row) | {"status": CREDIT_STATUSES[row.status], "remaining": row.remaining.amount}


@transaction_required
def mark_contacts_deleted(context: ReadContext, page: RemotePage[Any]) -> int:
    """Mark the page's deleted contacts inactive; answers how many were active."""
    rows = LedgerContact.objects.filter(**context.owner_columns, contact_id__in=page.tombstones, is_active=True)
    keys = mark_rows_deleted(rows, get_deletion_time(context, page), is_active=False, read_at=context.asked_at)
    schedule_contact_check(context, page.tombstones)
    return len(keys)


@transaction_required
def mark_invoices_deleted(context: ReadContext, page: RemotePage[Any]) -> int:
    """Mark the page's deleted invoices: nothing is due of them any more, and nothing is applied to them."""
    rows = LedgerInvoice.objects.filter(**context.owner_columns, ledger_id__in=page.tombstones).exclude(
        status="deleted"
    )
    keys = mark_rows_deleted(rows, get_deletion_time(context, page), status="deleted", due=0, read_at=context.asked_at)
    LedgerApplication.objects.filter(invoice__in=keys).delete()
    notify_mirror_listeners(context.merchant, invoice_ids=keys, now=context.asked_at)
    return len(keys)


@transaction_required
def mark_credits_deleted(context: ReadContext, page: RemotePage[Any]) -> int:
    """Mark the page's deleted credit notes: they and their allocations are used no more; our own are void."""
    rows = LedgerCredit.objects.filter(**context.owner_columns, ledger_id__in=page.tombstones).exclude(status="deleted")
    keys = mark_rows_deleted(
        rows, get_deletion_time(context, page), status="deleted", remaining=0, read_at=context.asked_at
    )
    allocations = LedgerApplication.objects.filter(
        **context.owner_columns, kind="credit", source_id__in=page.tombstones
    )
    invoices = set(allocations.values_list("invoice", flat=True))
    allocations.delete()
    record_deleted_credit_notes(context.merchant, context.organisation_id, page.tombstones, now=context.asked_at)
    notify_mirror_listeners(context.merchant, invoice_ids=sorted(invoices), credit_ids=keys, now=context.asked_at)
    return len(keys)


def mark_rows_deleted(rows: QuerySet[Any], deleted_at: datetime, **columns: Any) -> list[int]:
    """Update the rows of deleted documents; answers their keys."""
    keys = list(rows.values_list("pk", flat=True))
    if keys:
        rows.model.objects.filter(pk__in=keys).update(changed_at=Greatest("changed_at", Value(deleted_at)), **columns)
    return keys


def get_deletion_time(context: ReadContext, page: RemotePage[Any]) -> datetime:
    """When the page's tombstones were surely deleted, on the ledger's clock if the page tells it."""
    return page.as_of or context.asked_at
