"""One merchant's practice PSA: its API members and their rights, its tables, and what was written to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sandbox.core.world import World

Record = dict[str, Any]
SECTION = "psa"
CLIENT_ID = "11111111-2222-4333-8444-555555555555"
PUBLIC_KEY, PRIVATE_KEY = "practicePublicKey", "practicePrivateKey"
LOGINS = {"northwind": "Northwind IT", "other": "Other IT"}
ALIAS = "v4_6_release/"  # routed to the current codebase
TABLES = (
    "companies", "sites", "contacts", "invoices", "payments", "billingStatuses", "billingTerms", "agreements",
    "additions", "opportunities", "orders", "callbacks",
)  # fmt: skip
OPEN, CLOSED = 1, 2  # ids of the billing statuses
CURRENCY: Record = {"id": 1, "symbol": "$", "currencyCode": "AUD", "numberOfDecimals": 2, "name": "Australian Dollar"}


def format_time(moment: datetime) -> str:
    """An instant as PSA writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_tenant(login: str, name: str) -> Record:
    """A fresh PSA of a merchant: one API member with every right, statuses, terms, one customer."""
    own = {"private": PRIVATE_KEY, "identifier": "wisepay", "id": 150, "withdrawn": []}
    tables: dict[str, dict[str, Record]] = {table: {} for table in TABLES}
    tables["billingStatuses"] = {
        "1": {"id": OPEN, "name": "New", "sortOrder": 1, "defaultFlag": True, "closedFlag": False, "sentFlag": False},
        "2": {"id": CLOSED, "name": "Closed", "sortOrder": 2, "defaultFlag": False, "closedFlag": True},
    }
    tables["billingTerms"] = {"1": {"id": 1, "name": "Net 14 days", "defaultFlag": True, "dueDays": 14}}
    company = {"id": 19, "identifier": "HarbourDental", "name": "Harbour Dental Pty Ltd", "deletedFlag": False}
    tables["companies"]["19"] = company | {"accountNumber": "HD-19", "currency": CURRENCY}
    tables["contacts"]["31"] = build_contact()
    tables["sites"]["41"] = build_site()
    tables["agreements"]["61"] = build_agreement()
    return {
        "login": login,
        "name": name,
        "codebase": "v2025_8/",
        "takes_alias": True,
        "members": {PUBLIC_KEY: own},
        "next_id": 5000,
        "tables": tables,
        "deliveries": [],
        "late_payment": None,
        "late": [],
        "key": "practice-signing-key",
    }


def build_contact() -> Record:
    """The customer's person, whose e-mail address stands among the communication items."""
    email = {"id": 51, "value": "accounts@harbourdental.example", "defaultFlag": True, "communicationType": "Email"}
    return {
        "id": 31,
        "firstName": "Ada",
        "lastName": "Payer",
        "company": {"id": 19, "identifier": "HarbourDental", "name": "Harbour Dental Pty Ltd"},
        "defaultBillingFlag": True,
        "communicationItems": [email],
    }


def build_agreement() -> Record:
    """What the customer is billed every month."""
    return {
        "id": 61,
        "name": "Managed services",
        "type": {"id": 1, "name": "Managed Services"},
        "company": {"id": 19, "identifier": "HarbourDental", "name": "Harbour Dental Pty Ltd"},
        "contact": {"id": 31, "name": "Ada Payer"},
        "billingTerms": {"id": 1, "name": "Net 14 days"},
        "billingCycle": {"id": 2, "name": "Monthly"},
        "billAmount": 349.0,
        "currency": CURRENCY,
        "startDate": "2026-01-01T00:00:00Z",
        "noEndingDateFlag": True,
        "cancelledFlag": False,
        "agreementStatus": "Active",
        "nextInvoiceDate": "2026-12-01T00:00:00Z",
        "_info": {"lastUpdated": "2026-01-01T00:00:00Z", "updatedBy": "staff"},
    }


def build_site() -> Record:
    """The customer's address."""
    return {
        "id": 41,
        "name": "Main",
        "addressLine1": "1 Wharf Street",
        "city": "Sydney",
        "zip": "2000",
        "defaultBillingFlag": True,
        "company": {"id": 19, "identifier": "HarbourDental", "name": "Harbour Dental Pty Ltd"},
    }


class Tenant:
    """A view of one merchant's section."""

    def __init__(self, world: World, data: Record) -> None:
        self.world = world
        self.data = data

    def table(self, name: str) -> dict[str, Record]:
        """The rows of a table by id, as text."""
        found: dict[str, Record] = self.data["tables"][name]
        return found

    def get(self, name: str, key: int | str) -> Record | None:
        """A row, or None."""
        return self.table(name).get(str(key))

    def insert(self, name: str, row: Record, *, by: str = "staff") -> Record:
        """Add a row under a new id."""
        self.data["next_id"] += 1
        fresh = {"id": self.data["next_id"], **row}
        self.table(name)[str(fresh["id"])] = fresh
        self.touch(fresh, by=by)
        return fresh

    def touch(self, row: Record, *, by: str = "staff") -> None:
        """Note that a row was written now, unless `psa_frozen_dates` has PSA leave the date of what is there."""
        if "_info" not in row or not self.world.config.get("psa_frozen_dates"):
            row["_info"] = {"lastUpdated": format_time(self.world.now()), "updatedBy": by}
        self.world.mark_changed()

    def list_payments(self, invoice_id: int | str) -> list[Record]:
        """The payments on an invoice, oldest first."""
        rows = self.table("payments").values()
        return [row for row in rows if str(row["invoice"]["id"]) == str(invoice_id)]


def build_section() -> Record:
    """Every practice PSA that is there from the beginning."""
    return {login: build_tenant(login, name) for login, name in LOGINS.items()}


def find_tenant(world: World, login: str) -> Tenant | None:
    """The PSA of a login company, or None; the name's case does not matter."""
    data = world.get_section(SECTION, build_section).get(login.lower())
    return Tenant(world, data) if data else None


def list_tenants(world: World) -> Iterator[Tenant]:
    """Every PSA."""
    return (Tenant(world, data) for data in world.get_section(SECTION, build_section).values())
