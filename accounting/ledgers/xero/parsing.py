"""What Xero answers, translated from plain JSON: contacts, documents, payments, lists, and the results of writes."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from accounting.ledgers.parsing import RemoteRow, parse_money
from accounting.ledgers.protocol import (
    RemoteAccount,
    RemoteAllocation,
    RemoteApplication,
    RemoteContact,
    RemoteCreditNote,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemotePayment,
    RemoteRefund,
    RemoteTaxCode,
    RemoteTerm,
    WriteResult,
)
from wisepay.errors import Unavailable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DOTNET_DATE = re.compile(r"/Date\((-?\d+)")
INVOICE_STATUSES = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "open",
    "PAID": "paid",
    "VOIDED": "voided",
    "DELETED": "deleted",
}
CREDIT_NOTE_STATUSES = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "approved",
    "PAID": "applied",
    "DELETED": "removed",
    "VOIDED": "voided",
}
RECEIVED_PAYMENT_TYPE = "ACCRECPAYMENT"
SALES_PAYMENT_TYPES = (RECEIVED_PAYMENT_TYPE, "ARCREDITPAYMENT")
CREDIT_TYPES = {"CreditNotes": "CreditNote", "Prepayments": "Prepayment", "Overpayments": "Overpayment"}


# ---- contacts and documents -------------------------------------------------------------------------


def parse_contact(row: RemoteRow) -> RemoteContact:
    """Parse a contact."""
    return RemoteContact(
        id=row["ContactID"],
        name=row.get("Name") or "",
        email=row.get("EmailAddress") or "",
        is_active=row.get("ContactStatus") == "ACTIVE",
        changed_at=parse_instant(row["UpdatedDateUTC"]),
    )


def parse_invoice(row: RemoteRow) -> RemoteInvoice:
    """Parse a sales invoice with everything that was applied to it."""
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
    """Parse the payments, credits, prepayments and overpayments of an invoice; a credit's second use gets a suffix."""
    for paid in list_standing_payments(row):
        key = paid["PaymentID"]
        amount, on = parse_money(paid["Amount"], currency), parse_date(paid["Date"])
        yield RemoteApplication("payment", key, key, paid.get("Reference") or "", amount, on)
    uses: dict[str, int] = {}
    for plural, name in CREDIT_TYPES.items():
        for used in row.get(plural) or []:
            key = used[f"{name}ID"]
            uses[key] = uses.get(key, 0) + 1
            application_id = key if uses[key] == 1 else f"{key}:{uses[key]}"
            remark = used.get(f"{name}Number") or used.get("Reference") or ""
            amount, on = parse_money(used["AppliedAmount"], currency), parse_date(used["Date"])
            yield RemoteApplication("credit", application_id, key, remark, amount, on)


def parse_credit_note(row: RemoteRow) -> RemoteCreditNote:
    """Parse a customer's credit note with its allocations and refunds."""
    currency = row["CurrencyCode"]
    return RemoteCreditNote(
        number=row.get("CreditNoteNumber") or "",
        id=row["CreditNoteID"],
        status=CREDIT_NOTE_STATUSES[row["Status"]],
        total=parse_money(row.get("Total"), currency),
        remaining=parse_money(row.get("RemainingCredit"), currency),
        allocations=tuple(parse_allocation(each, currency) for each in row.get("Allocations") or []),
        refunds=tuple(parse_refund(each, currency) for each in list_standing_payments(row)),
    )


def parse_credit_note_details(row: RemoteRow) -> RemoteCreditNoteDetails:
    """Parse a customer's credit note with what the mirror saves of it."""
    return RemoteCreditNoteDetails.from_credit_note(
        parse_credit_note(row),
        remark=row.get("Reference") or "",
        contact_id=row["Contact"]["ContactID"],
        issued_on=parse_optional_date(row.get("Date")),
        changed_at=parse_instant(row["UpdatedDateUTC"]),
    )


def parse_allocation(row: RemoteRow, currency: str) -> RemoteAllocation:
    """Parse the part of a credit note that was applied to an invoice."""
    invoice = row["Invoice"]
    return RemoteAllocation(
        invoice=invoice.get("InvoiceNumber") or "",
        amount=parse_money(row["Amount"], currency),
        on=parse_date(row["Date"]),
        id=row.get("AllocationID") or "",
        invoice_id=invoice["InvoiceID"],
    )


def parse_refund(row: RemoteRow, currency: str) -> RemoteRefund:
    """Parse the part of a credit note that was paid out."""
    return RemoteRefund(
        id=row["PaymentID"],
        reference=row.get("Reference") or "",
        amount=parse_money(row["Amount"], currency),
        on=parse_date(row["Date"]),
    )


# ---- payments ---------------------------------------------------------------------------------------


def list_standing_payments(document: RemoteRow) -> list[RemoteRow]:
    """Return those payments of a document that are not deleted."""
    return [row for row in document.get("Payments") or [] if row.get("Status") != "DELETED"]


def parse_payment(row: RemoteRow) -> RemotePayment:
    """Parse a payment of a sales invoice or out of a customer's credit note."""
    is_received = row.get("PaymentType") == RECEIVED_PAYMENT_TYPE
    name = "Invoice" if is_received else "CreditNote"
    document = row[name]
    return RemotePayment(
        id=row["PaymentID"],
        reference=row.get("Reference") or "",
        amount=parse_money(row.get("Amount"), document["CurrencyCode"]),
        on=parse_date(row["Date"]),
        account=(row.get("Account") or {}).get("Code") or "",
        is_received=is_received,
        is_standing=row.get("Status") != "DELETED",
        document_id=document[f"{name}ID"],
        document_number=document.get(f"{name}Number") or "",
    )


# ---- lists ------------------------------------------------------------------------------------------


def parse_account(row: RemoteRow) -> RemoteAccount:
    """Parse an account of the chart."""
    kind = row.get("Type") or ""
    return RemoteAccount(
        code=row["Code"],
        name=row["Name"],
        kind=kind,
        takes_payments=bool(row.get("EnablePaymentsToAccount")) or kind == "BANK",
        holds_prepayments=kind != "BANK",
        number=row["Code"],
    )


def parse_tax_code(row: RemoteRow) -> RemoteTaxCode:
    """Parse a tax rate."""
    return RemoteTaxCode(code=row["TaxType"], name=row["Name"], rate=Decimal(str(row.get("EffectiveRate") or 0)))


def parse_term(row: RemoteRow) -> RemoteTerm:
    """Parse a branding theme."""
    return RemoteTerm(id=row["BrandingThemeID"], name=row.get("Name") or "")


# ---- results ----------------------------------------------------------------------------------------


class NumberedOrder(Protocol):
    """Any order: its number names its result."""

    @property
    def number(self) -> str: ...


def parse_results(orders: Sequence[NumberedOrder], rows: list[RemoteRow] | None, id_field: str) -> list[WriteResult]:
    """Parse one result an order. Raises Unavailable when there are more or fewer: what was written is unknown."""
    if rows is None or len(rows) != len(orders):
        raise Unavailable("Xero answered another number of elements than were sent")
    return [parse_result(order.number, row, id_field) for order, row in zip(orders, rows, strict=True)]


def parse_result(number: str, row: RemoteRow, id_field: str) -> WriteResult:
    """Parse the result of one element: its id, or why Xero refused it."""
    errors = [each.get("Message") or "" for each in row.get("ValidationErrors") or []]
    if errors or row.get("StatusAttributeString") == "ERROR":
        return WriteResult(number, refusal="; ".join(filter(None, errors)) or "Xero gave no reason.")
    return WriteResult(number, id=row.get(id_field) or "")


# ---- fields -----------------------------------------------------------------------------------------


def parse_page_count(body: RemoteRow) -> int:
    """Return how many pages a list has."""
    return int((body.get("pagination") or {}).get("pageCount") or 0)


def parse_instant(text: str) -> datetime:
    """Parse an instant, in .NET's form or ISO's. Raises ValueError."""
    if dotnet := DOTNET_DATE.match(text):
        return EPOCH + timedelta(milliseconds=int(dotnet[1]))
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def parse_optional_date(text: str | None) -> date | None:
    """Parse a day that may be missing. Raises ValueError."""
    return parse_date(text) if text else None


def parse_date(text: str) -> date:
    """Parse a day. Raises ValueError."""
    return parse_instant(text).date()
