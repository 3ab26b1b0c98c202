"""Writing down what was read of the books: only what is newer than what we hold, in few statements a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from django.db.models import Model, QuerySet

from accounting.facts import record_facts, take_up
from accounting.ledgers.words import ContactFacts, CreditFacts, InvoiceFacts
from accounting.mirror_events import mirror_changed
from accounting.models import LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice
from merchants.models import Merchant
from payers.models import PayerCompany, folded

OURS = "PF_CR"
NEVER = datetime.min.replace(tzinfo=UTC)
CREDIT_STATUSES = {"draft": "draft", "approved": "open", "applied": "used", "removed": "deleted", "voided": "voided"}
DOCUMENT = ("number", "remark", "contact_id", "currency", "total", "issued_on", "changed_at")
INVOICE = (*DOCUMENT, "status", "due", "due_on", "term_id")
CREDIT = (*DOCUMENT, "status", "remaining")
CONTACT = ("name", "folded_name", "email", "is_active", "changed_at")


class Dated(Protocol):
    """What carries the books' time of its last change."""

    @property
    def changed_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Books:
    """Whose books are read, and when the reading was asked for."""

    merchant: Merchant
    organisation_id: str
    asked_at: datetime

    @property
    def mine(self) -> dict[str, Any]:
        """The columns that say so."""
        return {"merchant": self.merchant, "organisation_id": self.organisation_id}


def keep_contacts(books: Books, rows: Sequence[ContactFacts]) -> list[datetime]:
    """Write contacts down; answers when each one that was news had changed. A step of an open transaction."""
    fresh = news(books, LedgerContact, "contact_id", {row.id: contact_columns(row) for row in oldest_first(rows)})
    made = [
        LedgerContact(**books.mine, contact_id=key, read_at=books.asked_at, **columns) for key, columns in fresh.items()
    ]
    write(LedgerContact, made, "contact_id", (*CONTACT, "read_at"))
    return [columns["changed_at"] or books.asked_at for columns in fresh.values()]


def keep_invoices(books: Books, rows: Sequence[InvoiceFacts]) -> list[datetime]:
    """The same for invoices, with what was put to them."""
    facts = {row.id: row for row in oldest_first(rows)}
    fresh = news(books, LedgerInvoice, "ledger_id", {key: invoice_columns(row) for key, row in facts.items()})
    made = [LedgerInvoice(**frame(books, key), **columns) for key, columns in fresh.items()]
    put_companies(books, made)
    write(LedgerInvoice, made, "ledger_id", (*INVOICE, "company", "read_at"))
    keep_applications(books, {invoice.pk: facts[invoice.ledger_id] for invoice in made})
    mirror_changed(books.merchant, invoice_ids=[invoice.pk for invoice in made], now=books.asked_at)
    return [invoice.changed_at for invoice in made]


def keep_credits(books: Books, rows: Sequence[CreditFacts]) -> list[datetime]:
    """The same for credit notes; of ours also what is left of them, and the tasks that somebody did there."""
    facts = {row.id: row for row in oldest_first(rows)}
    fresh = news(books, LedgerCredit, "ledger_id", {key: credit_columns(row) for key, row in facts.items()})
    made = [LedgerCredit(**frame(books, key), **columns) for key, columns in fresh.items()]
    put_companies(books, made)
    write(LedgerCredit, made, "ledger_id", (*CREDIT, "company", "read_at"))
    ours = {row.number: row for row in facts.values() if row.number.startswith(OURS)}
    if ours:
        record_facts(books.merchant, ours.values(), asked_at=books.asked_at, now=books.asked_at)
        take_up(books.merchant, dict(ours), now=books.asked_at)
    mirror_changed(books.merchant, credit_ids=[credit.pk for credit in made], now=books.asked_at)
    return [credit.changed_at for credit in made]


def oldest_first[T: Dated](rows: Iterable[T]) -> list[T]:
    """In the order of change, so that of two readings of one document in a page the newer one stays."""
    return sorted(rows, key=lambda row: row.changed_at or NEVER)


def news(
    books: Books, model: type[Model], id_name: str, wanted: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The documents that are not held, or held as they were before. One statement.

    Of two readings of the same moment of change the later one is right: some books tell the time in seconds.
    """
    rows: QuerySet[Any] = model._default_manager.filter(**books.mine, **{f"{id_name}__in": wanted})
    columns = next(iter(wanted.values()), {})
    held = {row[id_name]: row for row in rows.values(id_name, "read_at", *columns)}
    return {key: columns for key, columns in wanted.items() if is_news(books, columns, held.get(key))}


def is_news(books: Books, columns: dict[str, Any], held: dict[str, Any] | None) -> bool:
    """Whether this reading says something that the held row does not, and is not older."""
    if held is None or held["changed_at"] is None or columns["changed_at"] is None:
        return True
    if columns["changed_at"] != held["changed_at"]:
        return bool(columns["changed_at"] > held["changed_at"])
    is_other = any(held[name] != value for name, value in columns.items())
    return is_other and books.asked_at >= held["read_at"]


def write(model: type[Model], made: Sequence[Model], id_name: str, columns: Sequence[str]) -> None:
    """Insert the rows, or overwrite those that are there, and give them their primary keys. One statement."""
    if made:
        model._default_manager.bulk_create(
            made,
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", id_name],
            update_fields=list(columns),
        )


def frame(books: Books, ledger_id: str) -> dict[str, Any]:
    """The columns that say whose document it is."""
    return {**books.mine, "ledger_id": ledger_id, "read_at": books.asked_at}


def put_companies(books: Books, made: Sequence[LedgerInvoice | LedgerCredit]) -> None:
    """Give each document the company that is its contact, if one is. One statement."""
    companies = PayerCompany.objects.filter(
        **books.mine, contact_id__in={row.contact_id for row in made if row.contact_id}
    )
    known = dict(companies.values_list("contact_id", "pk"))
    for row in made:
        row.company_id = known.get(row.contact_id)


def keep_applications(books: Books, facts: dict[int, InvoiceFacts]) -> None:
    """Make what is put to these invoices, by primary key, what the books say. Three statements at most."""
    wanted = {
        (pk, each.kind, each.id): LedgerApplication(
            **books.mine,
            invoice_id=pk,
            kind=each.kind,
            ledger_id=each.id[:80],
            source_id=each.source_id,
            remark=each.remark[:255],
            amount=each.amount.amount,
            on=each.on,
            read_at=books.asked_at,
        )
        for pk, row in facts.items()
        for each in row.applied
    }
    held = {(a.invoice_id, a.kind, a.ledger_id): a for a in LedgerApplication.objects.filter(invoice__in=facts)}
    gone = [row.pk for key, row in held.items() if key not in wanted]
    if gone:
        LedgerApplication.objects.filter(pk__in=gone).delete()
    fresh = [row for key, row in wanted.items() if key not in held or differs(held[key], row)]
    if fresh:
        LedgerApplication.objects.bulk_create(
            fresh,
            update_conflicts=True,
            unique_fields=["invoice", "kind", "ledger_id"],
            update_fields=["source_id", "remark", "amount", "on", "read_at"],
        )


def differs(held: LedgerApplication, read: LedgerApplication) -> bool:
    """Whether the books say something else of it now."""
    names = ("source_id", "remark", "amount", "on")
    return any(getattr(held, name) != getattr(read, name) for name in names)


def contact_columns(row: ContactFacts) -> dict[str, Any]:
    """A contact as columns."""
    found = (row.name[:255], folded(row.name), row.email[:255], row.is_active, row.changed_at)
    return dict(zip(CONTACT, found, strict=True))


def document_columns(row: InvoiceFacts | CreditFacts) -> dict[str, Any]:
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


def invoice_columns(row: InvoiceFacts) -> dict[str, Any]:
    """An invoice as columns."""
    more = {"status": row.status, "due": row.due.amount, "due_on": row.due_on, "term_id": row.term_id}
    return document_columns(row) | more


def credit_columns(row: CreditFacts) -> dict[str, Any]:
    """A credit note as columns."""
    return document_columns(row) | {"status": CREDIT_STATUSES[row.status], "remaining": row.remaining.amount}
