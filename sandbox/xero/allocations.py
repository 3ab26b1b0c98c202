"""Allocations: parts of a credit note put against invoices, and taken off again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.xero import documents
from sandbox.xero.amounts_due import update_credit_note_amounts, update_invoice_amounts
from sandbox.xero.calls import XeroCall
from sandbox.xero.documents import INVOICE
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.formats import create_id
from sandbox.xero.organisation import Organisation, Record
from sandbox.xero.payments import get_payment_date, parse_whole_cents


def create(call: XeroCall, note: Record, sent: Record) -> Record:
    """Put `Amount` of the note against an invoice; raises XeroValidationError."""
    org = call.org
    target = get_target(org, sent)
    amount = parse_whole_cents(sent)
    complaints = [*list_status_errors(note, target), *list_amount_errors(note, target, amount)]
    if not sent.get("Date"):
        complaints.append("The allocation date must be specified")
    if complaints:
        raise XeroValidationError(*complaints)
    documents.check_unlocked(org, get_payment_date(org, sent))
    entry: Record = {
        "AllocationID": create_id(),
        "InvoiceID": target["InvoiceID"],
        "Amount": str(amount),
        "Date": get_payment_date(org, sent),
    }
    save_allocations(org, note, target, [*note["Allocations"], entry])
    return entry


def list_status_errors(note: Record, target: Record) -> list[str]:
    """What forbids to join these two documents at all."""
    found = []
    if note["Status"] != "AUTHORISED":
        found.append("Credit note not of valid status for allocation")
    if target["Status"] != "AUTHORISED":
        found.append("Credits can only be allocated to Authorised invoices")
    if target["ContactID"] != note["ContactID"]:
        found.append("The contact of the invoice does not match the contact of the credit note")
    if target["CurrencyCode"] != note["CurrencyCode"]:
        found.append("The currency of the invoice does not match the currency of the credit note")
    if (target["Type"] == "ACCREC") != (note["Type"] == "ACCRECCREDIT"):
        found.append("The invoice type does not match the credit note type")
    return found


def list_amount_errors(note: Record, target: Record, amount: Decimal) -> list[str]:
    """What is wrong with the amount."""
    found = []
    if amount <= 0:
        found.append("The allocation amount must be greater than zero")
    if amount > Decimal(note["RemainingCredit"]):
        found.append("The allocation amount exceeds the remaining credit of the credit note")
    if amount > Decimal(target["AmountDue"]):
        found.append("The allocation amount exceeds the amount outstanding on the invoice")
    return found


def delete(call: XeroCall, note: Record, key: str) -> Record | None:
    """Take the allocation off again; None when the note has none with this id. Raises XeroValidationError."""
    entry = next((each for each in note["Allocations"] if each["AllocationID"] == key.lower()), None)
    if entry is None:
        return None
    documents.check_unlocked(call.org, entry["Date"])
    target = call.org.get("invoices", entry["InvoiceID"])
    if target:
        save_allocations(call.org, note, target, [each for each in note["Allocations"] if each is not entry])
    return dict(entry)


def save_allocations(org: Organisation, note: Record, target: Record, entries: list[Record]) -> None:
    """Save the note's allocations and bring both documents' sums up to date."""
    update_credit_note_amounts(org, {**note, "Allocations": entries})
    notes = dict.fromkeys([*target["CreditNoteIDs"], note["CreditNoteID"]])
    update_invoice_amounts(org, {**target, "CreditNoteIDs": list(notes)})


def get_target(org: Organisation, sent: Any) -> Record:
    """The invoice that the allocation names; raises XeroValidationError."""
    nested = sent.get("Invoice") if isinstance(sent.get("Invoice"), dict) else {}
    found = documents.find_document(org, INVOICE, nested.get("InvoiceID") or nested.get("InvoiceNumber"))
    if found is None:
        raise XeroValidationError("Invoice could not be found")
    return found
