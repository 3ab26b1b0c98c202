"""The practice QuickBooks' documents in the words in which journeys ask for Xero's."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from tests.tenants import Tenant

Row = dict[str, Any]
Tables = dict[str, dict[str, Row]]
WHERE_PATTERN = re.compile(r'(?P<field>[\w.]+)(?P<how>==|\.StartsWith\()"(?P<value>[^"]*)"')


def convert_invoice(row: Row, tables: Tables) -> Row:
    """An invoice: paid once nothing of it is due."""
    number, due = row["DocNumber"], float(row["Balance"])
    paid = [
        p
        for p in (convert_payment(p, tables) for p in list_money_payments(tables))
        if p["Invoice"]["InvoiceNumber"] == number
    ]
    words: Row = {"Status": "AUTHORISED" if due else "PAID", "Total": float(row["TotalAmt"]), "AmountDue": due}
    words |= {"TotalTax": float((row.get("TxnTaxDetail") or {}).get("TotalTax") or 0)}
    lines = [line for line in row["Line"] if line["DetailType"] == "SalesItemLineDetail"]
    words |= {"LineItems": lines, "Contact": {"ContactID": row["CustomerRef"]["value"]}}
    return {"InvoiceID": row["Id"], "InvoiceNumber": number, "Payments": paid, **words}


def convert_credit_memo(row: Row, tables: Tables) -> Row:
    """A credit memo, with the payments of nothing that put it to invoices."""
    remaining = float(row["RemainingCredit"])
    words = {
        "Status": "AUTHORISED" if remaining else "PAID",
        "Total": float(row["TotalAmt"]),
        "RemainingCredit": remaining,
    }
    put = [
        {"Amount": float(line["Amount"]), "Invoice": {"InvoiceNumber": get_document_number(kind, key, tables)}}
        for joined in tables["Payment"].values()
        if Decimal(joined["TotalAmt"]) == 0
        and row["Id"] in [key for kind, key, _ in list_payment_links(joined) if kind == "CreditMemo"]
        for kind, key, line in list_payment_links(joined)
        if kind == "Invoice"
    ]
    return {"CreditNoteNumber": row["DocNumber"], "Allocations": put, **words}


def convert_payment(row: Row, tables: Tables) -> Row:
    """Money for invoices; the first one stands for all."""
    paid = next(
        (get_document_number(kind, key, tables) for kind, key, _ in list_payment_links(row) if kind == "Invoice"), ""
    )
    words = {"Reference": row.get("PaymentRefNum", ""), "Status": "AUTHORISED", "Amount": float(row["TotalAmt"])}
    return {**words, "Invoice": {"InvoiceNumber": paid}, "Invoice.InvoiceNumber": paid}


def convert_customer(row: Row, _: Tables) -> Row:
    """A customer."""
    status = "ACTIVE" if row["Active"] else "ARCHIVED"
    return {"ContactID": row["Id"], "Name": row["DisplayName"], "ContactStatus": status}


def list_money_payments(tables: Tables) -> list[Row]:
    """The payments that brought money."""
    return [row for row in tables["Payment"].values() if Decimal(row["TotalAmt"])]


def list_payment_links(row: Row) -> Iterator[tuple[str, str, Row]]:
    """(kind, id, line) of everything that a payment joins."""
    for line in row["Line"]:
        for each in line["LinkedTxn"]:
            yield each["TxnType"], each["TxnId"], line


def get_document_number(kind: str, key: str, tables: Tables) -> str:
    """A document's number."""
    return str(tables[kind][key]["DocNumber"])


CONVERTERS: dict[str, tuple[str, Callable[[Row, Tables], Row]]] = {
    "Invoices": ("Invoice", convert_invoice),
    "CreditNotes": ("CreditMemo", convert_credit_memo),
    "Payments": ("Payment", convert_payment),
    "Contacts": ("Customer", convert_customer),
}


def list_quickbooks_rows(tenant: Tenant, kind: str, *, where: str) -> list[Row]:
    """The company's rows whose field is, or begins with, what `where` says."""
    asked = WHERE_PATTERN.fullmatch(where.rstrip(")"))
    assert asked, where
    entity, words = CONVERTERS[kind]
    tables = tenant.world.state()["sections"]["intuit"]["companies"][tenant.connection.organisation_id]
    stored = list_money_payments(tables) if kind == "Payments" else tables[entity].values()
    rows = [words(row, tables) for row in stored]
    value, is_whole = asked["value"], asked["how"] == "=="
    return [r for r in rows if (r[asked["field"]] == value if is_whole else r[asked["field"]].startswith(value))]
