"""The practice QuickBooks' documents in the words in which journeys ask for Xero's."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from tests.people import House

Row = dict[str, Any]
Tables = dict[str, dict[str, Row]]
WHERE = re.compile(r'(?P<field>[\w.]+)(?P<how>==|\.StartsWith\()"(?P<value>[^"]*)"')


def invoice(row: Row, tables: Tables) -> Row:
    """An invoice: paid once nothing of it is due."""
    number, due = row["DocNumber"], float(row["Balance"])
    paid = [p for p in (payment(p, tables) for p in with_money(tables)) if p["Invoice"]["InvoiceNumber"] == number]
    words = {"Status": "AUTHORISED" if due else "PAID", "Total": float(row["TotalAmt"]), "AmountDue": due}
    return {"InvoiceID": row["Id"], "InvoiceNumber": number, "Payments": paid, **words}


def credit_note(row: Row, tables: Tables) -> Row:
    """A credit memo, with the payments of nothing that put it to invoices."""
    left = float(row["RemainingCredit"])
    words = {"Status": "AUTHORISED" if left else "PAID", "Total": float(row["TotalAmt"]), "RemainingCredit": left}
    put = [
        {"Amount": float(line["Amount"]), "Invoice": {"InvoiceNumber": number_of(kind, key, tables)}}
        for joined in tables["Payment"].values()
        if Decimal(joined["TotalAmt"]) == 0
        and row["Id"] in [key for kind, key, _ in links(joined) if kind == "CreditMemo"]
        for kind, key, line in links(joined)
        if kind == "Invoice"
    ]
    return {"CreditNoteNumber": row["DocNumber"], "Allocations": put, **words}


def payment(row: Row, tables: Tables) -> Row:
    """Money for invoices; the first one stands for all."""
    paid = next((number_of(kind, key, tables) for kind, key, _ in links(row) if kind == "Invoice"), "")
    words = {"Reference": row.get("PaymentRefNum", ""), "Status": "AUTHORISED", "Amount": float(row["TotalAmt"])}
    return {**words, "Invoice": {"InvoiceNumber": paid}, "Invoice.InvoiceNumber": paid}


def contact(row: Row, _: Tables) -> Row:
    """A customer."""
    status = "ACTIVE" if row["Active"] else "ARCHIVED"
    return {"ContactID": row["Id"], "Name": row["DisplayName"], "ContactStatus": status}


def with_money(tables: Tables) -> list[Row]:
    """The payments that brought money."""
    return [row for row in tables["Payment"].values() if Decimal(row["TotalAmt"])]


def links(row: Row) -> Iterator[tuple[str, str, Row]]:
    """(kind, id, line) of everything that a payment joins."""
    for line in row["Line"]:
        for each in line["LinkedTxn"]:
            yield each["TxnType"], each["TxnId"], line


def number_of(kind: str, key: str, tables: Tables) -> str:
    """A document's number."""
    return str(tables[kind][key]["DocNumber"])


KINDS: dict[str, tuple[str, Callable[[Row, Tables], Row]]] = {
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
    tables = house.world.state()["sections"]["intuit"]["companies"][house.connection.organisation_id]
    held = with_money(tables) if kind == "Payments" else tables[entity].values()
    rows = [words(row, tables) for row in held]
    value, is_whole = asked["value"], asked["how"] == "=="
    return [r for r in rows if (r[asked["field"]] == value if is_whole else r[asked["field"]].startswith(value))]
