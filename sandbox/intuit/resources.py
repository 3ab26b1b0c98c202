"""The accounting API's resources: what each path does once the door has let the call in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.intuit import query
from sandbox.intuit.books import Company, Record
from sandbox.intuit.changes import captured
from sandbox.intuit.entities import BY_NAME, BY_PATH, Entity, operate, view
from sandbox.intuit.errors import InvalidError, required, unreadable
from sandbox.intuit.pdf import document
from sandbox.intuit.wire import parsed

MOST = 30
PRINTED = ("Invoice", "CreditMemo", "RefundReceipt", "Payment")


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a resource may know of a call; `body` is raw."""

    company: Company
    params: Mapping[str, str]
    path: Mapping[str, str]
    body: bytes = b""

    @property
    def include(self) -> set[str]:
        """What the caller asked for beside the usual."""
        return {part.strip().lower() for part in self.params.get("include", "").split(",") if part.strip()}

    @property
    def sent(self) -> Any:
        """The JSON that was sent; raises InvalidError."""
        try:
            return parsed(self.body)
        except (ValueError, RecursionError) as error:
            raise unreadable("the body is not JSON") from error


Handler = Callable[[Call], Record | bytes]


def entity_of(call: Call) -> Entity:
    """The kind of object that the path names; raises InvalidError (2000)."""
    found = BY_PATH.get(call.path["entity"])
    if found is None:
        told = f"Object Name: {call.path['entity']}"
        raise InvalidError("2000", "Invalid or unsupported object name", told)
    return found


def read_one(call: Call) -> Record:
    """One object by id."""
    entity = entity_of(call)
    key = "1" if entity.name == "CompanyInfo" and call.path["key"] == call.company.realm else call.path["key"]
    return {entity.name: view(call.company, entity, call.company.get(entity.name, key))}


def read_pdf(call: Call) -> bytes:
    """A document as a PDF file."""
    entity = entity_of(call)
    row = call.company.get(entity.name, call.path["key"])
    if entity.name not in PRINTED:
        raise InvalidError("500", "Unsupported Operation", "Operation pdf is not supported.")
    return document(call.company.name, entity.name, row)


def write_one(call: Call) -> Record:
    """Create, update, void or delete one object, as the parameter `operation` says."""
    entity = entity_of(call)
    operation = operation_of(call.params.get("operation", "update").lower(), call.include)
    with call.company.transaction():
        return {entity.name: operate(call.company, entity, operation, call.sent, call.include)}


def operation_of(told: str, include: set[str]) -> str:
    """What is asked for: an update that includes `void` is one."""
    return "void" if told == "update" and "void" in include else told


def read_preferences(call: Call) -> Record:
    """What the company's people set."""
    company = call.company
    kept = company.preferences
    closed = {"BookCloseDate": kept["BookCloseDate"]} if kept["BookCloseDate"] else {}
    many = len(company.currencies) > 1
    found = {
        "Id": "1",
        "SyncToken": "0",
        "domain": "QBO",
        "sparse": False,
        "AccountingInfoPrefs": {"FirstMonthOfFiscalYear": "January", "UseAccountNumbers": True, **closed},
        "SalesFormsPrefs": {
            "CustomTxnNumbers": kept["CustomTxnNumbers"],
            "AutoApplyCredit": kept["AutoApplyCredit"],
            "AllowDeposit": False,
            "AllowDiscount": False,
            "DefaultTerms": {"value": "3"},
        },
        "CurrencyPrefs": {"MultiCurrencyEnabled": many, "HomeCurrency": {"value": company.currency}},
        "TaxPrefs": {"UsingSalesTax": True, "PartnerTaxEnabled": company.is_american},
    }
    return {"Preferences": found}


def run_query(call: Call) -> Record:
    """The answer to a statement, sent as a parameter or as the body."""
    statement = call.params.get("query") or call.body.decode("utf-8", "replace")
    if not statement.strip():
        raise required("query")
    return {"QueryResponse": query.run(call.company, statement)}


def run_batch(call: Call) -> Record:
    """Up to 30 operations, each done or refused by itself."""
    sent = call.sent
    items = sent.get("BatchItemRequest") if isinstance(sent, dict) else None
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise required("BatchItemRequest")
    if len(items) > MOST:
        told = f"Batch size exceeds allowed limit : The maximum number of items in a batch is {MOST}"
        raise InvalidError("1040", "Batch size exceeds allowed limit", told)
    return {"BatchItemResponse": [batch_item(call.company, item) for item in items]}


def batch_item(company: Company, item: Record) -> Record:
    """One operation's outcome."""
    key = {"bId": str(item["bId"])} if item.get("bId") is not None else {}
    try:
        if not key:
            raise required("bId")
        with company.transaction():
            return {**key, **batch_work(company, item)}
    except InvalidError as refusal:
        return {**key, "Fault": refusal.fault}


def batch_work(company: Company, item: Record) -> Record:
    """Do one operation; raises InvalidError."""
    if item.get("Query"):
        return {"QueryResponse": query.run(company, str(item["Query"]))}
    name = next((name for name in BY_NAME if name in item), None)
    if name is None:
        raise InvalidError("2000", "Invalid or unsupported object name", "Object Name: none")
    include = {part.strip().lower() for part in str(item.get("optionsData") or "").split(",")}
    operation = operation_of(str(item.get("operation") or "").lower(), include)
    return {name: operate(company, BY_NAME[name], operation, item[name], include)}


def capture(call: Call) -> Record:
    """What changed since an instant, deletions too."""
    wanted = [name.strip() for name in call.params.get("entities", "").split(",") if name.strip()]
    return {"CDCResponse": [{"QueryResponse": captured(call.company, wanted, call.params.get("changedSince", ""))}]}
