"""Payment services: what an online invoice's pay button leads to, of the organisation and of each branding theme."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.xero.calls import XeroCall, XeroReply
from sandbox.xero.errors import XeroValidationError, build_not_found
from sandbox.xero.organisation import Organisation, Record

FIELDS = ("PaymentServiceID", "PaymentServiceName", "PaymentServiceUrl", "PayNowText", "PaymentServiceType")


def get_services(org: Organisation) -> list[Record]:
    """The organisation's payment services, oldest first."""
    found: list[Record] = org.data.setdefault("payment_services", [])
    return found


def get_theme(call: XeroCall) -> Record:
    """The branding theme of the path; raises RefusedError (404)."""
    rows: list[Record] = call.org.data["branding_themes"]
    for row in rows:
        if row["BrandingThemeID"] == call.path["key"].lower():
            return row
    raise build_not_found()


def get_sent_rows(call: XeroCall) -> list[Record]:
    """The services of the body; raises XeroValidationError without any."""
    sent: Any = call.sent.get("PaymentServices") if isinstance(call.sent, dict) else None
    if not isinstance(sent, list) or not sent:
        raise XeroValidationError("PaymentServices is required")
    return sent


def list_services(call: XeroCall) -> XeroReply:
    """Every payment service."""
    return call.ok(PaymentServices=get_services(call.org))


def create_services(call: XeroCall) -> XeroReply:
    """New custom services; a name or an address that is there already is refused."""
    made = []
    for row in get_sent_rows(call):
        name, url = str(row.get("PaymentServiceName") or ""), str(row.get("PaymentServiceUrl") or "")
        if not name or not url.startswith(("https://", "http://localhost", "http://127.0.0.1")):
            raise XeroValidationError("PaymentServiceName and a PaymentServiceUrl of https are required")
        if any(name == each["PaymentServiceName"] for each in get_services(call.org)):
            raise XeroValidationError("A payment service of this name exists already")
        values = (str(uuid.uuid4()), name, url, str(row.get("PayNowText") or ""), "Custom")
        fresh = dict(zip(FIELDS, values, strict=True))
        get_services(call.org).append(fresh)
        made.append(fresh)
    return call.ok(PaymentServices=made)


def list_theme_services(call: XeroCall) -> XeroReply:
    """The services of one branding theme."""
    chosen = get_theme(call).get("PaymentServiceIDs", [])
    return call.ok(PaymentServices=[row for row in get_services(call.org) if row["PaymentServiceID"] in chosen])


def add_theme_services(call: XeroCall) -> XeroReply:
    """Put services that exist on a branding theme; one custom service is all that a theme has."""
    theme = get_theme(call)
    ids = [str(row.get("PaymentServiceID") or "").lower() for row in get_sent_rows(call)]
    found = [row for row in get_services(call.org) if row["PaymentServiceID"] in ids]
    if len(found) != len(ids):
        raise XeroValidationError("Payment service could not be found")
    theme["PaymentServiceIDs"] = [row["PaymentServiceID"] for row in found]
    return call.ok(PaymentServices=found)
