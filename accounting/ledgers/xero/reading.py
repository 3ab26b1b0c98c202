"""The reading verbs of the Xero ledger: lists by the page or by ids, for the mirror and the reconciliation."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from accounting.ledgers.parsing import RemoteRow, parse_rows
from accounting.ledgers.protocol import (
    RemoteContact,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemotePage,
    RemotePayment,
)
from accounting.ledgers.xero.client import Operation, XeroOrganisation
from accounting.ledgers.xero.parsing import (
    SALES_PAYMENT_TYPES,
    parse_contact,
    parse_credit_note_details,
    parse_instant,
    parse_invoice,
    parse_page_count,
    parse_payment,
)

LARGEST_PAGE = 1000
SALES_INVOICE_FILTER, CREDIT_NOTE_FILTER = 'Type=="ACCREC"', 'Type=="ACCRECCREDIT"'


class XeroReader(XeroOrganisation):
    """Lists are ordered by id: a changed row keeps its place, where an order by change would move others past us."""

    def read_contact_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteContact]:
        query = {"summary_only": True, "include_archived": True, "order": "ContactID ASC"}
        return self._read_page("Contacts", parse_contact, self._api.get_contacts, page, since, **query)

    def read_contacts(self, ids: list[str]) -> RemotePage[RemoteContact]:
        query = {"i_ds": ids, "summary_only": True, "include_archived": True}
        return self._read_by_ids("Contacts", parse_contact, self._api.get_contacts, **query)

    def read_invoice_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteInvoice]:
        query = {"where": SALES_INVOICE_FILTER, "order": "InvoiceID ASC"}
        return self._read_page("Invoices", parse_invoice, self._api.get_invoices, page, since, **query)

    def read_invoices(self, ids: list[str]) -> RemotePage[RemoteInvoice]:
        query = {"where": SALES_INVOICE_FILTER, "i_ds": ids}
        return self._read_by_ids("Invoices", parse_invoice, self._api.get_invoices, **query)

    def read_credit_note_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteCreditNoteDetails]:
        query = {"where": CREDIT_NOTE_FILTER, "order": "CreditNoteID ASC"}
        operation = self._api.get_credit_notes
        return self._read_page("CreditNotes", parse_credit_note_details, operation, page, since, **query)

    def read_credit_notes_by_id(self, ids: list[str]) -> RemotePage[RemoteCreditNoteDetails]:
        any_id = " OR ".join(f'CreditNoteID==Guid("{each}")' for each in ids)
        query = {"where": f"{CREDIT_NOTE_FILTER} AND ({any_id})"}
        return self._read_by_ids("CreditNotes", parse_credit_note_details, self._api.get_credit_notes, **query)

    def read_payment_page(self, page: int, *, since: datetime | None) -> RemotePage[RemotePayment]:
        query = {"order": "PaymentID ASC", "if_modified_since": since}
        body = self._client.read(self._api.get_payments, page=page, page_size=LARGEST_PAGE, **query)
        rows = (row for row in body.get("Payments") or [] if row.get("PaymentType") in SALES_PAYMENT_TYPES)
        return RemotePage(tuple(parse_rows(rows, parse_payment)), parse_page_count(body))

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
        rows = tuple(parse_rows(body.get(plural) or [], parse))
        answered_at = parse_instant(body["DateTimeUTC"]) if body.get("DateTimeUTC") else None
        return RemotePage(rows, parse_page_count(body), as_of=answered_at)

    def _read_by_ids[T](
        self, plural: str, parse: Callable[[RemoteRow], T], operation: Operation, **query: Any
    ) -> RemotePage[T]:
        body = self._client.read(operation, page=1, page_size=100, **query)
        return RemotePage(tuple(parse_rows(body.get(plural) or [], parse)), 1)
