"""Money paid out by cheque or from the bank, of which a part may be against what a customer owes or is owed."""

from __future__ import annotations

from decimal import Decimal

from sandbox.intuit import linked_transactions
from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import IntuitValidationError, build_business_error, build_required_error
from sandbox.intuit.formats import ZERO, get_reference_id, is_sparse, parse_amount, to_stored
from sandbox.intuit.rules import check_not_closed, check_not_suspended, get_currency, get_transaction_date

SERVER_FIELDS = ("Id", "SyncToken", "MetaData", "domain", "sparse", "LinkedTxn")
TEXTS = ("DocNumber", "PrivateNote", "PaymentMethodRef", "PrintStatus", "GlobalTaxCalculation")
TYPES = ("Cash", "Check", "CreditCard")
PAYING_ACCOUNT_TYPES = ("Bank", "Credit Card", "Other Current Asset")
DETAIL = "AccountBasedExpenseLineDetail"


def write_purchase(company: Company, sent: Record, include: set[str]) -> Record:
    """New money paid out, or known money changed; raises IntuitValidationError."""
    known = company.get_current("Purchase", sent) if sent.get("Id") else None
    check_not_suspended(company)
    if known:
        check_not_closed(company, known["TxnDate"])
        sent = {**known, **sent} if is_sparse(sent) else sent
    existing = {name: known[name] for name in SERVER_FIELDS if name in known} if known else {"Id": "", "LinkedTxn": []}
    fresh = {**existing, **build_purchase(company, sent)}
    return company.save("Purchase", linked_transactions.set_open_balance(company, "Purchase", fresh))


def build_purchase(company: Company, sent: Record) -> Record:
    """The purchase as it is stored; raises IntuitValidationError."""
    if sent.get("PaymentType") not in TYPES:
        raise IntuitValidationError("2170", "Invalid Enumeration", f"Invalid Enumeration : {sent.get('PaymentType')}")
    if not get_reference_id(sent.get("AccountRef")):
        raise build_required_error("AccountRef")
    account = company.get_referenced("Account", sent["AccountRef"], "Accounts")
    if account["AccountType"] not in PAYING_ACCOUNT_TYPES:
        detail = "Invalid account type: You need to select a different type of account for this transaction."
        raise IntuitValidationError("6430", "Invalid account type used", detail, element="AccountRef")
    lines = [parse_purchase_line(company, place, each) for place, each in enumerate(sent.get("Line") or [], 1)]
    if not lines:
        raise build_required_error("Line")
    entity = sent.get("EntityRef") or {}
    payee = company.get_referenced("Customer", entity, "Names") if get_reference_id(entity) else None
    home = {"CurrencyRef": {"value": company.currency}}
    money_of = get_currency(company, sent, payee or home)
    check_currency(company, lines, get_reference_id(money_of["CurrencyRef"]))
    return {
        **to_stored({name: sent[name] for name in TEXTS if sent.get(name) not in (None, "")}),
        "PaymentType": sent["PaymentType"],
        "AccountRef": {"value": account["Id"], "name": account["Name"]},
        **({"EntityRef": {"value": payee["Id"], "name": payee["DisplayName"], "type": "Customer"}} if payee else {}),
        "TxnDate": get_transaction_date(company, sent),
        **money_of,
        "Line": lines,
        "TotalAmt": str(sum((Decimal(each["Amount"]) for each in lines), ZERO)),
        "_receivable": str(sum_receivable(company, lines, payee)),
    }


def parse_purchase_line(company: Company, place: int, sent: Record) -> Record:
    """One line against an account; raises IntuitValidationError."""
    detail = sent.get(DETAIL)
    if sent.get("DetailType") != DETAIL or not isinstance(detail, dict):
        raise build_required_error(DETAIL)
    if not get_reference_id(detail.get("AccountRef")):
        raise build_required_error("AccountRef")
    account = company.get_referenced("Account", detail["AccountRef"], "Accounts")
    reference = {"AccountRef": {"value": account["Id"], "name": account["Name"]}}
    reference |= to_stored(
        {name: detail[name] for name in ("CustomerRef", "TaxCodeRef", "BillableStatus") if detail.get(name)}
    )
    description = {"Description": str(sent["Description"])} if sent.get("Description") else {}
    amount = parse_amount("Amount", sent.get("Amount"))
    return {"Id": str(place), **description, "Amount": str(amount), "DetailType": DETAIL, DETAIL: reference}


def sum_receivable(company: Company, lines: list[Record], payee: Record | None) -> Decimal:
    """How much of it is against what customers owe; raises IntuitValidationError (6000) when nobody is named for it."""
    table = company.table("Account")
    ours = [each for each in lines if is_receivable(table[each[DETAIL]["AccountRef"]["value"]])]
    if ours and payee is None:
        raise build_business_error("When you use Accounts Receivable, you must choose a customer in the Name field.")
    return sum((Decimal(each["Amount"]) for each in ours), ZERO)


def check_currency(company: Company, lines: list[Record], currency: str) -> None:
    """Raises IntuitValidationError for a line against what customers owe in another currency."""
    table = company.table("Account")
    for each in lines:
        account = table[each[DETAIL]["AccountRef"]["value"]]
        if is_receivable(account) and get_reference_id(account["CurrencyRef"]) != currency:
            raise build_business_error("The currency of the account must be the currency of the transaction.")


def is_receivable(account: Record) -> bool:
    """Whether it is the account of what customers owe."""
    return bool(account["AccountType"] == "Accounts Receivable")


def delete_purchase(company: Company, known: Record) -> None:
    """The money back in the bank; what it was joined with is open again. Raises IntuitValidationError."""
    check_not_closed(company, known["TxnDate"])
    for payment in linked_transactions.list_payments(company, known):
        linked_transactions.remove_document_from_payment(company, payment, "Purchase", known["Id"])
    company.delete("Purchase", known["Id"])
