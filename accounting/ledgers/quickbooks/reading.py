"""The reading verbs of the QuickBooks ledger: lists by the page, changes of all types in one call, rows by id.

A page is 2,000 documents in one call. Invoices link their payments: one call more. Credit memos are linked by payments:
two calls more where any was used, one for their customers' payments and one for the invoices' numbers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from accounting.ledgers.parsing import LONGEST_ID, UNREADABLE, RemoteRow, UnreadableField, get_text, parse_rows
from accounting.ledgers.protocol import (
    RemoteContact,
    RemoteCreditNote,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemotePage,
    RemotePayment,
)
from accounting.ledgers.quickbooks.company import QueryPage, QuickBooksCompany, read_entity, split_into_chunks
from accounting.ledgers.quickbooks.parsing import (
    EXPENSE_TYPES,
    RowsById,
    add_credit_uses,
    get_first_invoice_id,
    has_money,
    is_voided,
    list_links,
    list_payment_ids,
    parse_applications,
    parse_changed_at,
    parse_contact,
    parse_credit_note,
    parse_credit_note_details,
    parse_credit_uses,
    parse_invoice,
    parse_payment,
    parse_refund_payments,
    read_ref,
)
from accounting.ledgers.quickbooks.shapes import build_in_condition
from accounting.ledgers.remote_documents import UnreadableRow
from wisepay import clock

ACTIVE_AND_INACTIVE = "Active IN (true, false)"
DELETION_FEED_WINDOW = timedelta(days=29)
DELETION_FEED_LIMIT = timedelta(
    days=29, hours=12
)  # change data capture reaches back 30 days, by a clock that is not ours
CREDIT_MEMO = "CreditMemo"
CAPTURED_ENTITIES = (
    "Customer",
    "Invoice",
    "CreditMemo",
    "Payment",
)  # in one call, because whoever reads one type reads the others next
MAX_CAPTURED_CHANGES = 1000  # objects that change data capture lists at most
CUSTOMERS_PER_QUERY = 100  # whose payments one query asks for


@dataclass(frozen=True, slots=True)
class ChangeDataCapture:
    """What changed since an instant. `served_kinds` were read from it already: each is read once."""

    since: datetime
    as_of: datetime | None
    rows: dict[str, list[RemoteRow]]
    served_kinds: set[str] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """Return whether no change was left out."""
        return sum(len(rows) for rows in self.rows.values()) < MAX_CAPTURED_CHANGES

    def get_existing_rows(self) -> dict[str, RowsById]:
        """Return the rows that are not deleted, by type and id."""
        return {
            entity: {get_text(row, "Id"): row for row in rows if row.get("status") != "Deleted"}
            for entity, rows in self.rows.items()
        }


class QuickBooksReader(QuickBooksCompany):
    """Lists are in the order of ids, which a change of a row does not change."""

    deletion_feed_window = DELETION_FEED_WINDOW
    _last_capture: ChangeDataCapture | None = None

    def read_contact_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteContact]:
        found = self._query_page_or_changes("Customer", ACTIVE_AND_INACTIVE, page, since)
        return build_page(found, partial(parse_rows, found.rows, parse_contact))

    def read_contacts(self, ids: list[str]) -> RemotePage[RemoteContact]:
        found = self._query_ids("Customer", ids, ACTIVE_AND_INACTIVE)
        return build_page(found, partial(parse_rows, found.rows, parse_contact))

    def read_invoice_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteInvoice]:
        found = self._query_page_or_changes("Invoice", "", page, since)
        return build_page(found, partial(self._invoices, found))

    def read_invoices(self, ids: list[str]) -> RemotePage[RemoteInvoice]:
        found = self._query_ids("Invoice", ids)
        return build_page(found, partial(self._invoices, found))

    def read_invoices_by_number(self, numbers: list[str]) -> RemotePage[RemoteInvoice]:
        rows = self._query_rows("Invoice", build_in_condition("DocNumber", numbers)) if numbers else []
        found = QueryPage(rows, 1, as_of=self._client.answered_at)
        return build_page(found, partial(self._invoices, found))

    def read_credit_note_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteCreditNoteDetails]:
        found = self._query_page_or_changes("CreditMemo", "", page, since)
        return build_page(found, partial(self._credits, found))

    def read_credit_notes_by_id(self, ids: list[str]) -> RemotePage[RemoteCreditNoteDetails]:
        found = self._query_ids("CreditMemo", ids)
        return build_page(found, partial(self._credits, found))

    def read_payment_page(self, page: int, *, since: datetime | None) -> RemotePage[RemotePayment]:
        found = self._query_page_or_changes("Payment", "", page, since)
        without_money = parse_rows(found.rows, get_id_without_money)
        tombstones = (*found.tombstones, *filter(None, without_money))
        return build_page(replace(found, tombstones=tombstones), partial(self._payments, found))

    # ---- rows by id, pages and changes ----------------------------------------------------------

    def _query_ids(self, entity: str, ids: list[str], where: str = "") -> QueryPage:
        """Query rows by id; those that are not answered do not exist."""
        condition = " AND ".join(filter(None, (build_in_condition("Id", ids), where)))
        rows = self._query_rows(entity, condition) if ids else []
        existing = {get_text(row, "Id") for row in rows}
        missing = tuple(key for key in dict.fromkeys(ids) if key not in existing)
        return QueryPage(rows, tombstones=() if "" in existing else missing)

    def _query_page_or_changes(self, entity: str, where: str, page: int, since: datetime | None) -> QueryPage:
        """Return a page of everything, or all changes at once; where they are too many or too old, a page of them."""
        if since is None:
            return self._query_page(entity, where, page)
        capture = self._get_changes(entity, since) if page == 1 else None
        deleted = list_deleted_ids(capture, entity, since) if capture else ()
        if capture and capture.is_complete:
            existing = capture.get_existing_rows()
            rows = [row for row in existing.get(entity, {}).values() if is_perhaps_changed_since(row, since)]
            return QueryPage(rows, as_of=capture.as_of, tombstones=deleted, related_rows=existing)
        when = f"MetaData.LastUpdatedTime >= '{since.isoformat()}'"
        found = self._query_page(entity, f"{where} AND {when}" if where else when, page)
        return replace(found, tombstones=deleted, is_truncated=capture is not None)

    def _get_changes(self, entity: str, since: datetime) -> ChangeDataCapture | None:
        """Return the changes of all types: the last answer, unless this type was read from it; None when too old."""
        if clock.now() - since > DELETION_FEED_LIMIT:
            return None
        capture = self._last_capture
        if capture is None or since < capture.since or entity in capture.served_kinds:
            listed = self._client.list_changes(",".join(CAPTURED_ENTITIES), since.isoformat())
            rows = collect_changes(listed)
            capture = self._last_capture = ChangeDataCapture(since, self._client.answered_at, rows)
        capture.served_kinds.add(entity)
        return capture

    # ---- rows with what belongs to them ---------------------------------------------------------

    def _invoices(self, found: QueryPage, unreadable: list[UnreadableRow]) -> list[RemoteInvoice]:
        """Parse invoices with what was applied to them; their payments are queried together.

        An invoice that links a payment which cannot be read cannot be read either: nobody knows what was applied.
        """
        keys = {key for row in found.rows for key in list_payment_ids(row)}
        payments = self._query_by_id({"Payment": keys}, found.related_rows)["Payment"]
        wanted = [payments[key] for key in sorted(keys) if key in payments]
        faults: list[UnreadableRow] = []
        applied = group_by_key(parse_rows(wanted, parse_applications, faults))
        unknown = {fault.id for fault in faults}

        def parse(row: RemoteRow) -> RemoteInvoice:
            check_links(list_payment_ids(row), unknown)
            return parse_invoice(row, applied.get(get_text(row, "Id"), ()))

        return parse_rows(found.rows, parse, unreadable)

    def _credits(self, found: QueryPage, unreadable: list[UnreadableRow]) -> list[RemoteCreditNoteDetails]:
        """Parse credit memos with what was used of them."""
        uses = {note.id: note for note in self._with_uses(found.rows, found.related_rows, unreadable)}
        known = [row for row in found.rows if get_text(row, "Id") in uses]
        return parse_rows(known, lambda row: parse_credit_note_details(row, uses[get_text(row, "Id")]), unreadable)

    def _with_uses(
        self,
        rows: list[RemoteRow],
        related_rows: dict[str, RowsById] | None = None,
        unreadable: list[UnreadableRow] | None = None,
    ) -> list[RemoteCreditNote]:
        """Parse credit memos with what was used of them, by their customers' payments: they link none themselves.

        A memo that is linked by a payment which cannot be read is left out: nobody knows what was used.
        """
        notes = parse_rows(rows, lambda row: (parse_credit_note(row), read_ref(row, "CustomerRef"), row), unreadable)
        payments = self._payments_of(customer for note, customer, _ in notes if note.remaining != note.total)
        links = [row for row in payments if has_credit_memo_link(row)]
        invoice_ids = {key for row in links for kind, key in list_links(row) if kind == "Invoice"}
        invoices = self._query_by_id({"Invoice": invoice_ids}, related_rows)["Invoice"]
        faults: list[UnreadableRow] = []
        uses = group_by_key(parse_rows(links, lambda row: parse_credit_uses(row, invoices), faults))
        unknown = {fault.id for fault in faults}
        linked = {
            key
            for row in links
            if get_text(row, "Id")[:LONGEST_ID] in unknown
            for kind, key in list_links(row)
            if kind == CREDIT_MEMO
        }

        def add_uses(found: tuple[RemoteCreditNote, str, RemoteRow]) -> RemoteCreditNote:
            return add_credit_uses(found[0], uses.get(found[0].id, ()))

        readable = [found for found in notes if found[0].id not in linked]
        parse_rows([row for note, _, row in notes if note.id in linked], refuse_unknown_uses, unreadable)
        return [add_uses(found) for found in readable]

    def _list_linked_payments(self, invoice_ids: Iterable[str]) -> dict[str, list[Any]]:
        """Query the payments that invoices link, by the invoice's id."""
        invoices = self._query_by_field("Invoice", "Id", invoice_ids)
        keys = {key: list_payment_ids(row) for key, row in invoices.items()}
        payments = self._query_by_id({"Payment": [one for some in keys.values() for one in some]})["Payment"]
        return {key: [payments[one] for one in some if one in payments] for key, some in keys.items()}

    def _payments_of(self, customers: Iterable[str]) -> list[RemoteRow]:
        """Query every payment of these customers."""
        conditions = [
            build_in_condition("CustomerRef", some)
            for some in split_into_chunks(sorted(set(customers)), CUSTOMERS_PER_QUERY)
        ]
        return self._query_all(("Payment", where) for where in conditions).get("Payment", [])

    def _payments(self, found: QueryPage, unreadable: list[UnreadableRow]) -> list[RemotePayment]:
        """Parse the money that payments brought, and the refunds of credit memos."""
        links = [row for row in found.rows if has_credit_memo_link(row)]
        received = [row for row in found.rows if brings_money(row)]
        ids: dict[str, Iterable[str]] = {
            "Invoice": [get_first_invoice_id(row) for row in received],
            "Purchase": [key for row in links for kind, key in list_links(row) if kind in EXPENSE_TYPES],
            "CreditMemo": [
                key for row in links if has_expense_link(row) for kind, key in list_links(row) if kind == CREDIT_MEMO
            ],
        }
        known = self._query_by_id(ids, found.related_rows)
        payments = parse_rows(received, lambda row: parse_payment(row, known["Invoice"]), unreadable)
        refunds = parse_rows(
            links, lambda row: tuple(parse_refund_payments(row, known["Purchase"], known["CreditMemo"])), unreadable
        )
        return [*payments, *(refund for each in refunds for refund in each)]


def build_page[T](found: QueryPage, parse: Callable[[list[UnreadableRow]], list[T]]) -> RemotePage[T]:
    """Return what was parsed as a page, with the rows that cannot be read."""
    unreadable: list[UnreadableRow] = []
    rows = tuple(parse(unreadable))
    return RemotePage(
        rows, found.pages, found.as_of, found.tombstones, found.is_truncated, tuple(dict.fromkeys(unreadable))
    )


def check_links(keys: Iterable[str], unknown: set[str]) -> None:
    """Raise UnreadableField if one of the linked payments cannot be read."""
    if unknown & {key[:LONGEST_ID] for key in keys}:
        raise UnreadableField("One of its payments cannot be read, so it is not known what was applied.")


def refuse_unknown_uses(row: RemoteRow) -> None:
    """Raise UnreadableField for a credit memo whose uses are not known."""
    raise UnreadableField("A payment that uses it cannot be read, so it is not known what remains.")


def collect_changes(listed: Iterable[Any]) -> dict[str, list[RemoteRow]]:
    """Collect the changes of the types that we mirror. Raises Unavailable where they are no list."""
    return {
        name: read_entity(each, name)
        for each in listed
        if isinstance(each, dict)
        for name in CAPTURED_ENTITIES
        if name in each
    }


def brings_money(row: RemoteRow) -> bool:
    """Return whether a payment stands and brings money, or says of it what cannot be read."""
    try:
        return has_money(row) and not is_voided(row)
    except UNREADABLE:
        return True


def get_id_without_money(row: RemoteRow) -> str:
    """Return the id of a payment that brings no money; empty for any other."""
    return "" if brings_money(row) else get_text(row, "Id")


def group_by_key[T](found: Iterable[Iterable[tuple[str, T]]]) -> dict[str, list[T]]:
    """Group what was parsed of many rows by its key."""
    grouped: dict[str, list[T]] = {}
    for key, value in (pair for pairs in found for pair in pairs):
        grouped.setdefault(key, []).append(value)
    return grouped


def has_credit_memo_link(payment: RemoteRow) -> bool:
    """Return whether a payment links a credit memo."""
    return any(kind == CREDIT_MEMO for kind, _ in list_links(payment))


def has_expense_link(payment: RemoteRow) -> bool:
    """Return whether a payment links an expense."""
    return any(kind in EXPENSE_TYPES for kind, _ in list_links(payment))


def is_perhaps_changed_since(row: RemoteRow, since: datetime) -> bool:
    """Return whether a row changed since then, or does not say; QuickBooks' times are whole seconds."""
    try:
        return parse_changed_at(row) >= since.replace(microsecond=0)
    except UNREADABLE:
        return True


def list_deleted_ids(captured: ChangeDataCapture, entity: str, since: datetime) -> tuple[str, ...]:
    """Return the ids that change data capture lists as deleted since then."""
    rows = [row for row in captured.rows.get(entity, []) if row.get("status") == "Deleted"]
    return tuple(get_text(row, "Id") for row in rows if is_perhaps_changed_since(row, since) and get_text(row, "Id"))
