"""What the mirror reads of Xero: contacts, sales invoices and credit notes, by the page or by their ids."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from accounting.ledgers.parsing import RemoteRow, parse_money, parse_rows
from accounting.ledgers.protocol import (
    RemoteAllocation,
    RemoteApplication,
    RemoteContact,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemotePage,
    RemoteRefund,
)
from accounting.ledgers.xero.base import XeroOrganisation
from accounting.ledgers.xero.client import call_api_json
from accounting.ledgers.xero.credit_notes import LARGEST_PAGE
from accounting.ledgers.xero.shapes import CREDIT_NOTE_STATUSES
from wisepay.money import Money

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DOTNET_DATE = re.compile(r"/Date\((-?\d+)")
SALES_INVOICE_FILTER, CREDIT_NOTE_FILTER = 'Type=="ACCREC"', 'Type=="ACCRECCREDIT"'
INVOICE_STATUSES = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "open",
    "PAID": "paid",
    "VOIDED": "voided",
    "DELETED": "deleted",
}


class XeroReader(XeroOrganisation):
    """Lists are ordered by id: a changed row keeps its place, where one ordered by change would push others past us."""

    def read_contact_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteContact]:
        asked = {"summary_only": True, "include_archived": True, "order": "ContactID ASC"}
        return self._read_page("Contacts", parse_contact, self._api.get_contacts, page, since, **asked)

    def read_contacts(self, ids: list[str]) -> RemotePage[RemoteContact]:
        asked = {"i_ds": ids, "summary_only": True, "include_archived": True}
        return self._read_by_ids("Contacts", parse_contact, self._api.get_contacts, **asked)

    def read_invoice_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteInvoice]:
        asked = {"where": SALES_INVOICE_FILTER, "order": "InvoiceID ASC"}
        return self._read_page("Invoices", parse_invoice, self._api.get_invoices, page, since, **asked)

    def read_invoices(self, ids: list[str]) -> RemotePage[RemoteInvoice]:
        return self._read_by_ids(
            "Invoices", parse_invoice, self._api.get_invoices, where=SALES_INVOICE_FILTER, i_ds=ids
        )

    def read_credit_note_page(self, page: int, *, since: datetime | None) -> RemotePage[RemoteCreditNoteDetails]:
        asked = {"where": CREDIT_NOTE_FILTER, "order": "CreditNoteID ASC"}
        return self._read_page(
            "CreditNotes", parse_credit_note_details, self._api.get_credit_notes, page, since, **asked
        )

    def read_credit_notes_by_id(self, ids: list[str]) -> RemotePage[RemoteCreditNoteDetails]:
        named = " OR ".join(f'CreditNoteID==Guid("{each}")' for each in ids)
        asked = {"where": f"{CREDIT_NOTE_FILTER} AND ({named})"}
        return self._read_by_ids("CreditNotes", parse_credit_note_details, self._api.get_credit_notes, **asked)

    def _read_page[T](
        self,
        plural: str,
        read: Callable[[RemoteRow], T],
        operation: Callable[..., Any],
        page: int,
        since: datetime | None,
        **asked: Any,
    ) -> RemotePage[T]:
        if since is not None:
            asked["if_modified_since"] = since
        body = call_api_json(operation, self._caller, page=page, page_size=LARGEST_PAGE, **asked)
        rows = tuple(parse_rows(body.get(plural) or [], read))
        pages = int((body.get("pagination") or {}).get("pageCount") or 0)
        return RemotePage(rows, pages, as_of=parse_instant(body["DateTimeUTC"]) if body.get("DateTimeUTC") else None)

    def _read_by_ids[T](
        self, plural: str, read: Callable[[RemoteRow], T], operation: Callable[..., Any], **asked: Any
    ) -> RemotePage[T]:
        body = call_api_json(operation, self._caller, page=1, page_size=100, **asked)
        return RemotePage(tuple(parse_rows(body.get(plural) or [], read)), 1)


def parse_contact(row: RemoteRow) -> RemoteContact:
    """A contact."""
    return RemoteContact(
        id=row["ContactID"],
        name=row.get("Name") or "",
        email=row.get("EmailAddress") or "",
        is_active=row.get("ContactStatus") == "ACTIVE",
        changed_at=parse_instant(row["UpdatedDateUTC"]),
    )


def parse_invoice(row: RemoteRow) -> RemoteInvoice:
    """A sales invoice with everything that was put to it."""
    currency = row["CurrencyCode"]
    return RemoteInvoice(
        id=row["InvoiceID"],
        number=row.get("InvoiceNumber") or "",
        remark=row.get("Reference") or "",
        contact_id=row["Contact"]["ContactID"],
        status=INVOICE_STATUSES[row["Status"]],  # type: ignore[arg-type]  # the table's values are its words
        total=parse_money(row.get("Total"), currency),
        due=parse_money(row.get("AmountDue"), currency),
        issued_on=parse_optional_date(row.get("Date")),
        due_on=parse_optional_date(row.get("DueDate")),
        term_id=row.get("BrandingThemeID") or "",
        changed_at=parse_instant(row["UpdatedDateUTC"]),
        applied=tuple(parse_applications(row, currency)),
    )


def parse_applications(row: RemoteRow, currency: str) -> Iterable[RemoteApplication]:
    """Payments, and what credits, prepayments and overpayments gave; the same credit twice is told apart by a count."""
    for paid in row.get("Payments") or []:
        if paid.get("Status") != "DELETED":
            given = parse_money(paid["Amount"], currency)
            key = paid["PaymentID"]
            yield RemoteApplication("payment", key, key, paid.get("Reference") or "", given, parse_date(paid["Date"]))
    seen: dict[str, int] = {}
    for plural, name in (("CreditNotes", "CreditNote"), ("Prepayments", "Prepayment"), ("Overpayments", "Overpayment")):
        for used in row.get(plural) or []:
            key = used[f"{name}ID"]
            seen[key] = seen.get(key, 0) + 1
            number = key if seen[key] == 1 else f"{key}:{seen[key]}"
            remark = used.get(f"{name}Number") or used.get("Reference") or ""
            yield RemoteApplication(
                "credit", number, key, remark, parse_money(used["AppliedAmount"], currency), parse_date(used["Date"])
            )


def parse_credit_note_details(row: RemoteRow) -> RemoteCreditNoteDetails:
    """A credit note for a customer."""
    currency = row["CurrencyCode"]
    return RemoteCreditNoteDetails(
        number=row.get("CreditNoteNumber") or "",
        id=row["CreditNoteID"],
        status=CREDIT_NOTE_STATUSES[row["Status"]],
        total=parse_money(row.get("Total"), currency),
        remaining=parse_money(row.get("RemainingCredit"), currency),
        allocations=tuple(parse_allocation(each, currency) for each in row.get("Allocations") or []),
        refunds=tuple(parse_refunds(row, currency)),
        remark=row.get("Reference") or "",
        contact_id=row["Contact"]["ContactID"],
        issued_on=parse_optional_date(row.get("Date")),
        changed_at=parse_instant(row["UpdatedDateUTC"]),
    )


def parse_allocation(row: RemoteRow, currency: str) -> RemoteAllocation:
    """A part that went to an invoice."""
    target = row["Invoice"]
    return RemoteAllocation(
        invoice=target.get("InvoiceNumber") or "",
        amount=parse_money(row["Amount"], currency),
        on=parse_date(row["Date"]),
        id=row.get("AllocationID") or "",
        invoice_id=target["InvoiceID"],
    )


def parse_refunds(row: RemoteRow, currency: str) -> Iterable[RemoteRefund]:
    """What was paid out of a credit note."""
    for paid in row.get("Payments") or []:
        if paid.get("Status") != "DELETED":
            given: Money = parse_money(paid["Amount"], currency)
            yield RemoteRefund(paid["PaymentID"], paid.get("Reference") or "", given, parse_date(paid["Date"]))


def parse_instant(text: str) -> datetime:
    """An instant of Xero's. Raises ValueError."""
    found = DOTNET_DATE.match(text)
    if found:
        return EPOCH + timedelta(milliseconds=int(found[1]))
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_optional_date(text: str | None) -> date | None:
    """A day of Xero's, if there is one. Raises ValueError."""
    return parse_instant(text).date() if text else None


def parse_date(text: str) -> date:
    """A day of Xero's. Raises ValueError."""
    return parse_instant(text).date()
