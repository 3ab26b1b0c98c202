"""What a bookkeeper writes: invoices, credit notes, contacts, branding themes, each with few parameters."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sandbox.xero import contacts, documents
from sandbox.xero.calls import XeroCall
from sandbox.xero.documents import CREDIT_NOTE, INVOICE, XeroDocumentKind
from sandbox.xero.formats import format_timestamp
from sandbox.xero.organisation import Organisation, Record

SALES = "200"
TERM = timedelta(days=14)
CHANGES = {"due_date": "DueDate", "date": "Date", "reference": "Reference", "currency": "CurrencyCode"}


def get_or_create_contact(org: Organisation, params: Any) -> Record:
    """The contact that an id, a number or a name means; a new name makes one."""
    found = org.get("contacts", params) or contacts.find_match(org, {"ContactNumber": params})
    return {"ContactID": found["ContactID"]} if found else {"Name": str(params)}


def get_theme_id(org: Organisation, params: Any) -> str:
    """The id of the branding theme of that id or name; raises ValueError."""
    for theme in org.data["branding_themes"]:
        if params in (theme["BrandingThemeID"], theme["Name"]):
            return str(theme["BrandingThemeID"])
    raise ValueError(f"no such branding theme: {params}")


def build_line(params: Record) -> Record:
    """One line over `amount`, which is the document's total."""
    words = str(params.get("description") or "Managed services")
    account = str(params.get("account") or SALES)
    return {"Description": words, "Quantity": 1, "UnitAmount": params["amount"], "AccountCode": account}


def build_changes(org: Organisation, params: Record) -> Record:
    """The given parameters as the API's fields."""
    sent: Record = {field: str(params[word]) for word, field in CHANGES.items() if params.get(word) is not None}
    if params.get("contact"):
        sent["Contact"] = get_or_create_contact(org, params["contact"])
    if params.get("branding_theme"):
        sent["BrandingThemeID"] = get_theme_id(org, params["branding_theme"])
    if params.get("amount") is not None:
        sent |= {"LineItems": [build_line(params)], "LineAmountTypes": "Inclusive"}
    return sent


def create_invoice(call: XeroCall, params: Record) -> Record:
    """A sales invoice for `contact` over `amount`; `number`, `due_date`, `branding_theme`, `status` if they matter."""
    today = call.org.now.date()
    sent = {
        "Type": "ACCREC",
        "Status": str(params.get("status") or "AUTHORISED"),
        "Date": today.isoformat(),
        "DueDate": (today + TERM).isoformat(),
        **build_changes(call.org, params),
    }
    sent |= {"InvoiceNumber": str(params["number"])} if params.get("number") else {}
    return documents.create(call, INVOICE, sent)


def create_credit_note(call: XeroCall, params: Record) -> Record:
    """A credit note for `contact` over `amount`."""
    sent = {
        "Type": "ACCRECCREDIT",
        "Status": str(params.get("status") or "AUTHORISED"),
        "Date": call.org.now.date().isoformat(),
        **build_changes(call.org, params),
    }
    sent |= {"CreditNoteNumber": str(params["number"])} if params.get("number") else {}
    return documents.create(call, CREDIT_NOTE, sent)


def edit_document(call: XeroCall, kind: XeroDocumentKind, document: Record, params: Record) -> Record:
    """Another amount, day, due day, theme, reference or contact; the books refuse what cannot be changed any more."""
    return documents.update(call, kind, document, build_changes(call.org, params))


def create_contact(call: XeroCall, params: Record) -> Record:
    """A contact called `name`, with `email` and `number` if they are given."""
    fields = {"name": "Name", "email": "EmailAddress", "number": "ContactNumber"}
    return contacts.create(call, {field: str(params[word]) for word, field in fields.items() if params.get(word)})


def edit_contact(call: XeroCall, params: Record) -> Record:
    """Another `name`, `email` or `status` (ARCHIVED) for `contact`; raises ValueError."""
    fields = {"name": "Name", "email": "EmailAddress", "status": "ContactStatus"}
    key = get_or_create_contact(call.org, params["contact"]).get("ContactID")
    if key is None:
        raise ValueError(f"no such contact: {params['contact']}")
    return contacts.update(call, {field: params[word] for word, field in fields.items() if params.get(word)}, key=key)


def create_theme(call: XeroCall, params: Record) -> Record:
    """A branding theme called `name`."""
    rows = call.org.data["branding_themes"]
    space = uuid.UUID(call.org.id)
    fresh = {
        "BrandingThemeID": str(uuid.uuid5(space, str(params["name"]))),
        "Name": str(params["name"]),
        "Type": "INVOICE",
        "SortOrder": len(rows),
        "CreatedDateUTC": format_timestamp(call.org.now),
    }
    if all(row["Name"] != fresh["Name"] for row in rows):
        rows.append(fresh)
    return fresh


def delete_theme(call: XeroCall, params: Record) -> Record:
    """The branding theme called `name` is gone; documents that have it keep its id."""
    rows = call.org.data["branding_themes"]
    key = get_theme_id(call.org, params["name"])
    found: Record = next(row for row in rows if row["BrandingThemeID"] == key)
    rows.remove(found)
    return found
