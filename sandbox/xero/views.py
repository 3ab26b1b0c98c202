"""Records of the books as the API shows them: Decimals and dates, ready for the wire."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.xero.amounts_due import is_payment_active, list_allocations
from sandbox.xero.organisation import Organisation, Record

ADDRESSES = ("STREET", "POBOX")
PHONES = ("DEFAULT", "DDI", "FAX", "MOBILE")
DATE_FIELDS = ("Date", "DueDate", "FullyPaidOnDate", "ExpectedPaymentDate", "PlannedPaymentDate")
TOTAL_FIELDS = ("SubTotal", "TotalTax", "Total")
SHARED_FIELDS = (
    "Type",
    "Reference",
    "SentToContact",
    "BrandingThemeID",
    "Status",
    "LineAmountTypes",
    "CurrencyCode",
    "Url",
)


def render_updated(record: Record) -> Record:
    """When it last changed, in both of the API's spellings."""
    moment = datetime.fromisoformat(record["UpdatedDateUTC"])
    return {"UpdatedDateUTC": moment, "UpdatedDateUTCString": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def pick_fields(record: Record, *names: str) -> Record:
    """These fields, without those that have no value."""
    return {name: record[name] for name in names if record.get(name) is not None}


def render_dates(record: Record) -> Record:
    """Its dates as dates."""
    return {name: date.fromisoformat(record[name]) for name in DATE_FIELDS if record.get(name)}


def render_contact_summary(org: Organisation, key: str) -> Record:
    """A contact as documents in lists show it, or where it is so configured whole."""
    row = org.table("contacts")[key]
    if org.world.config.get("xero_whole_contacts"):
        return render_contact(org, row)
    return {"ContactID": key, "Name": row["Name"], "ContactPersons": [], "HasValidationErrors": False}


def render_contact(org: Organisation, row: Record, *, summary: bool = False, is_single: bool = True) -> Record:
    """A contact."""
    names = ("ContactID", "ContactNumber", "AccountNumber", "ContactStatus", "Name", "FirstName", "LastName")
    shown = pick_fields(row, *names, "CompanyNumber", "EmailAddress", "TaxNumber", "DefaultCurrency", "PaymentTerms")
    shown |= {
        "IsSupplier": row["IsSupplier"],
        "IsCustomer": row["IsCustomer"],
        "UpdatedDateUTC": render_updated(row)["UpdatedDateUTC"],
        "HasAttachments": False,
        "HasValidationErrors": False,
    }
    if summary:
        return shown
    merged = pick_fields(row, "MergedToContactID") if is_single else {}
    return (
        shown
        | merged
        | {
            "BankAccountDetails": row.get("BankAccountDetails", ""),
            "Addresses": fill_kinds(row.get("Addresses", []), "AddressType", ADDRESSES),
            "Phones": fill_kinds(row.get("Phones", []), "PhoneType", PHONES),
            "ContactPersons": row.get("ContactPersons", []),
            "ContactGroups": [],
        }
    )


def fill_kinds(rows: list[Record], field: str, kinds: tuple[str, ...]) -> list[Record]:
    """One row for every kind, empty ones for what was never sent."""
    known = {row.get(field): row for row in rows}
    empty = {"PhoneNumber": "", "PhoneAreaCode": "", "PhoneCountryCode": ""} if field == "PhoneType" else {}
    return [*rows, *({field: kind, **empty} for kind in kinds if kind not in known)]


def calculate_balances(org: Organisation, key: str) -> Record:
    """What a contact owes and is owed, from its approved documents."""
    today = org.now.date().isoformat()
    sums: dict[str, Record] = {}
    for name, kind in (("AccountsReceivable", "ACCREC"), ("AccountsPayable", "ACCPAY")):
        rows = [row for row in org.table("invoices").values() if row["ContactID"] == key and row["Type"] == kind]
        owed = [row for row in rows if row["Status"] == "AUTHORISED"]
        late = [row for row in owed if row.get("DueDate", today) < today]
        sums[name] = {"Outstanding": sum_due(owed), "Overdue": sum_due(late)}
    return {"Balances": sums}


def sum_due(rows: list[Record]) -> Decimal:
    """The sum of what is due."""
    return sum((Decimal(row["AmountDue"]) for row in rows), Decimal("0.00"))


def render_lines(record: Record, places: int) -> list[Record]:
    """The line items; unit amounts with `places` decimals."""
    unit = Decimal(1).scaleb(-places)
    return [
        {
            **pick_fields(line, "LineItemID", "Description", "AccountCode", "AccountID", "TaxType"),
            **{name: Decimal(line[name]) for name in ("Quantity", "TaxAmount", "LineAmount")},
            **({"DiscountRate": Decimal(line["DiscountRate"])} if line.get("DiscountRate") else {}),
            "UnitAmount": Decimal(line["UnitAmount"]).quantize(unit),
            "Tracking": [],
        }
        for line in record["LineItems"]
    ]


def render_document(org: Organisation, row: Record) -> Record:
    """What invoices and credit notes show alike, without lines and connections."""
    return {
        **pick_fields(row, *SHARED_FIELDS),
        **render_dates(row),
        **render_updated(row),
        **{name: Decimal(row[name]) for name in TOTAL_FIELDS},
        "CurrencyRate": Decimal(row["CurrencyRate"]),
        "Contact": render_contact_summary(org, row["ContactID"]),
        "HasAttachments": False,
        "HasErrors": False,
    }


def render_payments(org: Organisation, row: Record) -> list[Record]:
    """The standing payments of a document."""
    found = (org.table("payments")[key] for key in row["PaymentIDs"] if is_payment_active(org, key))
    return [
        {
            **pick_fields(each, "PaymentID", "Reference"),
            "Date": date.fromisoformat(each["Date"]),
            "Amount": Decimal(each["Amount"]),
            "CurrencyRate": Decimal(each["CurrencyRate"]),
            "HasAccount": True,
            "HasValidationErrors": False,
        }
        for each in found
    ]


def render_invoice(org: Organisation, row: Record, *, places: int = 2, summary: bool = False) -> Record:
    """An invoice; the summary leaves out lines, payments and credits."""
    shown = render_document(org, row) | pick_fields(row, "InvoiceID", "InvoiceNumber") | {"IsDiscounted": False}
    shown |= {name: Decimal(row[name]) for name in ("AmountDue", "AmountPaid", "AmountCredited")}
    if summary:
        return shown
    return shown | {
        "LineItems": render_lines(row, places),
        "Payments": render_payments(org, row),
        "CreditNotes": [render_invoice_credit(note, each) for note, each in list_allocations(org, row)],
        "Prepayments": [],
        "Overpayments": [],
    }


def render_invoice_credit(note: Record, allocation: Record) -> Record:
    """A credit note as the invoice shows it that it reduces."""
    return {
        **pick_fields(note, "CreditNoteID", "CreditNoteNumber"),
        "AppliedAmount": Decimal(allocation["Amount"]),
        "Date": date.fromisoformat(note["Date"]),  # the note's own day, whenever it was used
        "Total": Decimal(note["Total"]),
        "HasErrors": False,
    }


def render_credit_note(org: Organisation, row: Record, *, places: int = 2, summary: bool = False) -> Record:
    """A credit note; the summary leaves out lines, payments and allocations."""
    shown = render_document(org, row) | pick_fields(row, "CreditNoteID", "CreditNoteNumber")
    shown |= {"RemainingCredit": Decimal(row["RemainingCredit"])}
    if summary:
        return shown
    return shown | {
        "LineItems": render_lines(row, places),
        "Payments": render_payments(org, row),
        "Allocations": [render_allocation(org, each) for each in row["Allocations"]],
    }


def render_allocation(org: Organisation, row: Record) -> Record:
    """What of a credit note went to which invoice."""
    target = org.table("invoices")[row["InvoiceID"]]
    return {
        "AllocationID": row["AllocationID"],
        "Amount": Decimal(row["Amount"]),
        "Date": date.fromisoformat(row["Date"]),
        "Invoice": pick_fields(target, "InvoiceID", "InvoiceNumber"),
    }


def render_payment(org: Organisation, row: Record) -> Record:
    """A payment, with the document and the account that it joins."""
    account = org.table("accounts")[row["AccountID"]]
    names = ("PaymentID", "Reference", "Status", "PaymentType", "IsReconciled")
    return {
        **pick_fields(row, *names),
        **render_updated(row),
        "Date": date.fromisoformat(row["Date"]),
        "Amount": Decimal(row["Amount"]),
        "BankAmount": Decimal(row["BankAmount"]),
        "CurrencyRate": Decimal(row["CurrencyRate"]),
        "HasAccount": True,
        "HasValidationErrors": False,
        "Account": pick_fields(account, "AccountID", "Code", "Name"),
        **get_target(org, row),
    }


def get_target(org: Organisation, row: Record) -> Record:
    """The invoice or credit note that a payment is for."""
    name, table = ("Invoice", "invoices") if row.get("InvoiceID") else ("CreditNote", "credit_notes")
    found = org.table(table)[row[f"{name}ID"]]
    shown: dict[str, Any] = {
        **pick_fields(found, "Type", f"{name}ID", f"{name}Number", "CurrencyCode"),
        "Contact": render_contact_summary(org, found["ContactID"]),
        "HasErrors": False,
    }
    return {name: shown}
