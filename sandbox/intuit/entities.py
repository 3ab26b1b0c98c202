"""What can be done to each kind of object, whichever way an app asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.intuit import customers, items, payments, purchases, sales
from sandbox.intuit.automatic_credits import apply_credit_automatically
from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import build_required_error, build_unsupported_error
from sandbox.intuit.fields import check_fields
from sandbox.intuit.formats import render_record

EntityWrite = Callable[[Company, Record, set[str]], Record]
EntityRemove = Callable[[Company, Record], Any]
EntityView = Callable[[Company, Record], Record]


def get_unchanged(company: Company, row: Record) -> Record:
    """The object as the books have it."""
    return row


@dataclass(frozen=True, kw_only=True)
class EntityType:
    """One kind of object: its name and its operations."""

    name: str
    write: EntityWrite | None = None
    delete: EntityRemove | None = None
    void: EntityRemove | None = None
    view: EntityView = get_unchanged


def build_sale_entity(kind: sales.SalesDocumentKind) -> EntityType:
    """A kind of sales document."""

    def write(company: Company, sent: Record, include: set[str]) -> Record:
        document = sales.write_document(company, kind, sent, include)
        return document if sent.get("Id") else apply_credit_automatically(company, kind.entity, document)

    def delete(company: Company, known: Record) -> None:
        sales.delete_document(company, kind, known)

    def void(company: Company, known: Record) -> Record:
        return sales.void_document(company, kind, known)

    return EntityType(name=kind.entity, write=write, delete=delete, void=void if kind.voidable else None)


ENTITIES = [
    EntityType(name="CompanyInfo"),
    EntityType(name="Account"),
    EntityType(name="Item", write=items.write_item),
    EntityType(name="TaxCode"),
    EntityType(name="TaxRate"),
    EntityType(name="Term"),
    EntityType(name="CompanyCurrency"),
    EntityType(name="Customer", write=customers.write_customer, view=customers.render_customer),
    build_sale_entity(sales.INVOICE),
    build_sale_entity(sales.CREDIT_MEMO),
    build_sale_entity(sales.REFUND_RECEIPT),
    EntityType(
        name="Payment", write=payments.write_payment, delete=payments.delete_payment, void=payments.void_payment
    ),
    EntityType(name="Purchase", write=purchases.write_purchase, delete=purchases.delete_purchase),
]
BY_NAME = {entity.name: entity for entity in ENTITIES}
BY_PATH = {entity.name.lower(): entity for entity in ENTITIES}


def render_entity(company: Company, entity: EntityType, row: Record) -> Record:
    """An object as the API shows it."""
    found: Record = render_record(entity.view(company, row))
    return found


def run_operation(company: Company, entity: EntityType, operation: str, sent: Any, include: set[str]) -> Record:
    """Create, update, void or delete one object and show what became of it; raises IntuitValidationError."""
    acts: dict[str, Callable[[Company, EntityType, Any, set[str]], Record]] = {
        "create": save_entity,
        "update": save_entity,
        "delete": remove_entity,
        "void": void_entity,
    }
    if operation not in acts:
        raise build_unsupported_error(operation)
    return acts[operation](company, entity, sent, include)


def save_entity(company: Company, entity: EntityType, sent: Any, include: set[str]) -> Record:
    """A new object, or a known one changed."""
    if entity.write is None:
        raise build_unsupported_error(f"create or update of {entity.name}")
    return render_entity(company, entity, entity.write(company, check_fields(entity.name, sent), include))


def remove_entity(company: Company, entity: EntityType, sent: Any, include: set[str]) -> Record:
    """The object deleted."""
    if entity.delete is None:
        raise build_unsupported_error(f"delete of {entity.name}")
    known = get_current(company, entity, sent)
    entity.delete(company, known)
    return {"status": "Deleted", "domain": "QBO", "Id": known["Id"]}


def void_entity(company: Company, entity: EntityType, sent: Any, include: set[str]) -> Record:
    """The object voided."""
    if entity.void is None:
        raise build_unsupported_error(f"void of {entity.name}")
    return render_entity(company, entity, entity.void(company, get_current(company, entity, sent)))


def get_current(company: Company, entity: EntityType, sent: Any) -> Record:
    """A copy of the object that is to be deleted or voided, with the latest SyncToken; raises IntuitValidationError."""
    fields = check_fields(entity.name, sent)
    if not fields.get("Id"):
        raise build_required_error("Id")
    return company.get_current(entity.name, fields)
