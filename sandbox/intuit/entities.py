"""What can be done to each kind of object, whichever way an app asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.intuit import customers, items, payments, purchases, sales
from sandbox.intuit.books import Company, Record
from sandbox.intuit.credits import apply_by_itself
from sandbox.intuit.errors import required, unsupported
from sandbox.intuit.fields import checked
from sandbox.intuit.wire import shown

Write = Callable[[Company, Record, set[str]], Record]
Remove = Callable[[Company, Record], Any]
View = Callable[[Company, Record], Record]


def as_kept(company: Company, row: Record) -> Record:
    """The object as the books have it."""
    return row


@dataclass(frozen=True, kw_only=True)
class Entity:
    """One kind of object: its name and the operations that it knows."""

    name: str
    write: Write | None = None
    delete: Remove | None = None
    void: Remove | None = None
    view: View = as_kept


def sale(kind: sales.Kind) -> Entity:
    """A kind of sales document."""

    def write(company: Company, sent: Record, include: set[str]) -> Record:
        made = sales.write(company, kind, sent, include)
        return made if sent.get("Id") else apply_by_itself(company, kind.entity, made)

    def delete(company: Company, known: Record) -> None:
        sales.delete(company, kind, known)

    def void(company: Company, known: Record) -> Record:
        return sales.void(company, kind, known)

    return Entity(name=kind.entity, write=write, delete=delete, void=void if kind.voidable else None)


KNOWN = [
    Entity(name="CompanyInfo"),
    Entity(name="Account"),
    Entity(name="Item", write=items.write),
    Entity(name="TaxCode"),
    Entity(name="TaxRate"),
    Entity(name="Term"),
    Entity(name="Customer", write=customers.write, view=customers.view),
    sale(sales.INVOICE),
    sale(sales.MEMO),
    sale(sales.REFUND),
    Entity(name="Payment", write=payments.write, delete=payments.delete, void=payments.void),
    Entity(name="Purchase", write=purchases.write, delete=purchases.delete),
]
BY_NAME = {entity.name: entity for entity in KNOWN}
BY_PATH = {entity.name.lower(): entity for entity in KNOWN}


def view(company: Company, entity: Entity, row: Record) -> Record:
    """An object as the API shows it."""
    found: Record = shown(entity.view(company, row))
    return found


def operate(company: Company, entity: Entity, operation: str, sent: Any, include: set[str]) -> Record:
    """Create, update, void or delete one object and show what became of it; raises InvalidError."""
    acts: dict[str, Callable[[Company, Entity, Any, set[str]], Record]] = {
        "create": save,
        "update": save,
        "delete": remove,
        "void": annul,
    }
    if operation not in acts:
        raise unsupported(operation)
    return acts[operation](company, entity, sent, include)


def save(company: Company, entity: Entity, sent: Any, include: set[str]) -> Record:
    """A new object, or a known one changed."""
    if entity.write is None:
        raise unsupported(f"create or update of {entity.name}")
    return view(company, entity, entity.write(company, checked(entity.name, sent), include))


def remove(company: Company, entity: Entity, sent: Any, include: set[str]) -> Record:
    """The object deleted."""
    if entity.delete is None:
        raise unsupported(f"delete of {entity.name}")
    known = named(company, entity, sent)
    entity.delete(company, known)
    return {"status": "Deleted", "domain": "QBO", "Id": known["Id"]}


def annul(company: Company, entity: Entity, sent: Any, include: set[str]) -> Record:
    """The object voided."""
    if entity.void is None:
        raise unsupported(f"void of {entity.name}")
    return view(company, entity, entity.void(company, named(company, entity, sent)))


def named(company: Company, entity: Entity, sent: Any) -> Record:
    """A copy of the object that is to be deleted or voided, with the latest SyncToken; raises InvalidError."""
    told = checked(entity.name, sent)
    if not told.get("Id"):
        raise required("Id")
    return company.current(entity.name, told)
