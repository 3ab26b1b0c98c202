"""Payments: money received on invoices, refunds of credit notes; made or deleted, never edited."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.xero import documents
from sandbox.xero.books import Organisation, Record
from sandbox.xero.calls import Call
from sandbox.xero.documents import INVOICE, NOTE, Kind
from sandbox.xero.errors import InvalidError
from sandbox.xero.lines import amount_of
from sandbox.xero.settlement import settle_invoice, settle_note
from sandbox.xero.wire import cents, day, new_id

TYPES = {
    "ACCREC": "ACCRECPAYMENT",
    "ACCPAY": "ACCPAYPAYMENT",
    "ACCRECCREDIT": "ARCREDITPAYMENT",
    "ACCPAYCREDIT": "APCREDITPAYMENT",
}


def create(call: Call, sent: Record) -> Record:
    """Money against an approved document, at most what is left of it; raises InvalidError."""
    kind, target = target_of(call.org, sent)
    left = Decimal(target["AmountDue" if kind is INVOICE else "RemainingCredit"])
    complaints: list[str] = []
    if target["Status"] != "AUTHORISED":
        complaints.append("Payments can only be made against Authorised documents")
    amount = exact(sent)
    if amount <= 0:
        complaints.append("Payment amount must be greater than zero")
    elif amount > left:
        complaints.append("Payment amount exceeds the amount outstanding on this document")
    if complaints:
        raise InvalidError(*complaints)
    return kept(call.org, kind, target, sent, amount)


def kept(org: Organisation, kind: Kind, target: Record, sent: Record, amount: Decimal) -> Record:
    """Write the payment and what follows for its document."""
    account, on = account_of(org, sent), day_of(org, sent)
    rate = amount_of(sent, "CurrencyRate", Decimal(target["CurrencyRate"]))
    if rate <= 0:
        raise InvalidError("CurrencyRate must be greater than zero")
    record: Record = {
        "PaymentID": new_id(),
        kind.id_field: target[kind.id_field],
        "AccountID": account["AccountID"],
        "Date": on,
        "Amount": str(amount),
        "BankAmount": str(cents(amount / rate)),
        "CurrencyRate": str(rate),
        "Reference": str(sent.get("Reference") or ""),
        "PaymentType": TYPES[target["Type"]],
        "Status": "AUTHORISED",
        "IsReconciled": bool(sent.get("IsReconciled")),
    }
    org.put("payments", record["PaymentID"], record)
    settle(org, kind, {**target, "PaymentIDs": [*target["PaymentIDs"], record["PaymentID"]]})
    return org.table("payments")[record["PaymentID"]]


def delete(call: Call, payment: Record, sent: Any) -> Record:
    """The payment taken back, its document open again; raises InvalidError."""
    if not isinstance(sent, dict) or sent.get("Status") != "DELETED":
        raise InvalidError("A payment cannot be updated, it can only be deleted")
    if payment["Status"] == "DELETED":
        raise InvalidError("The payment has already been deleted")
    if payment["IsReconciled"]:
        raise InvalidError("The payment is reconciled and cannot be deleted")
    documents.refuse_locked(call.org, payment["Date"])
    payment["Status"] = "DELETED"
    call.org.put("payments", payment["PaymentID"], payment)
    kind = INVOICE if payment.get("InvoiceID") else NOTE
    target = call.org.get(kind.table, payment[kind.id_field])
    if target:
        settle(call.org, kind, target)
    return payment


def settle(org: Organisation, kind: Kind, target: Record) -> None:
    """Bring the document's sums up to date."""
    (settle_invoice if kind is INVOICE else settle_note)(org, target)


def exact(sent: Record) -> Decimal:
    """The amount, which must be whole cents; raises InvalidError."""
    amount = amount_of(sent, "Amount")
    if amount != cents(amount):
        raise InvalidError("Amount must not have more than two decimals")
    return cents(amount)


def target_of(org: Organisation, sent: Record) -> tuple[Kind, Record]:
    """The document that the payment names by id or number; raises InvalidError."""
    for kind, name in ((INVOICE, "Invoice"), (NOTE, "CreditNote")):
        nested = sent.get(name) or {}
        if not isinstance(nested, dict):
            raise InvalidError(f"{name} must be an object")
        number = nested.get(kind.number_field) or sent.get(kind.number_field)
        ref = nested.get(kind.id_field) or number
        if ref:
            found = documents.find(org, kind, ref)
            if found is None:
                raise InvalidError(f"{kind.label} could not be found")
            return kind, found
    raise InvalidError("A payment must be for an Invoice, Credit Note, Prepayment or Overpayment")


def account_of(org: Organisation, sent: Record) -> Record:
    """The account that the money goes to or comes from; raises InvalidError when it cannot take payments."""
    nested = sent.get("Account") if isinstance(sent.get("Account"), dict) else None
    found = org.account(nested or {"Code": sent.get("Code")})
    if found is None:
        raise InvalidError("Account could not be found")
    if found["Status"] != "ACTIVE":
        raise InvalidError(f"Account code '{found.get('Code')}' has been archived, or deleted.")
    if found["Type"] != "BANK" and not found["EnablePaymentsToAccount"]:
        raise InvalidError("The account type is not valid: payments need a bank account or one with payments enabled")
    return found


def day_of(org: Organisation, sent: Record) -> str:
    """The day of the payment, today by default; raises InvalidError."""
    try:
        on = day(sent["Date"]).isoformat() if sent.get("Date") else org.now.date().isoformat()
    except ValueError as error:
        raise InvalidError("Date is not a valid date") from error
    documents.refuse_locked(org, on)
    return on
