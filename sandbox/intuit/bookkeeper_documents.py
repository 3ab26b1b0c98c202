"""What a bookkeeper writes: customers, invoices, credit memos, terms, each with few parameters."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.intuit import customers, sales
from sandbox.intuit.company import Company, Record
from sandbox.intuit.sales import CREDIT_MEMO, INVOICE, SalesDocumentKind
from sandbox.intuit.seed import build_term

SERVICES_ITEM_ID = "1"
TEXTS = {"number": "DocNumber", "date": "TxnDate", "due_date": "DueDate", "note": "PrivateNote"}


def get_or_create_customer(company: Company, params: str) -> str:
    """The id of the customer that an id or a name means; a new name makes one."""
    rows = company.table("Customer")
    found = [rows[params]] if params in rows else company.find_by("Customer", "DisplayName", params)
    return str(found[0]["Id"] if found else create_contact(company, {"name": params})["Id"])


def get_term(company: Company, params: str) -> Record:
    """The terms of that id or name; raises ValueError."""
    for row in company.table("Term").values():
        if params in (row["Id"], row["Name"]):
            return {"value": row["Id"], "name": row["Name"]}
    raise ValueError(f"no such terms: {params}")


def build_line(company: Company, params: Record) -> Record:
    """One line over `amount`, without tax."""
    detail: Record = {"ItemRef": {"value": str(params.get("item") or SERVICES_ITEM_ID)}}
    detail |= {"TaxCodeRef": {"value": "NON"}} if company.is_american else {}
    words = str(params.get("description") or "Managed services")
    return {
        "Amount": params["amount"],
        "Description": words,
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }


def build_custom_fields(params: Record) -> list[Record]:
    """The document's own fields, by name."""
    fields = params["fields"].items()
    return [
        {"DefinitionId": str(place), "Name": name, "Type": "StringType", "StringValue": str(value)}
        for place, (name, value) in enumerate(fields, 1)
    ]


def build_document_action(kind: SalesDocumentKind) -> Callable[[Company, Record], Record]:
    """The act of writing a document for `contact` over `amount`; `reference` is what its customer reads on it."""

    def make(company: Company, params: Record) -> Record:
        sent: Record = {field: str(params[word]) for word, field in TEXTS.items() if params.get(word)}
        sent |= {"CustomerRef": {"value": get_or_create_customer(company, str(params["contact"]))}}
        sent |= {"CustomerMemo": {"value": str(params["reference"])}} if params.get("reference") else {}
        sent |= {"SalesTermRef": get_term(company, str(params["term"]))} if params.get("term") else {}
        sent |= {"CustomField": build_custom_fields(params)} if params.get("fields") else {}
        sent |= {} if company.is_american else {"GlobalTaxCalculation": "NotApplicable"}
        return sales.write_document(company, kind, {**sent, "Line": [build_line(company, params)]}, set())

    return make


def create_contact(company: Company, params: Record) -> Record:
    """A customer called `name`, who pays in `currency`, with an `email` if there is one; of that name there is one."""
    there = next((row for row in company.table("Customer").values() if row["DisplayName"] == params["name"]), None)
    if there is not None:
        return there
    sent: Record = {"DisplayName": str(params["name"])}
    sent |= {"PrimaryEmailAddr": {"Address": str(params["email"])}} if params.get("email") else {}
    sent |= {"CurrencyRef": {"value": str(params["currency"])}} if params.get("currency") else {}
    return customers.write_customer(company, sent, set())


def create_term(company: Company, params: Record) -> Record:
    """Terms called `name` of so many `days`; of the same name there is one."""
    there = next((row for row in company.table("Term").values() if row["Name"] == params["name"]), None)
    if there is not None:
        return there
    fresh = build_term("", str(params["name"]), int(params.get("days", 0)))
    return company.save("Term", {name: value for name, value in fresh.items() if name != "Id"})


CREATE_ACTIONS: dict[str, Callable[[Company, Record], Record]] = {
    "make_contact": create_contact,
    "make_invoice": build_document_action(INVOICE),
    "make_credit_memo": build_document_action(CREDIT_MEMO),
    "make_term": create_term,
}
