"""Payments: money received on invoices, refunds of credit notes; created or deleted, never edited."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.xero import documents
from sandbox.xero.amounts_due import update_credit_note_amounts, update_invoice_amounts
from sandbox.xero.calls import XeroCall
from sandbox.xero.documents import CREDIT_NOTE, INVOICE, XeroDocumentKind
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.formats import create_id, parse_day, round_cents
from sandbox.xero.lines import parse_amount
from sandbox.xero.organisation import Organisation, Record

TYPES = {
    "ACCREC": "ACCRECPAYMENT",
    "ACCPAY": "ACCPAYPAYMENT",
    "ACCRECCREDIT": "ARCREDITPAYMENT",
    "ACCPAYCREDIT": "APCREDITPAYMENT",
}


def create(call: XeroCall, sent: Record) -> Record:
    """Money against an approved document, at most what is left of it; raises XeroValidationError."""
    kind, target = get_target(call.org, sent)
    remaining = Decimal(target["AmountDue" if kind is INVOICE else "RemainingCredit"])
    complaints: list[str] = []
    if target["Status"] != "AUTHORISED":
        complaints.append("Payments can only be made against Authorised documents")
    amount = parse_whole_cents(sent)
    if amount <= 0:
        complaints.append("Payment amount must be greater than zero")
    elif amount > remaining:
        complaints.append("Payment amount exceeds the amount outstanding on this document")
    if complaints:
        raise XeroValidationError(*complaints)
    return save_payment(call.org, kind, target, sent, amount)


def save_payment(org: Organisation, kind: XeroDocumentKind, target: Record, sent: Record, amount: Decimal) -> Record:
    """Write the payment and what follows for its document."""
    account, on = get_account(org, sent), get_payment_date(org, sent)
    rate = parse_amount(sent, "CurrencyRate", Decimal(target["CurrencyRate"]))
    if rate <= 0:
        raise XeroValidationError("CurrencyRate must be greater than zero")
    record: Record = {
        "PaymentID": create_id(),
        kind.id_field: target[kind.id_field],
        "AccountID": account["AccountID"],
        "Date": on,
        "Amount": str(amount),
        "BankAmount": str(round_cents(amount / rate)),
        "CurrencyRate": str(rate),
        "Reference": str(sent.get("Reference") or ""),
        "PaymentType": TYPES[target["Type"]],
        "Status": "AUTHORISED",
        "IsReconciled": bool(sent.get("IsReconciled")),
    }
    org.save("payments", record["PaymentID"], record)
    update_amounts_due(org, kind, {**target, "PaymentIDs": [*target["PaymentIDs"], record["PaymentID"]]})
    return org.table("payments")[record["PaymentID"]]


def delete(call: XeroCall, payment: Record, sent: Any) -> Record:
    """The payment taken back, its document open again; raises XeroValidationError."""
    if not isinstance(sent, dict) or sent.get("Status") != "DELETED":
        raise XeroValidationError("A payment cannot be updated, it can only be deleted")
    if payment["Status"] == "DELETED":
        raise XeroValidationError("The payment has already been deleted")
    if payment["IsReconciled"]:
        raise XeroValidationError("The payment is reconciled and cannot be deleted")
    documents.check_unlocked(call.org, payment["Date"])
    payment["Status"] = "DELETED"
    call.org.save("payments", payment["PaymentID"], payment)
    kind = INVOICE if payment.get("InvoiceID") else CREDIT_NOTE
    target = call.org.get(kind.table, payment[kind.id_field])
    if target:
        update_amounts_due(call.org, kind, target)
    return payment


def update_amounts_due(org: Organisation, kind: XeroDocumentKind, target: Record) -> None:
    """Bring the document's sums up to date."""
    (update_invoice_amounts if kind is INVOICE else update_credit_note_amounts)(org, target)


def parse_whole_cents(sent: Record) -> Decimal:
    """The amount, which must be whole cents; raises XeroValidationError."""
    amount = parse_amount(sent, "Amount")
    if amount != round_cents(amount):
        raise XeroValidationError("Amount must not have more than two decimals")
    return round_cents(amount)


def get_target(org: Organisation, sent: Record) -> tuple[XeroDocumentKind, Record]:
    """The document that the payment names by id or number; raises XeroValidationError."""
    for kind, name in ((INVOICE, "Invoice"), (CREDIT_NOTE, "CreditNote")):
        nested = sent.get(name) or {}
        if not isinstance(nested, dict):
            raise XeroValidationError(f"{name} must be an object")
        number = nested.get(kind.number_field) or sent.get(kind.number_field)
        ref = nested.get(kind.id_field) or number
        if ref:
            found = documents.find_document(org, kind, ref)
            if found is None:
                raise XeroValidationError(f"{kind.label} could not be found")
            return kind, found
    raise XeroValidationError("A payment must be for an Invoice, Credit Note, Prepayment or Overpayment")


def get_account(org: Organisation, sent: Record) -> Record:
    """The account that the money goes to or comes from; raises XeroValidationError when it cannot take payments."""
    nested = sent.get("Account") if isinstance(sent.get("Account"), dict) else None
    found = org.account(nested or {"Code": sent.get("Code")})
    if found is None:
        raise XeroValidationError("Account could not be found")
    if found["Status"] != "ACTIVE":
        raise XeroValidationError(f"Account code '{found.get('Code')}' has been archived, or deleted.")
    if found["Type"] != "BANK" and not found["EnablePaymentsToAccount"]:
        raise XeroValidationError(
            "The account type is not valid: payments need a bank account or one with payments enabled"
        )
    return found


def get_payment_date(org: Organisation, sent: Record) -> str:
    """The day of the payment, today by default; raises XeroValidationError."""
    try:
        on = parse_day(sent["Date"]).isoformat() if sent.get("Date") else org.now.date().isoformat()
    except ValueError as error:
        raise XeroValidationError("Date is not a valid date") from error
    documents.check_unlocked(org, on)
    return on
