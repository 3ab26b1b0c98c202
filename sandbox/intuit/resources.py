"""The accounting API's resources: what each path does once a call is admitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.intuit import query
from sandbox.intuit.change_data_capture import list_captured_changes
from sandbox.intuit.company import Company, Record
from sandbox.intuit.entities import BY_NAME, BY_PATH, EntityType, render_entity, run_operation
from sandbox.intuit.errors import IntuitValidationError, build_required_error, build_unreadable_error
from sandbox.intuit.formats import parse_json
from sandbox.intuit.pdf import render_pdf

MAX_BATCH_SIZE = 30
PRINTABLE = ("Invoice", "CreditMemo", "RefundReceipt", "Payment")


@dataclass(frozen=True, kw_only=True)
class IntuitCall:
    """A call as a resource sees it; `body` is raw."""

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
        """The JSON that was sent; raises IntuitValidationError."""
        try:
            return parse_json(self.body)
        except (ValueError, RecursionError) as error:
            raise build_unreadable_error("the body is not JSON") from error


ResourceHandler = Callable[[IntuitCall], Record | bytes]


def get_entity_type(call: IntuitCall) -> EntityType:
    """The kind of object that the path names; raises IntuitValidationError (2000)."""
    found = BY_PATH.get(call.path["entity"])
    if found is None:
        detail = f"Object Name: {call.path['entity']}"
        raise IntuitValidationError("2000", "Invalid or unsupported object name", detail)
    return found


def read_one(call: IntuitCall) -> Record:
    """One object by id."""
    entity = get_entity_type(call)
    key = "1" if entity.name == "CompanyInfo" and call.path["key"] == call.company.realm else call.path["key"]
    return {entity.name: render_entity(call.company, entity, call.company.get(entity.name, key))}


def read_pdf(call: IntuitCall) -> bytes:
    """A document as a PDF file."""
    entity = get_entity_type(call)
    row = call.company.get(entity.name, call.path["key"])
    if entity.name not in PRINTABLE:
        raise IntuitValidationError("500", "Unsupported Operation", "Operation pdf is not supported.")
    return render_pdf(call.company.name, entity.name, row)


def write_one(call: IntuitCall) -> Record:
    """Create, update, void or delete one object, as the parameter `operation` names."""
    entity = get_entity_type(call)
    operation = get_operation(call.params.get("operation", "update").lower(), call.include)
    with call.company.transaction():
        return {entity.name: run_operation(call.company, entity, operation, call.sent, call.include)}


def get_operation(value: str, include: set[str]) -> str:
    """What is asked for: an update that includes `void` is one."""
    return "void" if value == "update" and "void" in include else value


def read_preferences(call: IntuitCall) -> Record:
    """What the company's people set."""
    company = call.company
    current = company.preferences
    closed = {"BookCloseDate": current["BookCloseDate"]} if current["BookCloseDate"] else {}
    many = len(company.currencies) > 1
    found = {
        "Id": "1",
        "SyncToken": "0",
        "domain": "QBO",
        "sparse": False,
        "AccountingInfoPrefs": {"FirstMonthOfFiscalYear": "January", "UseAccountNumbers": True, **closed},
        "SalesFormsPrefs": {
            "CustomTxnNumbers": current["CustomTxnNumbers"],
            "AutoApplyCredit": current["AutoApplyCredit"],
            "AllowDeposit": False,
            "AllowDiscount": False,
            "DefaultTerms": {"value": "3"},
        },
        "CurrencyPrefs": {"MultiCurrencyEnabled": many, "HomeCurrency": {"value": company.currency}},
        "TaxPrefs": {"UsingSalesTax": True, "PartnerTaxEnabled": company.is_american},
    }
    return {"Preferences": found}


def run_query(call: IntuitCall) -> Record:
    """The answer to a statement, sent as a parameter or as the body."""
    statement = call.params.get("query") or call.body.decode("utf-8", "replace")
    if not statement.strip():
        raise build_required_error("query")
    return {"QueryResponse": query.run_query(call.company, statement)}


def run_batch(call: IntuitCall) -> Record:
    """Up to 30 operations, each done or refused by itself."""
    sent = call.sent
    items = sent.get("BatchItemRequest") if isinstance(sent, dict) else None
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise build_required_error("BatchItemRequest")
    if len(items) > MAX_BATCH_SIZE:
        detail = f"Batch size exceeds allowed limit : The maximum number of items in a batch is {MAX_BATCH_SIZE}"
        raise IntuitValidationError("1040", "Batch size exceeds allowed limit", detail)
    return {"BatchItemResponse": [run_batch_item(call.company, item) for item in items]}


def run_batch_item(company: Company, item: Record) -> Record:
    """One operation's outcome."""
    key = {"bId": str(item["bId"])} if item.get("bId") is not None else {}
    try:
        if not key:
            raise build_required_error("bId")
        with company.transaction():
            return {**key, **run_batch_operation(company, item)}
    except IntuitValidationError as refusal:
        return {**key, "Fault": refusal.fault}


def run_batch_operation(company: Company, item: Record) -> Record:
    """Do one operation; raises IntuitValidationError."""
    if item.get("Query"):
        return {"QueryResponse": query.run_query(company, str(item["Query"]))}
    name = next((name for name in BY_NAME if name in item), None)
    if name is None:
        raise IntuitValidationError("2000", "Invalid or unsupported object name", "Object Name: none")
    include = {part.strip().lower() for part in str(item.get("optionsData") or "").split(",")}
    operation = get_operation(str(item.get("operation") or "").lower(), include)
    return {name: run_operation(company, BY_NAME[name], operation, item[name], include)}


def read_changes(call: IntuitCall) -> Record:
    """What changed since an instant, deletions too."""
    requested = [name.strip() for name in call.params.get("entities", "").split(",") if name.strip()]
    return {
        "CDCResponse": [
            {"QueryResponse": list_captured_changes(call.company, requested, call.params.get("changedSince", ""))}
        ]
    }
