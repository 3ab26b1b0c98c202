"""What a bookkeeper writes by hand: customers, invoices, credit memos, terms, each with few words."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.intuit import customers, sales
from sandbox.intuit.books import Company, Record
from sandbox.intuit.sales import INVOICE, MEMO, Kind
from sandbox.intuit.seed import term

SERVICES = "1"
TEXTS = {"number": "DocNumber", "date": "TxnDate", "due_date": "DueDate", "note": "PrivateNote"}


def customer_of(company: Company, said: str) -> str:
    """The id of the customer that an id or a name means; a new name makes one."""
    rows = company.table("Customer")
    found = [rows[said]] if said in rows else company.by("Customer", "DisplayName", said)
    return str(found[0]["Id"] if found else make_contact(company, {"name": said})["Id"])


def term_of(company: Company, said: str) -> Record:
    """The terms of that id or name; raises ValueError."""
    for row in company.table("Term").values():
        if said in (row["Id"], row["Name"]):
            return {"value": row["Id"], "name": row["Name"]}
    raise ValueError(f"no such terms: {said}")


def line_of(company: Company, said: Record) -> Record:
    """One line over `amount`, without tax."""
    detail: Record = {"ItemRef": {"value": str(said.get("item") or SERVICES)}}
    detail |= {"TaxCodeRef": {"value": "NON"}} if company.is_american else {}
    words = str(said.get("description") or "Managed services")
    return {
        "Amount": said["amount"],
        "Description": words,
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }


def fields_of(said: Record) -> list[Record]:
    """The document's own fields, by name."""
    told = said["fields"].items()
    return [
        {"DefinitionId": str(place), "Name": name, "Type": "StringType", "StringValue": str(value)}
        for place, (name, value) in enumerate(told, 1)
    ]


def maker(kind: Kind) -> Callable[[Company, Record], Record]:
    """The act of writing a document for `contact` over `amount`; `reference` is what its customer reads on it."""

    def make(company: Company, said: Record) -> Record:
        sent: Record = {field: str(said[word]) for word, field in TEXTS.items() if said.get(word)}
        sent |= {"CustomerRef": {"value": customer_of(company, str(said["contact"]))}}
        sent |= {"CustomerMemo": {"value": str(said["reference"])}} if said.get("reference") else {}
        sent |= {"SalesTermRef": term_of(company, str(said["term"]))} if said.get("term") else {}
        sent |= {"CustomField": fields_of(said)} if said.get("fields") else {}
        sent |= {} if company.is_american else {"GlobalTaxCalculation": "NotApplicable"}
        return sales.write(company, kind, {**sent, "Line": [line_of(company, said)]}, set())

    return make


def make_contact(company: Company, said: Record) -> Record:
    """A customer called `name`, who pays in `currency`, with an `email` if there is one."""
    sent: Record = {"DisplayName": str(said["name"])}
    sent |= {"PrimaryEmailAddr": {"Address": str(said["email"])}} if said.get("email") else {}
    sent |= {"CurrencyRef": {"value": str(said["currency"])}} if said.get("currency") else {}
    return customers.write(company, sent, set())


def make_term(company: Company, said: Record) -> Record:
    """Terms called `name` of so many `days`; of the same name there is one."""
    there = next((row for row in company.table("Term").values() if row["Name"] == said["name"]), None)
    if there is not None:
        return there
    fresh = term("", str(said["name"]), int(said.get("days", 0)))
    return company.put("Term", {name: value for name, value in fresh.items() if name != "Id"})


MAKERS: dict[str, Callable[[Company, Record], Record]] = {
    "make_contact": make_contact,
    "make_invoice": maker(INVOICE),
    "make_credit_memo": maker(MEMO),
    "make_term": make_term,
}
