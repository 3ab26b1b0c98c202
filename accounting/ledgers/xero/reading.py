"""The reading verbs of the Xero ledger: lists by the page or by ids, for the mirror and the reconciliation."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from accounting.ledgers.parsing import RemoteRow, list_rows, parse_rows
from accounting.ledgers.protocol import (
    RemoteContact,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemotePage,
    RemotePayment,
)
from accounting.ledgers.remote_documents import UnreadableRow
from accounting.ledgers.xero.client import Operation, XeroOrganisation
from accounting.ledgers.xero.parsing import (
    LARGEST_PAGE,
    SALES_PAYMENT_TYPES,
    parse_answered_at,
    parse_contact,
    parse_credit_note_details,
    parse_invoice,
    parse_page_count,
    parse_payment,
)
from wisepay import clock

PAYMENT_ORDER = {"order": "PaymentID ASC"}
SALES_INVOICE_FILTER, CREDIT_NOTE_FILTER = 'Type=="ACCREC"', 'Type=="ACCRECCREDIT"'


class XeroReader(XeroOrganisation):
    """Lists are ordered by id: a changed row keeps its place, where an order by change would move others past us."""

    def read_contact_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteContact]:
        query = {"summary_only": True, "include_archived": True, "order": "ContactID ASC"}
        return self._read_page("Contacts", parse_contact, self._api.get_contacts, page, since, **query)

    def read_contacts(self, ids: list[str]) -> RemotePage[RemoteContact]:
        # The whole contacts, by the page: nothing less says which contact took the place of a merged one.
        rows = self._client.read_named(self._api.get_contacts, "Contacts", "i_ds", ids, include_archived=True)
        return build_page(rows, parse_contact)

    def read_invoice_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteInvoice]:
        query = {"where": SALES_INVOICE_FILTER, "order": "InvoiceID ASC"}
        return self._read_page("Invoices", parse_invoice, self._api.get_invoices, page, since, **query)

    def read_invoices(self, ids: list[str]) -> RemotePage[RemoteInvoice]:
        operation = self._api.get_invoices
        rows = self._client.read_named(operation, "Invoices", "i_ds", ids, where=SALES_INVOICE_FILTER)
        return build_page(rows, parse_invoice)

    def read_invoices_by_number(self, numbers: list[str]) -> RemotePage[RemoteInvoice]:
        operation = self._api.get_invoices
        rows = self._client.read_named(operation, "Invoices", "invoice_numbers", numbers, where=SALES_INVOICE_FILTER)
        return build_page(rows, parse_invoice)

    def read_credit_note_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteCreditNoteDetails]:
        query = {"where": CREDIT_NOTE_FILTER, "order": "CreditNoteID ASC"}
        operation = self._api.get_credit_notes
        return self._read_page("CreditNotes", parse_credit_note_details, operation, page, since, **query)

    def read_credit_notes_by_id(self, ids: list[str]) -> RemotePage[RemoteCreditNoteDetails]:
        conditions = [f'CreditNoteID==Guid("{each}")' for each in ids]
        rows = self._client.read_any(self._api.get_credit_notes, "CreditNotes", conditions, also=CREDIT_NOTE_FILTER)
        return build_page(rows, parse_credit_note_details)

    def read_payment_page(self, page: int, *, since: datetime | None) -> RemotePage[RemotePayment]:
        found = self._read_page("Payments", parse_sales_payment, self._api.get_payments, page, since, **PAYMENT_ORDER)
        rows = tuple(row for row in found.rows if row is not None)
        return RemotePage(rows, found.pages, as_of=found.as_of, unreadable=found.unreadable)

    def _read_page[T](
        self,
        plural: str,
        parse: Callable[[RemoteRow], T],
        operation: Operation,
        page: int,
        since: datetime | None,
        **query: Any,
    ) -> RemotePage[T]:
        body = self._client.read(operation, page=page, page_size=LARGEST_PAGE, if_modified_since=since, **query)
        rows = list_rows(body, plural)
        pages = parse_page_count(body, page=page, count=len(rows))
        return replace(build_page(rows, parse), pages=pages, as_of=parse_answered_at(body, now=clock.now()))


def build_page[T](rows: Iterable[RemoteRow], parse: Callable[[RemoteRow], T]) -> RemotePage[T]:
    """Return the rows as one page, with those that cannot be read."""
    unreadable: list[UnreadableRow] = []
    found = parse_rows(rows, parse, unreadable)
    return RemotePage(tuple(found), 1, unreadable=tuple(unreadable))


def parse_sales_payment(row: RemoteRow) -> RemotePayment | None:
    """Parse a payment of a sales invoice or out of a customer's credit note; None for any other."""
    return parse_payment(row) if row.get("PaymentType") in SALES_PAYMENT_TYPES else None
