"""Writing down what was read of the books: only what is newer than what we hold, in few statements a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from django.db.models import Model, QuerySet, Value
from django.db.models.functions import Greatest
from django_subatomic.db import transaction_required

from accounting.ledgers.protocol import RemoteContact, RemoteCreditNoteDetails, RemoteInvoice, RemotePage
from accounting.mirror.listeners import notify_mirror_listeners
from accounting.models import LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice
from accounting.posting.credit_note_state import (
    record_deleted_credit_notes,
    retry_cleared_tasks,
    sync_credit_note_states,
)
from merchants.models import Merchant
from payers.models import PayerCompany, fold_name

CREDIT_NOTE_PREFIX = "PF_CR"
EARLIEST = datetime.min.replace(tzinfo=UTC)
CREDIT_STATUSES = {"draft": "draft", "approved": "open", "applied": "used", "removed": "deleted", "voided": "voided"}
DOCUMENT_COLUMNS = ("number", "remark", "contact_id", "currency", "total", "issued_on", "changed_at")
INVOICE_COLUMNS = (*DOCUMENT_COLUMNS, "status", "due", "due_on", "term_id")
CREDIT_COLUMNS = (*DOCUMENT_COLUMNS, "status", "remaining")
CONTACT_COLUMNS = ("name", "folded_name", "email", "is_active", "changed_at")


class HasChangedAt(Protocol):
    """What carries the books' time of its last change."""

    @property
    def changed_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class ReadContext:
    """Whose books are read, and when the reading was asked for."""

    merchant: Merchant
    organisation_id: str
    asked_at: datetime

    @property
    def owner_columns(self) -> dict[str, Any]:
        """The columns that say so."""
        return {"merchant": self.merchant, "organisation_id": self.organisation_id}


@transaction_required
def upsert_contacts(context: ReadContext, rows: Sequence[RemoteContact]) -> list[datetime]:
    """Write contacts down; answers when each one that was news had changed."""
    fresh = find_changed_rows(
        context, LedgerContact, "contact_id", {row.id: build_contact_columns(row) for row in sort_by_change(rows)}
    )
    made = [
        LedgerContact(**context.owner_columns, contact_id=key, read_at=context.asked_at, **columns)
        for key, columns in fresh.items()
    ]
    upsert_rows(LedgerContact, made, "contact_id", (*CONTACT_COLUMNS, "read_at"))
    return [columns["changed_at"] or context.asked_at for columns in fresh.values()]


def upsert_invoices(context: ReadContext, rows: Sequence[RemoteInvoice]) -> list[datetime]:
    """The same for invoices, with what was put to them."""
    facts = {row.id: row for row in sort_by_change(rows)}
    fresh = find_changed_rows(
        context, LedgerInvoice, "ledger_id", {key: build_invoice_columns(row) for key, row in facts.items()}
    )
    made = [LedgerInvoice(**build_document_key(context, key), **columns) for key, columns in fresh.items()]
    set_companies(context, made)
    upsert_rows(LedgerInvoice, made, "ledger_id", (*INVOICE_COLUMNS, "company", "read_at"))
    upsert_applications(context, {invoice.pk: facts[invoice.ledger_id] for invoice in made})
    notify_mirror_listeners(context.merchant, invoice_ids=[invoice.pk for invoice in made], now=context.asked_at)
    return [invoice.changed_at for invoice in made]


def upsert_credits(context: ReadContext, rows: Sequence[RemoteCreditNoteDetails]) -> list[datetime]:
    """The same for credit notes; of ours also what is left of them, and the tasks that somebody did there."""
    facts = {row.id: row for row in sort_by_change(rows)}
    fresh = find_changed_rows(
        context, LedgerCredit, "ledger_id", {key: build_credit_columns(row) for key, row in facts.items()}
    )
    made = [LedgerCredit(**build_document_key(context, key), **columns) for key, columns in fresh.items()]
    set_companies(context, made)
    upsert_rows(LedgerCredit, made, "ledger_id", (*CREDIT_COLUMNS, "company", "read_at"))
    ours = {row.number: row for row in facts.values() if row.number.startswith(CREDIT_NOTE_PREFIX)}
    if ours:
        sync_credit_note_states(context.merchant, ours.values(), asked_at=context.asked_at, now=context.asked_at)
        retry_cleared_tasks(context.merchant, dict(ours), now=context.asked_at)
    notify_mirror_listeners(context.merchant, credit_ids=[credit.pk for credit in made], now=context.asked_at)
    return [credit.changed_at for credit in made]


def sort_by_change[T: HasChangedAt](rows: Iterable[T]) -> list[T]:
    """In the order of change, so that of two readings of one document in a page the newer one stays."""
    return sorted(rows, key=lambda row: row.changed_at or EARLIEST)


def find_changed_rows(
    context: ReadContext, model: type[Model], id_name: str, wanted: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The documents that are not held, or held as they were before. One statement.

    Of two readings of the same moment of change the later one is right: some books tell the time in seconds.
    """
    rows: QuerySet[Any] = model._default_manager.filter(**context.owner_columns, **{f"{id_name}__in": wanted})
    columns = next(iter(wanted.values()), {})
    held = {row[id_name]: row for row in rows.values(id_name, "read_at", *columns)}
    return {key: columns for key, columns in wanted.items() if is_newer(context, columns, held.get(key))}


def is_newer(context: ReadContext, columns: dict[str, Any], stored: dict[str, Any] | None) -> bool:
    """Whether this reading says something that the held row does not, and is not older."""
    if stored is None or stored["changed_at"] is None or columns["changed_at"] is None:
        return True
    if columns["changed_at"] != stored["changed_at"]:
        return bool(columns["changed_at"] > stored["changed_at"])
    is_other = any(stored[name] != value for name, value in columns.items())
    return is_other and context.asked_at >= stored["read_at"]


def upsert_rows(model: type[Model], made: Sequence[Model], id_name: str, columns: Sequence[str]) -> None:
    """Insert the rows, or overwrite those that are there, and give them their primary keys. One statement."""
    if made:
        model._default_manager.bulk_create(
            made,
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", id_name],
            update_fields=list(columns),
        )


def build_document_key(context: ReadContext, ledger_id: str) -> dict[str, Any]:
    """The columns that say whose document it is."""
    return {**context.owner_columns, "ledger_id": ledger_id, "read_at": context.asked_at}


def set_companies(context: ReadContext, made: Sequence[LedgerInvoice | LedgerCredit]) -> None:
    """Give each document the company that is its contact, if one is. One statement."""
    companies = PayerCompany.objects.filter(
        **context.owner_columns, contact_id__in={row.contact_id for row in made if row.contact_id}
    )
    known = dict(companies.values_list("contact_id", "pk"))
    for row in made:
        row.company_id = known.get(row.contact_id)


def upsert_applications(context: ReadContext, facts: dict[int, RemoteInvoice]) -> None:
    """Make what is put to these invoices, by primary key, what the books say. Three statements at most."""
    wanted = {
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
        for pk, row in facts.items()
        for each in row.applied
    }
    held = {(a.invoice_id, a.kind, a.ledger_id): a for a in LedgerApplication.objects.filter(invoice__in=facts)}
    gone = [row.pk for key, row in held.items() if key not in wanted]
    if gone:
        LedgerApplication.objects.filter(pk__in=gone).delete()
    fresh = [row for key, row in wanted.items() if key not in held or has_changed(held[key], row)]
    if fresh:
        LedgerApplication.objects.bulk_create(
            fresh,
            update_conflicts=True,
            unique_fields=["invoice", "kind", "ledger_id"],
            update_fields=["source_id", "remark", "amount", "on", "read_at"],
        )


def has_changed(stored: LedgerApplication, read: LedgerApplication) -> bool:
    """Whether the books say something else of it now."""
    names = ("source_id", "remark", "amount", "on")
    return any(getattr(stored, name) != getattr(read, name) for name in names)


def build_contact_columns(row: RemoteContact) -> dict[str, Any]:
    """A contact as columns."""
    found = (row.name[:255], fold_name(row.name), row.email[:255], row.is_active, row.changed_at)
    return dict(zip(CONTACT_COLUMNS, found, strict=True))


def build_document_columns(row: RemoteInvoice | RemoteCreditNoteDetails) -> dict[str, Any]:
    """What invoices and credits have in common, as columns."""
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
    """An invoice as columns."""
    more = {"status": row.status, "due": row.due.amount, "due_on": row.due_on, "term_id": row.term_id}
    return build_document_columns(row) | more


def build_credit_columns(row: RemoteCreditNoteDetails) -> dict[str, Any]:
    """A credit note as columns."""
    return build_document_columns(row) | {"status": CREDIT_STATUSES[row.status], "remaining": row.remaining.amount}


@transaction_required
def mark_contacts_deleted(context: ReadContext, page: RemotePage[Any]) -> int:
    """Contacts that are there no more are not active; answers how many were."""
    rows = LedgerContact.objects.filter(**context.owner_columns, contact_id__in=page.tombstones, is_active=True)
    return len(mark_rows_deleted(rows, get_deletion_time(context, page), is_active=False, read_at=context.asked_at))


def mark_invoices_deleted(context: ReadContext, page: RemotePage[Any]) -> int:
    """The same for invoices: nothing is due of them, and nothing stands against them."""
    rows = LedgerInvoice.objects.filter(**context.owner_columns, ledger_id__in=page.tombstones).exclude(
        status="deleted"
    )
    keys = mark_rows_deleted(rows, get_deletion_time(context, page), status="deleted", due=0, read_at=context.asked_at)
    LedgerApplication.objects.filter(invoice__in=keys).delete()
    notify_mirror_listeners(context.merchant, invoice_ids=keys, now=context.asked_at)
    return len(keys)


def mark_credits_deleted(context: ReadContext, page: RemotePage[Any]) -> int:
    """The same for credit notes: nothing is left of them, nor of what they gave to invoices; ours are void."""
    rows = LedgerCredit.objects.filter(**context.owner_columns, ledger_id__in=page.tombstones).exclude(status="deleted")
    keys = mark_rows_deleted(
        rows, get_deletion_time(context, page), status="deleted", remaining=0, read_at=context.asked_at
    )
    given = LedgerApplication.objects.filter(**context.owner_columns, kind="credit", source_id__in=page.tombstones)
    invoices = set(given.values_list("invoice", flat=True))
    given.delete()
    record_deleted_credit_notes(context.merchant, context.organisation_id, page.tombstones, now=context.asked_at)
    notify_mirror_listeners(context.merchant, invoice_ids=sorted(invoices), credit_ids=keys, now=context.asked_at)
    return len(keys)


def mark_rows_deleted(rows: QuerySet[Any], moment: datetime, **columns: Any) -> list[int]:
    """Write that they are gone; answers their keys."""
    keys = list(rows.values_list("pk", flat=True))
    if keys:
        rows.model.objects.filter(pk__in=keys).update(changed_at=Greatest("changed_at", Value(moment)), **columns)
    return keys


def get_deletion_time(context: ReadContext, page: RemotePage[Any]) -> datetime:
    """When they were surely gone, by the books' clock if that was told."""
    return page.as_of or context.asked_at
