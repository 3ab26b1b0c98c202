"""Allocations: parts of a credit note put against invoices, and taken off again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.xero import documents
from sandbox.xero.books import Organisation, Record
from sandbox.xero.calls import Call
from sandbox.xero.documents import INVOICE
from sandbox.xero.errors import InvalidError
from sandbox.xero.payments import day_of, exact
from sandbox.xero.settlement import settle_invoice, settle_note
from sandbox.xero.wire import new_id


def create(call: Call, note: Record, sent: Record) -> Record:
    """Put `Amount` of the note against an invoice; raises InvalidError."""
    org = call.org
    target = target_of(org, sent)
    amount = exact(sent)
    complaints = [*standing_complaints(note, target), *amount_complaints(note, target, amount)]
    if not sent.get("Date"):
        complaints.append("The allocation date must be specified")
    if complaints:
        raise InvalidError(*complaints)
    documents.refuse_locked(org, day_of(org, sent))
    entry: Record = {
        "AllocationID": new_id(),
        "InvoiceID": target["InvoiceID"],
        "Amount": str(amount),
        "Date": day_of(org, sent),
    }
    rewrite(org, note, target, [*note["Allocations"], entry])
    return entry


def standing_complaints(note: Record, target: Record) -> list[str]:
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


def amount_complaints(note: Record, target: Record, amount: Decimal) -> list[str]:
    """What is wrong with the amount."""
    found = []
    if amount <= 0:
        found.append("The allocation amount must be greater than zero")
    if amount > Decimal(note["RemainingCredit"]):
        found.append("The allocation amount exceeds the remaining credit of the credit note")
    if amount > Decimal(target["AmountDue"]):
        found.append("The allocation amount exceeds the amount outstanding on the invoice")
    return found


def delete(call: Call, note: Record, key: str) -> Record | None:
    """Take the allocation off again; None when the note has none with this id. Raises InvalidError."""
    entry = next((each for each in note["Allocations"] if each["AllocationID"] == key.lower()), None)
    if entry is None:
        return None
    documents.refuse_locked(call.org, entry["Date"])
    target = call.org.get("invoices", entry["InvoiceID"])
    if target:
        rewrite(call.org, note, target, [each for each in note["Allocations"] if each is not entry])
    return dict(entry)


def rewrite(org: Organisation, note: Record, target: Record, entries: list[Record]) -> None:
    """Keep the note's allocations and bring both documents' sums up to date."""
    settle_note(org, {**note, "Allocations": entries})
    notes = dict.fromkeys([*target["CreditNoteIDs"], note["CreditNoteID"]])
    settle_invoice(org, {**target, "CreditNoteIDs": list(notes)})


def target_of(org: Organisation, sent: Any) -> Record:
    """The invoice that the allocation names; raises InvalidError."""
    nested = sent.get("Invoice") if isinstance(sent.get("Invoice"), dict) else {}
    found = documents.find(org, INVOICE, nested.get("InvoiceID") or nested.get("InvoiceNumber"))
    if found is None:
        raise InvalidError("Invoice could not be found")
    return found
