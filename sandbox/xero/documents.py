"""Sales documents: what invoices and credit notes have in common when they are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.xero import contacts
from sandbox.xero.amounts_due import is_settled, update_credit_note_amounts, update_invoice_amounts
from sandbox.xero.calls import XeroCall
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.formats import create_id, parse_day
from sandbox.xero.lines import XeroLineItems, calculate_totals, parse_amount
from sandbox.xero.organisation import Organisation, Record

STATUS_TRANSITIONS = {
    "DRAFT": {"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"},
    "SUBMITTED": {"DRAFT", "SUBMITTED", "AUTHORISED", "DELETED"},
    "AUTHORISED": {"AUTHORISED", "VOIDED"},
}
AMOUNT_TYPES = ("Exclusive", "Inclusive", "NoTax")
MONEY_FIELDS = ("LineItems", "LineAmountTypes", "CurrencyCode", "Contact", "Date")
TEXTS = ("Reference", "Url", "BrandingThemeID", "SentToContact", "ExpectedPaymentDate", "PlannedPaymentDate")
SETTLED_MESSAGE = "This document cannot be edited as it has a payment or credit note allocated to it."


@dataclass(frozen=True, kw_only=True)
class XeroDocumentKind:
    """What sets the two kinds of document apart."""

    table: str
    plural: str
    label: str
    id_field: str
    number_field: str
    sale: str
    types: frozenset[str]
    prefix: str
    unique: str
    due_date: bool
    deleted_frees_number: bool


INVOICE = XeroDocumentKind(
    table="invoices",
    plural="Invoices",
    label="Invoice",
    id_field="InvoiceID",
    number_field="InvoiceNumber",
    sale="ACCREC",
    types=frozenset({"ACCREC", "ACCPAY"}),
    prefix="INV-",
    unique="Invoice # must be unique.",
    due_date=True,
    deleted_frees_number=True,
)
CREDIT_NOTE = XeroDocumentKind(
    table="credit_notes",
    plural="CreditNotes",
    label="Credit note",
    id_field="CreditNoteID",
    number_field="CreditNoteNumber",
    sale="ACCRECCREDIT",
    types=frozenset({"ACCRECCREDIT", "ACCPAYCREDIT"}),
    prefix="CN-",
    unique="Credit note # must be unique.",
    due_date=False,
    deleted_frees_number=False,
)


def find_document(org: Organisation, kind: XeroDocumentKind, ref: Any) -> Record | None:
    """A copy of the document with this id or number."""
    found = org.get(kind.table, ref)
    if found is None and ref:
        rows = [row for row in org.find_by(kind.table, kind.number_field, ref) if is_number_taken(kind, row)]
        found = dict(min(rows, key=lambda row: row["Status"] == "DELETED")) if rows else None
    return found


def is_number_taken(kind: XeroDocumentKind, row: Record) -> bool:
    """Whether the number is taken: a deleted draft of an invoice frees it, everything else does not."""
    return not kind.deleted_frees_number or bool(row["Status"] != "DELETED")


def create(call: XeroCall, kind: XeroDocumentKind, sent: Record) -> Record:
    """A new document; raises XeroValidationError."""
    blank: Record = {
        kind.id_field: create_id(),
        "Type": sent.get("Type"),
        "Status": "DRAFT",
        "LineAmountTypes": "Exclusive",
        "LineItems": [],
        "Reference": "",
        "CurrencyCode": call.org.currency,
        "Date": call.org.now.date().isoformat(),
        "SentToContact": False,
        "ClientID": call.client,
        "PaymentIDs": [],
    }
    blank |= {"CreditNoteIDs": []} if kind is INVOICE else {"Allocations": []}
    return DocumentWriter(call, kind, blank, {"LineItems": [], **sent}).save()


def update(call: XeroCall, kind: XeroDocumentKind, document: Record, sent: Record) -> Record:
    """The document changed as its status allows; raises XeroValidationError."""
    return DocumentWriter(call, kind, document, sent).save()


def upsert(call: XeroCall, kind: XeroDocumentKind, sent: Record) -> Record:
    """Change the document that the id or number means, else create one."""
    if sent.get(kind.id_field):
        found = call.org.get(kind.table, sent[kind.id_field])
        if found is None:
            raise XeroValidationError(f"An existing {kind.label} with the specified {kind.id_field} could not be found")
        return update(call, kind, found, sent)
    found = find_document(call.org, kind, sent.get(kind.number_field))
    return update(call, kind, found, sent) if found else create(call, kind, sent)


class DocumentWriter:
    """One document on its way into the books."""

    def __init__(self, call: XeroCall, kind: XeroDocumentKind, document: Record, sent: Record) -> None:
        self.call = call
        self.org = call.org
        self.kind = kind
        self.document = document
        self.sent = sent
        self.complaints: list[str] = []

    def save(self) -> Record:
        """Check everything, then save it; raises XeroValidationError with all complaints."""
        before = self.document["Status"]
        after = str(self.sent.get("Status") or before)
        self._refuse_move(before, after)
        self.document["Status"] = after
        steps = [
            self._type,
            self._contact,
            self._dates,
            self._currency,
            self._number,
            self._lines,
            self._texts,
        ]
        if after in ("DELETED", "VOIDED"):
            steps = []
        for step in [*steps, self._lock]:
            try:
                step()
            except XeroValidationError as refusal:
                self.complaints += refusal.messages
        if self.complaints:
            raise XeroValidationError(*dict.fromkeys(self.complaints))
        settle = update_invoice_amounts if self.kind is INVOICE else update_credit_note_amounts
        return settle(self.org, self.document)

    def _refuse_move(self, before: str, after: str) -> None:
        label = self.kind.label
        if before not in STATUS_TRANSITIONS:
            raise XeroValidationError(f"{label} not of valid status for modification")
        if after not in STATUS_TRANSITIONS[before]:
            raise XeroValidationError(f"{label} status cannot be changed from {before} to {after}")
        known = self.document[self.kind.id_field] in self.org.table(self.kind.table)
        if not known and after == "DELETED":
            raise XeroValidationError(f"{label} status DELETED is not valid for a new document")
        touched = after == "VOIDED" or any(self.sent.get(name) is not None for name in MONEY_FIELDS)
        if known and touched and is_settled(self.document):
            raise XeroValidationError(f"{label} not of valid status for modification", SETTLED_MESSAGE)

    def _type(self) -> None:
        kind = str(self.sent.get("Type") or self.document["Type"])
        if kind not in self.kind.types:
            raise XeroValidationError(f"{self.kind.label} type is not valid")
        self.document["Type"] = kind

    def _contact(self) -> None:
        if self.sent.get("Contact") is None and self.document.get("ContactID"):
            return
        found = contacts.get_or_create_for_document(self.call, self.sent.get("Contact"))
        flag = "IsCustomer" if self.document["Type"] == self.kind.sale else "IsSupplier"
        if not found[flag]:
            self.org.save("contacts", found["ContactID"], {**found, flag: True})
        self.document["ContactID"] = found["ContactID"]

    def _dates(self) -> None:
        for field in ("Date", "DueDate"):
            if self.sent.get(field) is not None:
                self.document[field] = self._day(field)
        needed = self.kind.due_date and self.document["Status"] in ("AUTHORISED", "SUBMITTED")
        if needed and not self.document.get("DueDate"):
            raise XeroValidationError("Invoice due date cannot be empty")

    def _day(self, field: str) -> str:
        try:
            return parse_day(self.sent[field]).isoformat()
        except ValueError as error:
            raise XeroValidationError(f"{field} is not a valid date") from error

    def _currency(self) -> None:
        code = self.sent.get("CurrencyCode") or self.document["CurrencyCode"]
        if code not in self.org.data["currencies"]:
            raise XeroValidationError(f"Organisation is not subscribed to currency {code}")
        self.document["CurrencyCode"] = code
        rate = parse_amount(self.sent, "CurrencyRate", Decimal(self.document.get("CurrencyRate", "1")))
        self.document["CurrencyRate"] = "1" if code == self.org.currency else str(rate)

    def _number(self) -> None:
        number = self.sent.get(self.kind.number_field) or self.document.get(self.kind.number_field)
        sale = self.document["Type"] == self.kind.sale
        if not number and sale:
            number = self._next_number()
        if len(str(number or "")) > 255:
            raise XeroValidationError(
                f"The {self.kind.number_field} field exceeds the maximum length of 255 characters."
            )
        if sale and any(self._rival(row) for row in self.org.find_by(self.kind.table, self.kind.number_field, number)):
            raise XeroValidationError(self.kind.unique)
        self.document[self.kind.number_field] = str(number or "")

    def _rival(self, row: Record) -> bool:
        """Another sales document that holds the same number."""
        same = row[self.kind.id_field] == self.document[self.kind.id_field]
        return not same and is_number_taken(self.kind, row) and row["Type"] == self.kind.sale

    def _next_number(self) -> str:
        count = len(self.org.table(self.kind.table)) + 1
        while any(
            True for _ in self.org.find_by(self.kind.table, self.kind.number_field, f"{self.kind.prefix}{count:04}")
        ):
            count += 1
        return f"{self.kind.prefix}{count:04}"

    def _lines(self) -> None:
        amounts = self.sent.get("LineAmountTypes") or self.document["LineAmountTypes"]
        if amounts not in AMOUNT_TYPES:
            raise XeroValidationError("LineAmountTypes is not valid")
        self.document["LineAmountTypes"] = amounts
        strict = self.document["Status"] in ("AUTHORISED", "SUBMITTED")
        reader = XeroLineItems(self.org, amounts=amounts, places=self.call.places, strict=strict)
        if self.sent.get("LineItems") is not None:
            lines = reader.parse_lines(self.sent["LineItems"])
        else:
            lines = reader.check_accounts(self.document["LineItems"])
        self.document |= {"LineItems": lines, **calculate_totals(lines, amounts)}
        if Decimal(self.document["Total"]) < 0:
            raise XeroValidationError("The document total cannot be negative.")

    def _texts(self) -> None:
        for field in TEXTS:
            value = self.sent.get(field)
            if value is not None:
                self.document[field] = self._day(field) if field.endswith("Date") else normalise_text(field, value)
        if len(str(self.document["Reference"])) > 255:
            raise XeroValidationError("The Reference field exceeds the maximum length of 255 characters.")
        theme = self.document.get("BrandingThemeID")
        if theme and theme not in {row["BrandingThemeID"] for row in self.org.data["branding_themes"]}:
            raise XeroValidationError("The BrandingThemeID could not be found")

    def _lock(self) -> None:
        check_unlocked(self.org, self.document["Date"])


def normalise_text(field: str, value: Any) -> str | bool:
    """A field without rules of its own as it is stored."""
    return bool(value) if field == "SentToContact" else str(value)


def check_unlocked(org: Organisation, on: str) -> None:
    """Raises XeroValidationError when that day lies in a locked period."""
    locked = org.locked_until
    if locked and date.fromisoformat(on) <= locked:
        shown = f"{locked.day} {locked:%B %Y}"
        raise XeroValidationError(f"The document date cannot be before the period lock date, currently set at {shown}")
