"""What a bookkeeper writes by hand: invoices, credit notes, contacts, branding themes, each with few words."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sandbox.xero import contacts, documents
from sandbox.xero.books import Organisation, Record
from sandbox.xero.calls import Call
from sandbox.xero.documents import INVOICE, NOTE, Kind
from sandbox.xero.wire import stamp

SALES = "200"
TERM = timedelta(days=14)
CHANGES = {"due_date": "DueDate", "date": "Date", "reference": "Reference", "currency": "CurrencyCode"}


def contact_of(org: Organisation, said: Any) -> Record:
    """The contact that an id, a number or a name means; a new name makes one."""
    found = org.get("contacts", said) or contacts.match(org, {"ContactNumber": said})
    return {"ContactID": found["ContactID"]} if found else {"Name": str(said)}


def theme_of(org: Organisation, said: Any) -> str:
    """The id of the branding theme of that id or name; raises ValueError."""
    for theme in org.data["branding_themes"]:
        if said in (theme["BrandingThemeID"], theme["Name"]):
            return str(theme["BrandingThemeID"])
    raise ValueError(f"no such branding theme: {said}")


def line_of(said: Record) -> Record:
    """One line over `amount`, which is the document's total."""
    words = str(said.get("description") or "Managed services")
    account = str(said.get("account") or SALES)
    return {"Description": words, "Quantity": 1, "UnitAmount": said["amount"], "AccountCode": account}


def changes_of(org: Organisation, said: Record) -> Record:
    """The words as the API's fields, those that were said."""
    sent: Record = {field: str(said[word]) for word, field in CHANGES.items() if said.get(word) is not None}
    if said.get("contact"):
        sent["Contact"] = contact_of(org, said["contact"])
    if said.get("branding_theme"):
        sent["BrandingThemeID"] = theme_of(org, said["branding_theme"])
    if said.get("amount") is not None:
        sent |= {"LineItems": [line_of(said)], "LineAmountTypes": "Inclusive"}
    return sent


def make_invoice(call: Call, said: Record) -> Record:
    """A sales invoice for `contact` over `amount`; `number`, `due_date`, `branding_theme`, `status` if they matter."""
    today = call.org.now.date()
    sent = {
        "Type": "ACCREC",
        "Status": str(said.get("status") or "AUTHORISED"),
        "Date": today.isoformat(),
        "DueDate": (today + TERM).isoformat(),
        **changes_of(call.org, said),
    }
    sent |= {"InvoiceNumber": str(said["number"])} if said.get("number") else {}
    return documents.create(call, INVOICE, sent)


def make_credit_note(call: Call, said: Record) -> Record:
    """A credit note for `contact` over `amount`."""
    sent = {
        "Type": "ACCRECCREDIT",
        "Status": str(said.get("status") or "AUTHORISED"),
        "Date": call.org.now.date().isoformat(),
        **changes_of(call.org, said),
    }
    sent |= {"CreditNoteNumber": str(said["number"])} if said.get("number") else {}
    return documents.create(call, NOTE, sent)


def edit(call: Call, kind: Kind, document: Record, said: Record) -> Record:
    """Another amount, day, due day, theme, reference or contact; the books refuse what cannot be changed any more."""
    return documents.update(call, kind, document, changes_of(call.org, said))


def make_contact(call: Call, said: Record) -> Record:
    """A contact called `name`, with `email` and `number` if they were said."""
    fields = {"name": "Name", "email": "EmailAddress", "number": "ContactNumber"}
    return contacts.create(call, {field: str(said[word]) for word, field in fields.items() if said.get(word)})


def edit_contact(call: Call, said: Record) -> Record:
    """Another `name`, `email` or `status` (ARCHIVED) for `contact`; raises ValueError."""
    fields = {"name": "Name", "email": "EmailAddress", "status": "ContactStatus"}
    key = contact_of(call.org, said["contact"]).get("ContactID")
    if key is None:
        raise ValueError(f"no such contact: {said['contact']}")
    return contacts.update(call, {field: said[word] for word, field in fields.items() if said.get(word)}, key=key)


def make_theme(call: Call, said: Record) -> Record:
    """A branding theme called `name`."""
    rows = call.org.data["branding_themes"]
    space = uuid.UUID(call.org.id)
    fresh = {
        "BrandingThemeID": str(uuid.uuid5(space, str(said["name"]))),
        "Name": str(said["name"]),
        "Type": "INVOICE",
        "SortOrder": len(rows),
        "CreatedDateUTC": stamp(call.org.now),
    }
    if all(row["Name"] != fresh["Name"] for row in rows):
        rows.append(fresh)
    return fresh
