"""What is paid, credited and left over: the sums that follow from payments and allocations."""

from __future__ import annotations

from decimal import Decimal

from sandbox.xero.organisation import Organisation, Record

ZERO = Decimal("0.00")


def sum_payments(org: Organisation, document: Record) -> Decimal:
    """The sum of the payments that still stand on this document."""
    rows = (org.table("payments")[key] for key in document["PaymentIDs"])
    return sum((Decimal(row["Amount"]) for row in rows if row["Status"] != "DELETED"), ZERO)


def list_allocations(org: Organisation, invoice: Record) -> list[tuple[Record, Record]]:
    """Pairs of credit note and allocation that reduce this invoice."""
    notes = (org.table("credit_notes")[key] for key in invoice["CreditNoteIDs"])
    key = invoice["InvoiceID"]
    return [(note, each) for note in notes for each in note["Allocations"] if each["InvoiceID"] == key]


def update_invoice_amounts(org: Organisation, invoice: Record) -> Record:
    """Write the invoice with its amounts and, between AUTHORISED and PAID, its status brought up to date."""
    pairs = list_allocations(org, invoice)
    received = sum_payments(org, invoice)
    credited = sum((Decimal(each["Amount"]) for _, each in pairs), ZERO)
    due = ZERO if is_closed(invoice) else Decimal(invoice["Total"]) - received - credited
    invoice |= {"AmountPaid": str(received), "AmountCredited": str(credited), "AmountDue": str(due)}
    days = [org.table("payments")[key]["Date"] for key in invoice["PaymentIDs"] if is_payment_active(org, key)]
    update_paid_status(invoice, due, [*days, *(each["Date"] for _, each in pairs)])
    return org.save("invoices", invoice["InvoiceID"], invoice)


def update_credit_note_amounts(org: Organisation, note: Record) -> Record:
    """Write the credit note with what remains of it, PAID when nothing does."""
    refunded = sum_payments(org, note)
    applied = sum((Decimal(each["Amount"]) for each in note["Allocations"]), ZERO)
    remaining = ZERO if is_closed(note) else Decimal(note["Total"]) - refunded - applied
    note |= {"AppliedAmount": str(applied), "RemainingCredit": str(remaining)}
    days = [org.table("payments")[key]["Date"] for key in note["PaymentIDs"] if is_payment_active(org, key)]
    update_paid_status(note, remaining, [*days, *(each["Date"] for each in note["Allocations"])])
    return org.save("credit_notes", note["CreditNoteID"], note)


def is_settled(document: Record) -> bool:
    """Whether any payment or allocation still stands against it."""
    amounts = (document.get(name) or "0" for name in ("AmountPaid", "AmountCredited", "AppliedAmount"))
    remaining = document.get("RemainingCredit") or document["Total"]
    return any(Decimal(amount) for amount in amounts) or Decimal(remaining) != Decimal(document["Total"])


def is_payment_active(org: Organisation, key: str) -> bool:
    """Whether this payment was not deleted."""
    return bool(org.table("payments")[key]["Status"] != "DELETED")


def is_closed(document: Record) -> bool:
    """Whether nothing can be owed on it any more."""
    return document["Status"] in ("DELETED", "VOIDED")


def update_paid_status(document: Record, remaining: Decimal, days: list[str]) -> None:
    """PAID when an approved document has nothing left, AUTHORISED again when it has."""
    if document["Status"] == "AUTHORISED" and remaining == 0:
        document["Status"] = "PAID"
        document["FullyPaidOnDate"] = max(days, default=document["Date"])
    elif document["Status"] == "PAID" and remaining != 0:
        document["Status"] = "AUTHORISED"
        document.pop("FullyPaidOnDate", None)
