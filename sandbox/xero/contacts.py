"""Contacts: created, changed, and found by what a document names."""

from __future__ import annotations

import re
from typing import Any

from sandbox.xero.calls import XeroCall
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.formats import create_id, to_plain_json
from sandbox.xero.organisation import Organisation, Record

# fields taken over as they are, with the longest text allowed
TEXTS = {
    "Name": 255,
    "FirstName": 255,
    "LastName": 255,
    "EmailAddress": 255,
    "ContactNumber": 50,
    "AccountNumber": 50,
    "CompanyNumber": 50,
    "TaxNumber": 50,
    "BankAccountDetails": 255,
}
OTHER_FIELDS = ("Addresses", "Phones", "ContactPersons", "DefaultCurrency", "ContactStatus", "PaymentTerms")
LISTS = ("Addresses", "Phones", "ContactPersons")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+$")
UNIQUE = {
    "Name": "The contact name must be unique across all active contacts.",
    "ContactNumber": "The contact number must be unique across all active contacts.",
}
LABELS = {"Name": "contact name", "ContactNumber": "contact number"}
UNKNOWN = (
    "The Contact must contain at least 1 of the following elements to identify the contact: "
    "Name, ContactID, ContactNumber"
)


def create(call: XeroCall, sent: Record) -> Record:
    """A new contact; raises XeroValidationError."""
    blank: Record = {
        "ContactID": create_id(),
        "ContactStatus": "ACTIVE",
        "IsCustomer": False,
        "IsSupplier": False,
    }
    return save_contact(call.org, blank, sent)


def update(call: XeroCall, sent: Record, *, key: Any = None) -> Record:
    """The contact changed; raises XeroValidationError when it does not exist."""
    found = call.org.get("contacts", key or sent.get("ContactID"))
    if found is None:
        raise XeroValidationError("The contact could not be found")
    return save_contact(call.org, found, sent)


def upsert(call: XeroCall, sent: Record) -> Record:
    """Change the contact that the id, the number or the name means, else create one."""
    if sent.get("ContactID"):
        return update(call, sent)
    found = find_match(call.org, sent)
    return save_contact(call.org, found, sent) if found else create(call, sent)


def save_contact(org: Organisation, contact: Record, sent: Record) -> Record:
    """Check and save the sent fields on top of the known ones."""
    fresh = {**contact, **{name: str(sent[name]).strip() for name in TEXTS if sent.get(name) is not None}}
    fresh |= {name: to_plain_json(sent[name]) for name in OTHER_FIELDS if sent.get(name) is not None}
    complaints = list(list_field_errors(fresh)) + list(list_uniqueness_errors(org, fresh))
    if fresh.get("DefaultCurrency") not in (None, *org.data["currencies"]):
        complaints.append(f"Organisation is not subscribed to currency {fresh['DefaultCurrency']}")
    if complaints:
        raise XeroValidationError(*complaints)
    return org.save("contacts", fresh["ContactID"], fresh)


def list_field_errors(contact: Record) -> list[str]:
    """What is wrong with the fields by themselves."""
    found = [
        f"The {name} field exceeds the maximum length of {longest} characters."
        for name, longest in TEXTS.items()
        if len(contact.get(name) or "") > longest
    ]
    for name in LISTS:
        rows = contact.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            found.append(f"{name} must be an array")
    if not contact.get("Name"):
        found.append("The Contact Name must be specified.")
    if contact.get("EmailAddress") and not EMAIL.match(contact["EmailAddress"]):
        found.append("Email address must be valid.")
    if contact["ContactStatus"] not in ("ACTIVE", "ARCHIVED"):
        found.append("The ContactStatus is not valid.")
    return found


def list_uniqueness_errors(org: Organisation, contact: Record) -> list[str]:
    """What another active contact already has."""
    found = []
    for field, rule in UNIQUE.items():
        value = contact.get(field)
        rivals = org.find_by("contacts", field, value) if value and contact["ContactStatus"] == "ACTIVE" else ()
        if any(is_active(row) and row["ContactID"] != contact["ContactID"] for row in rivals):
            found.append(f"The {LABELS[field]} {value} is already assigned to another contact. {rule}")
    return found


def is_active(contact: Record) -> bool:
    """Whether it is in use."""
    return bool(contact["ContactStatus"] == "ACTIVE")


def find_match(org: Organisation, sent: Record) -> Record | None:
    """The active contact with the sent number or, failing that, name."""
    for field in ("ContactNumber", "Name"):
        if sent.get(field):
            row = next(
                (row for row in org.find_by("contacts", field, str(sent[field]).strip()) if is_active(row)), None
            )
            if row:
                return dict(row)
    return None


def get_or_create_for_document(call: XeroCall, sent: Any) -> Record:
    """The contact that a document names, a new one for an unknown name; raises XeroValidationError."""
    if not isinstance(sent, dict) or not any(sent.get(name) for name in ("ContactID", "Name", "ContactNumber")):
        raise XeroValidationError(
            UNKNOWN if isinstance(sent, dict) else "A Contact must be specified for this type of transaction"
        )
    if not sent.get("ContactID"):
        return find_match(call.org, sent) or create(call, sent)
    found = call.org.get("contacts", sent["ContactID"])
    if found is None:
        raise XeroValidationError("The Contact with the specified ContactID could not be found.")
    if not is_active(found):
        raise XeroValidationError("The Contact is archived. It must be restored before it can be used.")
    return found
