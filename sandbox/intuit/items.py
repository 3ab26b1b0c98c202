"""Things to sell: made and changed by apps; every one of them needs an account for its income."""

from __future__ import annotations

from sandbox.intuit.books import Company, Record
from sandbox.intuit.customers import GONE
from sandbox.intuit.errors import InvalidError, business, required
from sandbox.intuit.fields import limited
from sandbox.intuit.wire import id_of, is_sparse, kept, number

TYPES = ("Service", "NonInventory")
EARNING = ("Income", "Other Income", "Other Current Liability", "Long Term Liability")
HELD = ("Id", "SyncToken", "MetaData", "domain", "sparse")
TEXTS = ("Description", "Sku", "SalesTaxCodeRef", "ExpenseAccountRef", "PurchaseDesc")
TAKEN = "The name supplied already exists. : Another product or service is already using this name."


def write(company: Company, sent: Record, include: set[str]) -> Record:
    """A new item, or a known one changed or retired; raises InvalidError."""
    known = company.current("Item", sent) if sent.get("Id") else None
    told = {**known, **sent} if known and is_sparse(sent) else sent
    held = {name: known[name] for name in HELD} if known else {}
    fresh = {**held, **facts(company, told)}
    if not fresh["Active"] and not fresh["Name"].endswith(GONE):
        fresh["Name"] = fresh["Name"][: 100 - len(GONE)] + GONE
    refuse_taken(company, fresh)
    return company.put("Item", {**fresh, "FullyQualifiedName": fresh["Name"]})


def facts(company: Company, sent: Record) -> Record:
    """The item as the books keep it; raises InvalidError."""
    if sent.get("Type") not in TYPES:
        told = f"Invalid Enumeration : {sent.get('Type')}"
        raise InvalidError("2170", "Invalid Enumeration", told, element="Type")
    if not sent.get("Name"):
        raise required("Name")
    name = limited("Name", sent["Name"], 100).strip()
    if any(char in name for char in ":\t\n\r"):
        raise business("An item name can't contain a colon (:), a tab or a new line.")
    if not id_of(sent.get("IncomeAccountRef")):
        raise required("IncomeAccountRef")
    account = company.pointed("Account", sent["IncomeAccountRef"], "Accounts")
    if account["AccountType"] not in EARNING:
        told = "Invalid account type: You need to select a different type of account for this transaction."
        raise InvalidError("6430", "Invalid account type used", told, element="IncomeAccountRef")
    return {
        **kept({field: sent[field] for field in TEXTS if sent.get(field) not in (None, "")}),
        "Name": name,
        "Type": sent["Type"],
        "Active": sent.get("Active", True) not in (False, "false"),
        "Taxable": sent.get("Taxable", False) in (True, "true"),
        "UnitPrice": str(number("UnitPrice", sent.get("UnitPrice") or 0)),
        "TrackQtyOnHand": False,
        "IncomeAccountRef": {"value": account["Id"], "name": account["Name"]},
    }


def refuse_taken(company: Company, item: Record) -> None:
    """Raises InvalidError (6240) when another item has the name."""
    for row in company.table("Item").values():
        if row["Name"].casefold() == item["Name"].casefold() and row["Id"] != item.get("Id"):
            raise InvalidError("6240", "Duplicate Name Exists Error", f"{TAKEN} Id={row['Id']}")
