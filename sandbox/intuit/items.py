"""Things to sell: created and changed by apps; every one of them needs an account for its income."""

from __future__ import annotations

from sandbox.intuit.company import Company, Record
from sandbox.intuit.customers import DELETED_SUFFIX
from sandbox.intuit.errors import IntuitValidationError, build_business_error, build_required_error
from sandbox.intuit.fields import check_length
from sandbox.intuit.formats import get_reference_id, is_sparse, parse_number, to_stored

TYPES = ("Service", "NonInventory")
INCOME_ACCOUNT_TYPES = ("Income", "Other Income", "Other Current Liability", "Long Term Liability")
SERVER_FIELDS = ("Id", "SyncToken", "MetaData", "domain", "sparse")
TEXTS = ("Description", "Sku", "SalesTaxCodeRef", "ExpenseAccountRef", "PurchaseDesc")
NAME_TAKEN = "The name supplied already exists. : Another product or service is already using this name."


def write_item(company: Company, sent: Record, include: set[str]) -> Record:
    """A new item, or a known one changed or retired; raises IntuitValidationError."""
    known = company.get_current("Item", sent) if sent.get("Id") else None
    merged = {**known, **sent} if known and is_sparse(sent) else sent
    existing = {name: known[name] for name in SERVER_FIELDS} if known else {}
    fresh = {**existing, **build_item(company, merged)}
    if not fresh["Active"] and not fresh["Name"].endswith(DELETED_SUFFIX):
        fresh["Name"] = fresh["Name"][: 100 - len(DELETED_SUFFIX)] + DELETED_SUFFIX
    check_name_free(company, fresh)
    return company.save("Item", {**fresh, "FullyQualifiedName": fresh["Name"]})


def build_item(company: Company, sent: Record) -> Record:
    """The item as it is stored; raises IntuitValidationError."""
    if sent.get("Type") not in TYPES:
        detail = f"Invalid Enumeration : {sent.get('Type')}"
        raise IntuitValidationError("2170", "Invalid Enumeration", detail, element="Type")
    if not sent.get("Name"):
        raise build_required_error("Name")
    name = check_length("Name", sent["Name"], 100).strip()
    if any(char in name for char in ":\t\n\r"):
        raise build_business_error("An item name can't contain a colon (:), a tab or a new line.")
    if not get_reference_id(sent.get("IncomeAccountRef")):
        raise build_required_error("IncomeAccountRef")
    account = company.get_referenced("Account", sent["IncomeAccountRef"], "Accounts")
    if account["AccountType"] not in INCOME_ACCOUNT_TYPES:
        detail = "Invalid account type: You need to select a different type of account for this transaction."
        raise IntuitValidationError("6430", "Invalid account type used", detail, element="IncomeAccountRef")
    return {
        **to_stored({field: sent[field] for field in TEXTS if sent.get(field) not in (None, "")}),
        "Name": name,
        "Type": sent["Type"],
        "Active": sent.get("Active", True) not in (False, "false"),
        "Taxable": sent.get("Taxable", False) in (True, "true"),
        "UnitPrice": str(parse_number("UnitPrice", sent.get("UnitPrice") or 0)),
        "TrackQtyOnHand": False,
        "IncomeAccountRef": {"value": account["Id"], "name": account["Name"]},
    }


def check_name_free(company: Company, item: Record) -> None:
    """Raises IntuitValidationError (6240) when another item has the name."""
    for row in company.table("Item").values():
        if row["Name"].casefold() == item["Name"].casefold() and row["Id"] != item.get("Id"):
            raise IntuitValidationError("6240", "Duplicate Name Exists Error", f"{NAME_TAKEN} Id={row['Id']}")
