"""Customers: created, changed, retired; their names are unique and their balances follow from documents."""

from __future__ import annotations

import re
from decimal import Decimal

from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import IntuitValidationError, build_business_error
from sandbox.intuit.fields import check_length
from sandbox.intuit.formats import ZERO, get_reference_id, is_sparse, to_stored

DELETED_SUFFIX = " (deleted)"
NAME_PARTS = ("Title", "GivenName", "MiddleName", "FamilyName", "Suffix")
MAX_LENGTHS = {
    "DisplayName": 100,
    "CompanyName": 100,
    "GivenName": 100,
    "MiddleName": 100,
    "FamilyName": 100,
    "Notes": 2000,
}
MAX_LENGTHS |= {"Title": 16, "Suffix": 16, "PrintOnCheckName": 110}
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s,]+(\s*,\s*[^@\s]+@[^@\s]+\.[^@\s,]+)*$")
NAME_TAKEN = (
    "The name supplied already exists. : Another customer is already using this name. Please use a different name."
)


def write_customer(company: Company, sent: Record, include: set[str]) -> Record:
    """A new customer, or a known one changed; raises IntuitValidationError."""
    known = company.get_current("Customer", sent) if sent.get("Id") else None
    fresh = merge_update(known, sent)
    for name, most in MAX_LENGTHS.items():
        if fresh.get(name):
            fresh[name] = check_length(name, fresh[name], most).strip()
    fresh["DisplayName"] = get_display_name(fresh)
    if known and not fresh["Active"] and known["Active"]:
        deactivate(company, fresh)
    check_characters(fresh["DisplayName"])
    check_name_free(company, fresh)
    check_email(fresh)
    set_currency(company, fresh, known)
    fresh |= {"FullyQualifiedName": fresh["DisplayName"]}
    fresh.setdefault("PrintOnCheckName", str(fresh.get("CompanyName") or fresh["DisplayName"]))
    return company.save("Customer", fresh)


def merge_update(known: Record | None, sent: Record) -> Record:
    """The customer as it is to be stored: a sparse update leaves what it does not name, a full one does not."""
    ours = ("Id", "SyncToken", "MetaData", "domain", "CurrencyRef")
    blank: Record = {"Active": True, "Taxable": True, "Job": False, "BillWithParent": False, "IsProject": False}
    blank |= {"PreferredDeliveryMethod": "Print"}
    existing = {name: known[name] for name in ours} if known else {}
    under = known if known and is_sparse(sent) else blank | existing
    fresh = {
        **under,
        **to_stored({name: value for name, value in sent.items() if name not in ("SyncToken", "MetaData")}),
    }
    for name in ("Balance", "BalanceWithJobs", "Level"):
        fresh.pop(name, None)
    return {**fresh, "sparse": False}


def get_display_name(customer: Record) -> str:
    """The display name, built of the other names when there is none; raises IntuitValidationError (6080)."""
    given = str(customer.get("DisplayName") or "").strip()
    display_name = (
        given
        or " ".join(str(customer[part]) for part in NAME_PARTS if customer.get(part))
        or customer.get("CompanyName")
    )
    if not display_name:
        detail = "At least one of Title, GivenName, MiddleName, FamilyName, DisplayName, Suffix must be supplied."
        raise IntuitValidationError("6080", "No name provided", detail)
    return str(display_name)


def check_characters(name: str) -> None:
    """Raises IntuitValidationError for a name that QuickBooks would not store."""
    if any(char in name for char in ":\t\n\r"):
        raise build_business_error("A customer name can't contain a colon (:), a tab or a new line.")
    if any(ord(char) > 0xFFFF or 0xD800 <= ord(char) <= 0xDFFF for char in name):
        raise IntuitValidationError("2040", "Invalid String", "Element contains invalid characters: DisplayName")


def check_name_free(company: Company, customer: Record) -> None:
    """Raises IntuitValidationError (6240) when somebody else has the name: a customer, vendor or employee."""
    rivals = company.find_by("Customer", "DisplayName", customer["DisplayName"])
    other = next((row for row in rivals if row["Id"] != customer.get("Id")), None)
    if other:
        raise IntuitValidationError("6240", "Duplicate Name Exists Error", f"{NAME_TAKEN} Id={other['Id']}")
    if customer["DisplayName"].casefold() in [name.casefold() for name in company.data["others"]]:
        raise IntuitValidationError(
            "6240", "Duplicate Name Exists Error", NAME_TAKEN.replace("customer", "vendor or employee")
        )


def check_email(customer: Record) -> None:
    """Raises IntuitValidationError (2210) for an e-mail address that cannot be one."""
    email = customer.get("PrimaryEmailAddr") or {}
    address = str(email.get("Address") or "") if isinstance(email, dict) else ""
    if address:
        check_length("PrimaryEmailAddr", address, 100)
        if not EMAIL.match(address):
            detail = f"Email Address does not conform to the RFC 822 standard. Supplied value: {address}"
            raise IntuitValidationError("2210", "Invalid Email Address format", detail, element="PrimaryEmailAddr")


def deactivate(company: Company, customer: Record) -> None:
    """Free the name of a customer that becomes inactive; raises IntuitValidationError (6220) while money is open."""
    if calculate_balance(company, str(customer["Id"])):
        raise IntuitValidationError("6220", "Delete Entity Has Balance Error", "The customer has an open balance.")
    if not customer["DisplayName"].endswith(DELETED_SUFFIX):
        customer["DisplayName"] = customer["DisplayName"][: 100 - len(DELETED_SUFFIX)] + DELETED_SUFFIX


def set_currency(company: Company, customer: Record, known: Record | None) -> None:
    """Give the customer its one currency; raises IntuitValidationError for one not in use, or for another one."""
    requested = get_reference_id(customer.get("CurrencyRef")) or company.currency
    if requested not in company.currencies:
        if len(company.currencies) == 1:
            raise build_business_error("Multi Currency should be enabled to perform this operation.")
        raise IntuitValidationError(
            "2220", "Invalid Currency Type", f"Invalid Currency Type : {requested}", element="CurrencyRef"
        )
    if known and get_reference_id(known["CurrencyRef"]) != requested:
        raise build_business_error("The currency of a customer can't be changed.")
    customer["CurrencyRef"] = {"value": requested, "name": requested}


def calculate_balance(company: Company, key: str) -> Decimal:
    """What a customer owes: open invoices less open credits and money not yet applied."""
    owed = sum((Decimal(row["Balance"]) for row in company.find_by("Invoice", "Customer", key)), ZERO)
    credit = sum((Decimal(row["Balance"]) for row in company.find_by("CreditMemo", "Customer", key)), ZERO)
    loose = sum((Decimal(row["UnappliedAmt"]) for row in company.find_by("Payment", "Customer", key)), ZERO)
    return owed - credit - loose


def render_customer(company: Company, customer: Record) -> Record:
    """A customer with its balance."""
    owed = calculate_balance(company, customer["Id"])
    return {**customer, "Balance": str(owed), "BalanceWithJobs": str(owed)}
