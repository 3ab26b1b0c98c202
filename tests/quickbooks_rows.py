"""The practice QuickBooks' documents in the words in which journeys ask for Xero's."""

import re
from collections.abc import Callable
from typing import Any

from tests.people import House

Row = dict[str, Any]
WHERE = re.compile(r'(?P<field>\w+)(?P<how>==|\.StartsWith\()"(?P<value>[^"]*)"')


def invoice(row: Row) -> Row:
    """An invoice: paid once nothing of it is due."""
    status = "AUTHORISED" if float(row["Balance"]) else "PAID"
    return {"InvoiceNumber": row["DocNumber"], "Status": status, "Total": float(row["TotalAmt"])}


def credit_note(row: Row) -> Row:
    """A credit memo."""
    left = float(row["RemainingCredit"])
    words = {"Status": "AUTHORISED" if left else "PAID", "Total": float(row["TotalAmt"]), "RemainingCredit": left}
    return {"CreditNoteNumber": row["DocNumber"], **words}


def payment(row: Row) -> Row:
    """Money for an invoice."""
    return {"Reference": row["PaymentRefNum"], "Status": "AUTHORISED", "Amount": float(row["TotalAmt"])}


def contact(row: Row) -> Row:
    """A customer."""
    return {"Name": row["DisplayName"], "ContactStatus": "ACTIVE" if row["Active"] else "ARCHIVED"}


KINDS: dict[str, tuple[str, Callable[[Row], Row]]] = {
    "Invoices": ("Invoice", invoice),
    "CreditNotes": ("CreditMemo", credit_note),
    "Payments": ("Payment", payment),
    "Contacts": ("Customer", contact),
}


def rows_of(house: House, kind: str, *, where: str) -> list[Row]:
    """The company's rows whose field is, or begins with, what `where` says."""
    asked = WHERE.fullmatch(where.rstrip(")"))
    assert asked, where
    entity, words = KINDS[kind]
    held = house.world.state()["sections"]["intuit"]["companies"][house.connection.organisation_id]
    rows = [words(row) for row in held[entity].values()]
    value, is_whole = asked["value"], asked["how"] == "=="
    return [r for r in rows if (r[asked["field"]] == value if is_whole else r[asked["field"]].startswith(value))]
