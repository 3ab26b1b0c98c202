"""Payments: money received, put against invoices, or credit put against invoices without money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.intuit import links
from sandbox.intuit.books import Company, Record
from sandbox.intuit.errors import InvalidError, business, required
from sandbox.intuit.links import TARGETS, Share
from sandbox.intuit.rules import currency_of, date_of, refuse_closed, refuse_suspended
from sandbox.intuit.seed import UNDEPOSITED
from sandbox.intuit.wire import NOTHING, id_of, is_sparse, kept, money

KEPT = ("Id", "SyncToken", "MetaData", "domain", "sparse")
TEXTS = ("PrivateNote", "PaymentRefNum", "PaymentMethodRef", "ARAccountRef", "CustomField", "ProcessPayment")
RECEIVING = ("Bank", "Other Current Asset")
VOIDED = "Voided"


def write(company: Company, sent: Record, include: set[str]) -> Record:
    """A new payment, or a known one changed or voided; raises InvalidError."""
    known = company.current("Payment", sent) if sent.get("Id") else None
    refuse_suspended(company)
    if known and "void" in include:
        return void(company, known)
    if known:
        sent = {**known, **sent} if is_sparse(sent) else sent
        refuse_closed(company, known["TxnDate"])
        links.unlink(company, known)
    fresh = {**({name: known[name] for name in KEPT} if known else {}), **facts(company, sent)}
    check(company, fresh)
    made = company.put("Payment", fresh)
    links.link(company, made)
    return company.table("Payment")[made["Id"]]


def facts(company: Company, sent: Record) -> Record:
    """The payment as the books keep it; raises InvalidError."""
    if not id_of(sent.get("CustomerRef")):
        raise required("CustomerRef")
    if sent.get("TotalAmt") in (None, ""):
        raise required("TotalAmt")
    customer = company.pointed("Customer", sent["CustomerRef"], "Names")
    total = money("TotalAmt", sent["TotalAmt"])
    if total < 0:
        raise InvalidError("2290", "Negative Amount", "Negative amounts aren't supported", element="TotalAmt")
    return {
        **kept({name: sent[name] for name in TEXTS if sent.get(name) not in (None, "")}),
        "CustomerRef": {"value": customer["Id"], "name": customer["DisplayName"]},
        "DepositToAccountRef": {"value": account_for(company, sent)},
        "TxnDate": date_of(company, sent),
        "TotalAmt": str(total),
        **currency_of(company, sent, customer),
        "ProcessPayment": False,
        "Line": [line_of(each) for each in sent.get("Line") or []],
    }


def account_for(company: Company, sent: Record) -> str:
    """Where the money goes; raises InvalidError (6430) for an account that takes none."""
    if not sent.get("DepositToAccountRef"):
        return UNDEPOSITED
    account = company.pointed("Account", sent["DepositToAccountRef"], "Accounts")
    if account["AccountType"] not in RECEIVING:
        told = "Invalid account type: You need to select a different type of account for this transaction."
        raise InvalidError("6430", "Invalid account type used", told, element="DepositToAccountRef")
    return str(account["Id"])


def line_of(sent: Record) -> Record:
    """One line: an amount and the one document that it is for; raises InvalidError."""
    linked = sent.get("LinkedTxn")
    if not isinstance(linked, list) or len(linked) != 1 or not isinstance(linked[0], dict):
        raise business("Every line of a payment must be linked to one transaction.")
    kind = str(linked[0].get("TxnType"))
    if kind not in TARGETS:
        told = f"Invalid Enumeration : {kind}"
        raise InvalidError("2170", "Invalid Enumeration", told, element="LinkedTxn.TxnType")
    amount = money("Amount", sent.get("Amount"))
    if amount <= 0:
        raise business("The amount of a linked transaction must be more than 0.")
    return {"Amount": str(amount), "LinkedTxn": [{"TxnId": str(linked[0].get("TxnId")), "TxnType": kind}]}


def check(company: Company, payment: Record) -> None:
    """Set what is left unapplied; raises InvalidError when the lines want more than there is."""
    given, taken = Decimal(payment["TotalAmt"]), NOTHING
    wanted: dict[tuple[str, str], Decimal] = {}
    for share in links.shares_of(payment):
        refuse_foreign(company, share, payment)
        given, taken = (given + share.amount, taken) if share.is_credit else (given, taken + share.amount)
        wanted[share.entity, share.key] = wanted.get((share.entity, share.key), NOTHING) + share.amount
    for (entity, key), amount in wanted.items():
        if amount > links.open_amount(entity, company.table(entity)[key]):
            raise business("The amount you are trying to apply is more than the open balance of the transaction.")
    if taken > given:
        raise business("You can't apply more than the amount received and the credits selected.")
    payment["UnappliedAmt"] = str(given - taken)


def refuse_foreign(company: Company, share: Share, payment: Record) -> None:
    """Raises InvalidError for a document of another customer or currency."""
    document = links.target_of(company, share, id_of(payment["CustomerRef"]))
    if id_of(document.get("CurrencyRef")) != id_of(payment["CurrencyRef"]):
        raise business("The currency of the payment must be the currency of the linked transactions.")


def void(company: Company, payment: Record) -> Record:
    """The payment set to nought, with its documents open again."""
    refuse_closed(company, payment["TxnDate"])
    links.unlink(company, payment)
    note = " ".join(filter(None, (VOIDED, payment.get("PrivateNote"))))
    empty: dict[str, Any] = {"TotalAmt": "0.00", "UnappliedAmt": "0.00", "Line": [], "PrivateNote": note}
    return company.put("Payment", {**payment, **empty}, act="voided")


def delete(company: Company, payment: Record) -> None:
    """The payment gone, with its documents open again; raises InvalidError."""
    refuse_closed(company, payment["TxnDate"])
    links.unlink(company, payment)
    company.drop("Payment", payment["Id"])
