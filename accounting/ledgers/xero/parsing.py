"""What Xero answers, translated from plain JSON: contacts, documents, payments, lists, and the results of writes."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from accounting.ledgers.parsing import (
    NumberedOrder,
    RemoteRow,
    UnreadableField,
    check_day,
    check_instant,
    get_text,
    read_amount,
    read_currency,
    read_id,
    read_list,
    read_number,
    read_object,
    read_word,
)
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
NO_ID = "00000000-0000-0000-0000-000000000000"
DOTNET_DATE = re.compile(r"/Date\((-?\d{1,15})")
LARGEST_PAGE = 1000
MOST_PAGES = 100_000
CLOCK_TOLERANCE = timedelta(days=400)
InvoiceStatus = Literal["draft", "open", "paid", "voided", "deleted"]
INVOICE_STATUSES: dict[str, InvoiceStatus] = {
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
REMOVED_PAYMENT = "DELETED"
INACTIVE_CONTACT_STATUSES = ("ARCHIVED", "GDPRREQUEST")
WITHOUT_CODE = (
    "It has no code in Xero, so nothing can be booked on it: give it one under Accounting, Chart of accounts."
)


# ---- contacts and documents -------------------------------------------------------------------------


def parse_contact(row: RemoteRow) -> RemoteContact:
    """Parse a contact."""
    return RemoteContact(
        id=read_id(row, "ContactID"),
        name=get_text(row, "Name"),
        email=get_text(row, "EmailAddress"),
        is_active=row.get("ContactStatus") not in INACTIVE_CONTACT_STATUSES,
        changed_at=parse_instant(row["UpdatedDateUTC"]),
        number=get_text(row, "AccountNumber") or get_text(row, "ContactNumber"),
        merged_into=get_text(row, "MergedToContactID"),
    )


def parse_invoice(row: RemoteRow) -> RemoteInvoice:
    """Parse a sales invoice with everything that was applied to it."""
    currency = read_currency(row.get("CurrencyCode"))
    return RemoteInvoice(
        id=read_id(row, "InvoiceID"),
        number=get_text(row, "InvoiceNumber"),
        remark=get_text(row, "Reference"),
        contact_id=read_id(read_object(row, "Contact"), "ContactID"),
        status=read_word(row, "Status", INVOICE_STATUSES),
        total=read_amount(row, "Total", currency),
        due=read_amount(row, "AmountDue", currency),
        issued_on=parse_optional_date(row.get("Date")),
        due_on=parse_optional_date(row.get("DueDate")),
        term_id=get_text(row, "BrandingThemeID"),
        changed_at=parse_instant(row["UpdatedDateUTC"]),
        applied=tuple(parse_applications(row, currency)),
    )


def parse_applications(row: RemoteRow, currency: str) -> Iterable[RemoteApplication]:
    """Parse the payments, credits, prepayments and overpayments of an invoice; a credit's second use gets a suffix."""
    for paid in list_standing_payments(row):
        key = read_id(paid, "PaymentID")
        amount, on = read_amount(paid, "Amount", currency), parse_date(paid["Date"])
        yield RemoteApplication("payment", key, key, get_text(paid, "Reference"), amount, on)
    uses: dict[str, int] = {}
    for plural, name in CREDIT_TYPES.items():
        for used in read_list(row, plural):
            key = read_id(used, f"{name}ID")
            uses[key] = uses.get(key, 0) + 1
            application_id = key if uses[key] == 1 else f"{key}:{uses[key]}"
            remark = get_text(used, f"{name}Number") or get_text(used, "Reference")
            amount, on = read_amount(used, "AppliedAmount", currency), parse_date(used["Date"])
            yield RemoteApplication("credit", application_id, key, remark, amount, on)


def parse_credit_note(row: RemoteRow) -> RemoteCreditNote:
    """Parse a customer's credit note with its allocations and refunds."""
    currency = read_currency(row.get("CurrencyCode"))
    return RemoteCreditNote(
        number=get_text(row, "CreditNoteNumber"),
        id=read_id(row, "CreditNoteID"),
        status=read_word(row, "Status", CREDIT_NOTE_STATUSES),
        total=read_amount(row, "Total", currency),
        remaining=read_amount(row, "RemainingCredit", currency),
        allocations=tuple(parse_allocation(each, currency) for each in read_list(row, "Allocations")),
        refunds=tuple(parse_refund(each, currency) for each in list_standing_payments(row)),
    )


def parse_credit_note_details(row: RemoteRow) -> RemoteCreditNoteDetails:
    """Parse a customer's credit note with what the mirror saves of it."""
    return RemoteCreditNoteDetails.from_credit_note(
        parse_credit_note(row),
        remark=get_text(row, "Reference"),
        contact_id=read_id(read_object(row, "Contact"), "ContactID"),
        issued_on=parse_optional_date(row.get("Date")),
        changed_at=parse_instant(row["UpdatedDateUTC"]),
    )


def parse_allocation(row: RemoteRow, currency: str) -> RemoteAllocation:
    """Parse the part of a credit note that was applied to an invoice."""
    invoice = read_object(row, "Invoice")
    return RemoteAllocation(
        invoice=get_text(invoice, "InvoiceNumber"),
        amount=read_amount(row, "Amount", currency),
        on=parse_date(row["Date"]),
        id=get_text(row, "AllocationID"),
        invoice_id=read_id(invoice, "InvoiceID"),
    )


def parse_refund(row: RemoteRow, currency: str) -> RemoteRefund:
    """Parse the part of a credit note that was paid out."""
    return RemoteRefund(
        id=read_id(row, "PaymentID"),
        reference=get_text(row, "Reference"),
        amount=read_amount(row, "Amount", currency),
        on=parse_date(row["Date"]),
    )


# ---- payments ---------------------------------------------------------------------------------------


def list_standing_payments(document: RemoteRow) -> list[RemoteRow]:
    """Return those payments of a document that are not deleted. Raises UnreadableField."""
    return [row for row in read_list(document, "Payments") if row.get("Status") != REMOVED_PAYMENT]


def parse_payment(row: RemoteRow) -> RemotePayment:
    """Parse a payment of a sales invoice or out of a customer's credit note."""
    is_received = row.get("PaymentType") == RECEIVED_PAYMENT_TYPE
    name = "Invoice" if is_received else "CreditNote"
    document = read_object(row, name)
    return RemotePayment(
        id=read_id(row, "PaymentID"),
        reference=get_text(row, "Reference"),
        amount=read_amount(row, "Amount", read_currency(document.get("CurrencyCode"))),
        on=parse_date(row["Date"]),
        account=get_text(read_object(row, "Account"), "Code"),
        is_received=is_received,
        is_standing=row.get("Status") != REMOVED_PAYMENT,
        document_id=read_id(document, f"{name}ID"),
        document_number=get_text(document, f"{name}Number"),
    )


# ---- lists ------------------------------------------------------------------------------------------


LIABILITY_TYPES = frozenset({"CURRLIAB", "LIABILITY", "TERMLIAB"})
BALANCE_SHEET_TYPES = LIABILITY_TYPES | {"CURRENT", "NONCURRENT", "PREPAYMENT"}


def parse_account(row: RemoteRow) -> RemoteAccount:
    """Parse an account of the chart. Raises UnreadableField for one without a code, which bank accounts may have.

    Xero books to its own accounts itself: receivable, payable, tax and others.
    """
    kind, code, is_own = get_text(row, "Type"), get_text(row, "Code"), bool(row.get("SystemAccount"))
    if not code:
        raise UnreadableField(WITHOUT_CODE)
    is_payable = kind == "BANK" or (row.get("EnablePaymentsToAccount") is True and kind in BALANCE_SHEET_TYPES)
    return RemoteAccount(
        code=code,
        name=get_text(row, "Name"),
        kind=kind,
        takes_payments=is_payable and not is_own,
        holds_prepayments=kind in LIABILITY_TYPES and not is_own,
        number=code,
    )


def parse_tax_code(row: RemoteRow) -> RemoteTaxCode:
    """Parse a tax rate."""
    rate = read_number(row.get("EffectiveRate"), "rate")
    return RemoteTaxCode(code=read_id(row, "TaxType"), name=get_text(row, "Name"), rate=rate)


def parse_term(row: RemoteRow) -> RemoteTerm:
    """Parse a branding theme."""
    return RemoteTerm(id=read_id(row, "BrandingThemeID"), name=get_text(row, "Name"))


# ---- results ----------------------------------------------------------------------------------------


def parse_results(orders: Sequence[NumberedOrder], body: RemoteRow, plural: str, id_field: str) -> list[WriteResult]:
    """Parse one result an order. Raises Unavailable when there are more or fewer: what was written is unknown."""
    rows = find_result_rows(body, plural)
    if not rows and len(orders) == 1:
        rows = [body]
    if len(rows) != len(orders):
        raise Unavailable("Xero answered another number of elements than were sent")
    return [parse_result(order.number, row, id_field) for order, row in zip(orders, rows, strict=True)]


def find_result_rows(body: RemoteRow, plural: str) -> list[Any]:
    """Find the elements in an answer to a write, whichever way it wraps them: a list, one object, a bare list."""
    for name in (plural, plural.removesuffix("s"), ""):
        found = body.get(name)
        if isinstance(found, list | dict):
            return found if isinstance(found, list) else [found]
    return []


def parse_result(number: str, row: Any, id_field: str) -> WriteResult:
    """Parse the result of one element: its id, why Xero refused it, or that its answer does not tell."""
    if not isinstance(row, dict):
        return WriteResult(number, unreadable="Xero's answer to it could not be read.")
    errors = row.get("ValidationErrors") or []
    if errors or row.get("StatusAttributeString") == "ERROR":
        messages = [get_text(each, "Message") for each in errors if isinstance(each, dict)]
        return WriteResult(number, refusal="; ".join(filter(None, messages)) or "Xero gave no reason.")
    key = get_text(row, id_field)
    if not key or key == NO_ID or len(key) > len(NO_ID):
        return WriteResult(number, unreadable="Xero's answer to it names no id.")
    return WriteResult(number, id=key)


# ---- fields -----------------------------------------------------------------------------------------


def parse_page_count(body: RemoteRow, *, page: int, count: int) -> int:
    """Return how many pages a list has; where it does not say so, one more after each full page of `count` rows."""
    pagination = body.get("pagination")
    said = pagination.get("pageCount") if isinstance(pagination, dict) else None
    if not count:
        return page
    if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= MOST_PAGES:
        return said
    return page + 1 if count >= LARGEST_PAGE else page


def parse_answered_at(body: RemoteRow, *, now: datetime) -> datetime | None:
    """Return Xero's own time of an answer; None where it tells none that can be its clock."""
    try:
        at = parse_instant(body["DateTimeUTC"])
    except (LookupError, ValueError, TypeError, ArithmeticError):
        return None
    return at if abs(at - now) < CLOCK_TOLERANCE else None


def parse_instant(text: object) -> datetime:
    """Parse an instant, in .NET's form or ISO's. Raises UnreadableField or ValueError."""
    if not isinstance(text, str):
        raise UnreadableField("A date is written in a way that we cannot read.")
    if dotnet := DOTNET_DATE.match(text):
        return check_instant(EPOCH + timedelta(milliseconds=int(dotnet[1])))
    instant = datetime.fromisoformat(text)
    return check_instant(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def parse_optional_date(text: object) -> date | None:
    """Parse a day that may be missing. Raises UnreadableField or ValueError."""
    return parse_date(text) if text else None


def parse_date(text: object) -> date:
    """Parse a day. Raises UnreadableField or ValueError."""
    return check_day(parse_instant(text).date())
