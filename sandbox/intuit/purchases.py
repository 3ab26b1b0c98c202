"""Money paid out by cheque or from the bank, of which a part may be against what a customer owes or is owed."""

from __future__ import annotations

from decimal import Decimal

from sandbox.intuit import links
from sandbox.intuit.books import Company, Record
from sandbox.intuit.errors import InvalidError, business, required
from sandbox.intuit.rules import currency_of, date_of, refuse_closed, refuse_suspended
from sandbox.intuit.wire import NOTHING, id_of, is_sparse, kept, money

HELD = ("Id", "SyncToken", "MetaData", "domain", "sparse", "LinkedTxn")
TEXTS = ("DocNumber", "PrivateNote", "PaymentMethodRef", "PrintStatus", "GlobalTaxCalculation")
TYPES = ("Cash", "Check", "CreditCard")
PAYING = ("Bank", "Credit Card", "Other Current Asset")
DETAIL = "AccountBasedExpenseLineDetail"


def write(company: Company, sent: Record, include: set[str]) -> Record:
    """New money paid out, or known money changed; raises InvalidError."""
    known = company.current("Purchase", sent) if sent.get("Id") else None
    refuse_suspended(company)
    if known:
        refuse_closed(company, known["TxnDate"])
        sent = {**known, **sent} if is_sparse(sent) else sent
    held = {name: known[name] for name in HELD if name in known} if known else {"Id": "", "LinkedTxn": []}
    return company.put("Purchase", links.settle(company, "Purchase", {**held, **facts(company, sent)}))


def facts(company: Company, sent: Record) -> Record:
    """The purchase as the books keep it; raises InvalidError."""
    if sent.get("PaymentType") not in TYPES:
        raise InvalidError("2170", "Invalid Enumeration", f"Invalid Enumeration : {sent.get('PaymentType')}")
    if not id_of(sent.get("AccountRef")):
        raise required("AccountRef")
    account = company.pointed("Account", sent["AccountRef"], "Accounts")
    if account["AccountType"] not in PAYING:
        told = "Invalid account type: You need to select a different type of account for this transaction."
        raise InvalidError("6430", "Invalid account type used", told, element="AccountRef")
    lines = [line(company, place, each) for place, each in enumerate(sent.get("Line") or [], 1)]
    if not lines:
        raise required("Line")
    entity = sent.get("EntityRef") or {}
    payee = company.pointed("Customer", entity, "Names") if id_of(entity) else None
    home = {"CurrencyRef": {"value": company.currency}}
    money_of = currency_of(company, sent, payee or home)
    refuse_foreign(company, lines, id_of(money_of["CurrencyRef"]))
    return {
        **kept({name: sent[name] for name in TEXTS if sent.get(name) not in (None, "")}),
        "PaymentType": sent["PaymentType"],
        "AccountRef": {"value": account["Id"], "name": account["Name"]},
        **({"EntityRef": {"value": payee["Id"], "name": payee["DisplayName"], "type": "Customer"}} if payee else {}),
        "TxnDate": date_of(company, sent),
        **money_of,
        "Line": lines,
        "TotalAmt": str(sum((Decimal(each["Amount"]) for each in lines), NOTHING)),
        "_receivable": str(receivable(company, lines, payee)),
    }


def line(company: Company, place: int, sent: Record) -> Record:
    """One line against an account; raises InvalidError."""
    detail = sent.get(DETAIL)
    if sent.get("DetailType") != DETAIL or not isinstance(detail, dict):
        raise required(DETAIL)
    if not id_of(detail.get("AccountRef")):
        raise required("AccountRef")
    account = company.pointed("Account", detail["AccountRef"], "Accounts")
    made = {"AccountRef": {"value": account["Id"], "name": account["Name"]}}
    made |= kept({name: detail[name] for name in ("CustomerRef", "TaxCodeRef", "BillableStatus") if detail.get(name)})
    told = {"Description": str(sent["Description"])} if sent.get("Description") else {}
    amount = money("Amount", sent.get("Amount"))
    return {"Id": str(place), **told, "Amount": str(amount), "DetailType": DETAIL, DETAIL: made}


def receivable(company: Company, lines: list[Record], payee: Record | None) -> Decimal:
    """How much of it is against what customers owe; raises InvalidError (6000) when nobody is named for it."""
    table = company.table("Account")
    ours = [each for each in lines if is_receivable(table[each[DETAIL]["AccountRef"]["value"]])]
    if ours and payee is None:
        raise business("When you use Accounts Receivable, you must choose a customer in the Name field.")
    return sum((Decimal(each["Amount"]) for each in ours), NOTHING)


def refuse_foreign(company: Company, lines: list[Record], currency: str) -> None:
    """Raises InvalidError for a line against what customers owe in another currency."""
    table = company.table("Account")
    for each in lines:
        account = table[each[DETAIL]["AccountRef"]["value"]]
        if is_receivable(account) and id_of(account["CurrencyRef"]) != currency:
            raise business("The currency of the account must be the currency of the transaction.")


def is_receivable(account: Record) -> bool:
    """Whether it is the account of what customers owe."""
    return bool(account["AccountType"] == "Accounts Receivable")


def delete(company: Company, known: Record) -> None:
    """The money back in the bank; what it was joined with is open again. Raises InvalidError."""
    refuse_closed(company, known["TxnDate"])
    for payment in links.payments_of(company, known):
        links.leave(company, payment, "Purchase", known["Id"])
    company.drop("Purchase", known["Id"])
