"""Records of the books as the API shows them: Decimals and dates, ready for the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.xero.books import Organisation, Record
from sandbox.xero.settlement import allocations_of, standing

ADDRESSES = ("STREET", "POBOX")
PHONES = ("DEFAULT", "DDI", "FAX", "MOBILE")
DAYS = ("Date", "DueDate", "FullyPaidOnDate", "ExpectedPaymentDate", "PlannedPaymentDate")
TOTALS = ("SubTotal", "TotalTax", "Total")
SHARED = (
    "Type",
    "Reference",
    "SentToContact",
    "BrandingThemeID",
    "Status",
    "LineAmountTypes",
    "CurrencyCode",
    "Url",
)


def updated(record: Record) -> Record:
    """When it last changed, in both of the API's spellings."""
    moment = datetime.fromisoformat(record["UpdatedDateUTC"])
    return {"UpdatedDateUTC": moment, "UpdatedDateUTCString": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def picked(record: Record, *names: str) -> Record:
    """These fields, without those that have no value."""
    return {name: record[name] for name in names if record.get(name) is not None}


def days(record: Record) -> Record:
    """Its dates as dates."""
    return {name: date.fromisoformat(record[name]) for name in DAYS if record.get(name)}


def contact_stub(org: Organisation, key: str) -> Record:
    """A contact as documents in lists show it."""
    row = org.table("contacts")[key]
    return {"ContactID": key, "Name": row["Name"], "ContactPersons": [], "HasValidationErrors": False}


def contact(org: Organisation, row: Record, *, summary: bool = False) -> Record:
    """A contact."""
    names = ("ContactID", "ContactNumber", "AccountNumber", "ContactStatus", "Name", "FirstName", "LastName")
    shown = picked(row, *names, "CompanyNumber", "EmailAddress", "TaxNumber", "DefaultCurrency", "PaymentTerms")
    shown |= {
        "IsSupplier": row["IsSupplier"],
        "IsCustomer": row["IsCustomer"],
        "UpdatedDateUTC": updated(row)["UpdatedDateUTC"],
        "HasAttachments": False,
        "HasValidationErrors": False,
    }
    if summary:
        return shown
    return shown | {
        "BankAccountDetails": row.get("BankAccountDetails", ""),
        "Addresses": filled(row.get("Addresses", []), "AddressType", ADDRESSES),
        "Phones": filled(row.get("Phones", []), "PhoneType", PHONES),
        "ContactPersons": row.get("ContactPersons", []),
        "ContactGroups": [],
    }


def filled(rows: list[Record], field: str, kinds: tuple[str, ...]) -> list[Record]:
    """One row for every kind, empty ones for what was never told."""
    known = {row.get(field): row for row in rows}
    empty = {"PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""} if field == "PhoneType" else {}
    return [*rows, *({field: kind, **empty} for kind in kinds if kind not in known)]


def balances(org: Organisation, key: str) -> Record:
    """What a contact owes and is owed, from its approved documents."""
    today = org.now.date().isoformat()
    sums: dict[str, Record] = {}
    for name, kind in (("AccountsReceivable", "ACCREC"), ("AccountsPayable", "ACCPAY")):
        rows = [row for row in org.table("invoices").values() if row["ContactID"] == key and row["Type"] == kind]
        owed = [row for row in rows if row["Status"] == "AUTHORISED"]
        late = [row for row in owed if row.get("DueDate", today) < today]
        sums[name] = {"Outstanding": total(owed), "Overdue": total(late)}
    return {"Balances": sums}


def total(rows: list[Record]) -> Decimal:
    """The sum of what is due."""
    return sum((Decimal(row["AmountDue"]) for row in rows), Decimal("0.00"))


def lines(record: Record, places: int) -> list[Record]:
    """The line items; unit amounts with `places` decimals."""
    unit = Decimal(1).scaleb(-places)
    return [
        {
            **picked(line, "LineItemID", "Description", "AccountCode", "AccountID", "TaxType"),
            **{name: Decimal(line[name]) for name in ("Quantity", "TaxAmount", "LineAmount")},
            **({"DiscountRate": Decimal(line["DiscountRate"])} if line.get("DiscountRate") else {}),
            "UnitAmount": Decimal(line["UnitAmount"]).quantize(unit),
            "Tracking": [],
        }
        for line in record["LineItems"]
    ]


def document(org: Organisation, row: Record) -> Record:
    """What invoices and credit notes show alike, without lines and connections."""
    return {
        **picked(row, *SHARED),
        **days(row),
        **updated(row),
        **{name: Decimal(row[name]) for name in TOTALS},
        "CurrencyRate": Decimal(row["CurrencyRate"]),
        "Contact": contact_stub(org, row["ContactID"]),
        "HasAttachments": False,
        "HasErrors": False,
    }


def payments_of(org: Organisation, row: Record) -> list[Record]:
    """The standing payments of a document."""
    found = (org.table("payments")[key] for key in row["PaymentIDs"] if standing(org, key))
    return [
        {
            **picked(each, "PaymentID", "Reference"),
            "Date": date.fromisoformat(each["Date"]),
            "Amount": Decimal(each["Amount"]),
            "CurrencyRate": Decimal(each["CurrencyRate"]),
            "HasAccount": True,
            "HasValidationErrors": False,
        }
        for each in found
    ]


def invoice(org: Organisation, row: Record, *, places: int = 2, summary: bool = False) -> Record:
    """An invoice; the summary leaves out lines, payments and credits."""
    shown = document(org, row) | picked(row, "InvoiceID", "InvoiceNumber") | {"IsDiscounted": False}
    shown |= {name: Decimal(row[name]) for name in ("AmountDue", "AmountPaid", "AmountCredited")}
    if summary:
        return shown
    return shown | {
        "LineItems": lines(row, places),
        "Payments": payments_of(org, row),
        "CreditNotes": [credit(note, each) for note, each in allocations_of(org, row)],
        "Prepayments": [],
        "Overpayments": [],
    }


def credit(note: Record, allocation: Record) -> Record:
    """A credit note as the invoice shows it that it reduces."""
    return {
        **picked(note, "CreditNoteID", "CreditNoteNumber"),
        "AppliedAmount": Decimal(allocation["Amount"]),
        "Date": date.fromisoformat(allocation["Date"]),
        "Total": Decimal(note["Total"]),
        "HasErrors": False,
    }


def note(org: Organisation, row: Record, *, places: int = 2, summary: bool = False) -> Record:
    """A credit note; the summary leaves out lines, payments and allocations."""
    shown = document(org, row) | picked(row, "CreditNoteID", "CreditNoteNumber")
    shown |= {"RemainingCredit": Decimal(row["RemainingCredit"])}
    if summary:
        return shown
    return shown | {
        "LineItems": lines(row, places),
        "Payments": payments_of(org, row),
        "Allocations": [allocation(org, each) for each in row["Allocations"]],
    }


def allocation(org: Organisation, row: Record) -> Record:
    """What of a credit note went to which invoice."""
    target = org.table("invoices")[row["InvoiceID"]]
    return {
        "AllocationID": row["AllocationID"],
        "Amount": Decimal(row["Amount"]),
        "Date": date.fromisoformat(row["Date"]),
        "Invoice": picked(target, "InvoiceID", "InvoiceNumber"),
    }


def payment(org: Organisation, row: Record) -> Record:
    """A payment, with the document and the account that it joins."""
    account = org.table("accounts")[row["AccountID"]]
    names = ("PaymentID", "Reference", "Status", "PaymentType", "IsReconciled")
    return {
        **picked(row, *names),
        **updated(row),
        "Date": date.fromisoformat(row["Date"]),
        "Amount": Decimal(row["Amount"]),
        "BankAmount": Decimal(row["BankAmount"]),
        "CurrencyRate": Decimal(row["CurrencyRate"]),
        "HasAccount": True,
        "HasValidationErrors": False,
        "Account": picked(account, "AccountID", "Code", "Name"),
        **target_of(org, row),
    }


def target_of(org: Organisation, row: Record) -> Record:
    """The invoice or credit note that a payment is for."""
    name, table = ("Invoice", "invoices") if row.get("InvoiceID") else ("CreditNote", "credit_notes")
    found = org.table(table)[row[f"{name}ID"]]
    shown: dict[str, Any] = {
        **picked(found, "Type", f"{name}ID", f"{name}Number", "CurrencyCode"),
        "Contact": contact_stub(org, found["ContactID"]),
        "HasErrors": False,
    }
    return {name: shown}
