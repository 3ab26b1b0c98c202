"""Payments: money received, put against invoices, or credit put against invoices without money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.intuit import linked_transactions
from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import IntuitValidationError, build_business_error, build_required_error
from sandbox.intuit.formats import ZERO, get_reference_id, is_sparse, parse_amount, to_stored
from sandbox.intuit.linked_transactions import TARGETS, LinkedAmount
from sandbox.intuit.rules import check_not_closed, check_not_suspended, get_currency, get_transaction_date
from sandbox.intuit.seed import UNDEPOSITED

SERVER_FIELDS = ("Id", "SyncToken", "MetaData", "domain", "sparse")
TEXTS = ("PrivateNote", "PaymentRefNum", "PaymentMethodRef", "ARAccountRef", "CustomField", "ProcessPayment")
DEPOSIT_ACCOUNT_TYPES = ("Bank", "Other Current Asset")
VOIDED = "Voided"


def write_payment(company: Company, sent: Record, include: set[str]) -> Record:
    """A new payment, or a known one changed or voided; raises IntuitValidationError."""
    known = company.get_current("Payment", sent) if sent.get("Id") else None
    check_not_suspended(company)
    if known and "void" in include:
        return void_payment(company, known)
    if known:
        sent = {**known, **sent} if is_sparse(sent) else sent
        check_not_closed(company, known["TxnDate"])
        linked_transactions.unlink_payment(company, known)
    fresh = {**({name: known[name] for name in SERVER_FIELDS} if known else {}), **build_payment(company, sent)}
    check_unapplied(company, fresh)
    created = company.save("Payment", fresh)
    linked_transactions.link_payment(company, created)
    return company.table("Payment")[created["Id"]]


def build_payment(company: Company, sent: Record) -> Record:
    """The payment as it is stored; raises IntuitValidationError."""
    if not get_reference_id(sent.get("CustomerRef")):
        raise build_required_error("CustomerRef")
    if sent.get("TotalAmt") in (None, ""):
        raise build_required_error("TotalAmt")
    customer = company.get_referenced("Customer", sent["CustomerRef"], "Names")
    total = parse_amount("TotalAmt", sent["TotalAmt"])
    if total < 0:
        raise IntuitValidationError("2290", "Negative Amount", "Negative amounts aren't supported", element="TotalAmt")
    return {
        **to_stored({name: sent[name] for name in TEXTS if sent.get(name) not in (None, "")}),
        "CustomerRef": {"value": customer["Id"], "name": customer["DisplayName"]},
        "DepositToAccountRef": {"value": get_deposit_account(company, sent)},
        "TxnDate": get_transaction_date(company, sent),
        "TotalAmt": str(total),
        **get_currency(company, sent, customer),
        "ProcessPayment": False,
        "Line": [parse_payment_line(each) for each in sent.get("Line") or []],
    }


def get_deposit_account(company: Company, sent: Record) -> str:
    """Where the money goes; raises IntuitValidationError (6430) for an account that takes none."""
    if not sent.get("DepositToAccountRef"):
        return UNDEPOSITED
    account = company.get_referenced("Account", sent["DepositToAccountRef"], "Accounts")
    if account["AccountType"] not in DEPOSIT_ACCOUNT_TYPES:
        detail = "Invalid account type: You need to select a different type of account for this transaction."
        raise IntuitValidationError("6430", "Invalid account type used", detail, element="DepositToAccountRef")
    return str(account["Id"])


def parse_payment_line(sent: Record) -> Record:
    """One line: an amount and the one document that it is for; raises IntuitValidationError."""
    linked = sent.get("LinkedTxn")
    if not isinstance(linked, list) or len(linked) != 1 or not isinstance(linked[0], dict):
        raise build_business_error("Every line of a payment must be linked to one transaction.")
    kind = str(linked[0].get("TxnType"))
    if kind not in TARGETS:
        detail = f"Invalid Enumeration : {kind}"
        raise IntuitValidationError("2170", "Invalid Enumeration", detail, element="LinkedTxn.TxnType")
    amount = parse_amount("Amount", sent.get("Amount"))
    if amount <= 0:
        raise build_business_error("The amount of a linked transaction must be more than 0.")
    return {"Amount": str(amount), "LinkedTxn": [{"TxnId": str(linked[0].get("TxnId")), "TxnType": kind}]}


def check_unapplied(company: Company, payment: Record) -> None:
    """Set what remains unapplied; raises IntuitValidationError when the lines apply more than there is."""
    given, taken = Decimal(payment["TotalAmt"]), ZERO
    amounts: dict[tuple[str, str], Decimal] = {}
    for share in linked_transactions.list_linked_amounts(payment):
        check_document(company, share, payment)
        given, taken = (given + share.amount, taken) if share.is_credit else (given, taken + share.amount)
        amounts[share.entity, share.key] = amounts.get((share.entity, share.key), ZERO) + share.amount
    for (entity, key), amount in amounts.items():
        if amount > linked_transactions.get_open_amount(entity, company.table(entity)[key]):
            raise build_business_error(
                "The amount you are trying to apply is more than the open balance of the transaction."
            )
    if taken > given:
        raise build_business_error("You can't apply more than the amount received and the credits selected.")
    payment["UnappliedAmt"] = str(given - taken)


def check_document(company: Company, share: LinkedAmount, payment: Record) -> None:
    """Raises IntuitValidationError for a document of another customer or currency."""
    document = linked_transactions.get_target(company, share, get_reference_id(payment["CustomerRef"]))
    if get_reference_id(document.get("CurrencyRef")) != get_reference_id(payment["CurrencyRef"]):
        raise build_business_error("The currency of the payment must be the currency of the linked transactions.")


def void_payment(company: Company, payment: Record) -> Record:
    """The payment set to nought, with its documents open again."""
    check_not_closed(company, payment["TxnDate"])
    linked_transactions.unlink_payment(company, payment)
    note = " ".join(filter(None, (VOIDED, payment.get("PrivateNote"))))
    empty: dict[str, Any] = {"TotalAmt": "0.00", "UnappliedAmt": "0.00", "Line": [], "PrivateNote": note}
    return company.save("Payment", {**payment, **empty}, act="voided")


def delete_payment(company: Company, payment: Record) -> None:
    """The payment gone, with its documents open again; raises IntuitValidationError."""
    check_not_closed(company, payment["TxnDate"])
    linked_transactions.unlink_payment(company, payment)
    company.delete("Payment", payment["Id"])
