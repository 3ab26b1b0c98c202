"""The companies' books: their tables, and writes that can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sandbox.core.world import World
from sandbox.intuit.change_events import ObjectChange, record_change
from sandbox.intuit.errors import (
    IntuitValidationError,
    build_bad_reference_error,
    build_inactive_error,
    build_missing_error,
    build_required_error,
    build_stale_error,
)
from sandbox.intuit.formats import format_timestamp, get_reference_id
from sandbox.intuit.seed import build_companies

Record = dict[str, Any]
SECTION = "intuit"
# Sales and money share one row of numbers, people another one.
NUMBERING = {"Customer": "name", "Account": "list", "Item": "list", "Term": "list"}
INDEXED: dict[str, dict[str, Callable[[Record], str]]] = {
    "Customer": {"DisplayName": lambda row: str(row.get("DisplayName") or "")},
    "Invoice": {
        "DocNumber": lambda row: str(row.get("DocNumber") or ""),
        "Customer": lambda row: get_reference_id(row.get("CustomerRef")),
    },
    "CreditMemo": {
        "DocNumber": lambda row: str(row.get("DocNumber") or ""),
        "Customer": lambda row: get_reference_id(row.get("CustomerRef")),
    },
    "RefundReceipt": {"DocNumber": lambda row: str(row.get("DocNumber") or "")},
    "Payment": {"Customer": lambda row: get_reference_id(row.get("CustomerRef"))},
}


class Company:
    """One company's books for the length of one call. Records are replaced, never changed in place."""

    def __init__(self, data: Record, world: World) -> None:
        self.data = data
        self.world = world
        self.who = "another user"
        self._undo: list[tuple[str, str, Record | None]] = []
        self._news: list[ObjectChange] = []

    @property
    def realm(self) -> str:
        """The company id."""
        return str(self.data["facts"]["realm"])

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.data["CompanyInfo"]["1"]["CompanyName"])

    @property
    def currency(self) -> str:
        """The home currency's code."""
        return str(self.data["facts"]["currency"])

    @property
    def currencies(self) -> dict[str, str]:
        """The currencies in use, each with its rate to the home currency."""
        found: dict[str, str] = self.data["facts"]["currencies"]
        return found

    @property
    def is_american(self) -> bool:
        """Whether automated sales tax decides, rather than a tax code on every line."""
        return bool(self.data["facts"]["country"] == "US")

    @property
    def preferences(self) -> Record:
        """What its people set."""
        found: Record = self.data["preferences"]
        return found

    @property
    def now(self) -> datetime:
        """The sandbox's time."""
        return self.world.now()

    @property
    def today(self) -> str:
        """The sandbox's day."""
        return self.now.date().isoformat()

    def table(self, entity: str) -> dict[str, Record]:
        """Every living object of one kind by id, oldest first."""
        found: dict[str, Record] = self.data[entity]
        return found

    def get(self, entity: str, key: Any) -> Record:
        """A copy of the object with this id, for changing and putting back; raises IntuitValidationError (610)."""
        found = self.table(entity).get(str(key))
        if found is None:
            raise build_missing_error()
        return dict(found)

    def get_referenced(self, entity: str, reference: Any, what: str) -> Record:
        """The active object that a reference names; raises IntuitValidationError (2500, 610)."""
        found = self.table(entity).get(get_reference_id(reference))
        if found is None:
            raise build_bad_reference_error(f"{what} element id {get_reference_id(reference) or 'null'} not found")
        if not found.get("Active", True):
            raise build_inactive_error()
        return found

    def get_current(self, entity: str, sent: Record) -> Record:
        """A copy of what `sent` means to change, when its SyncToken is the latest; raises IntuitValidationError."""
        found = self.get(entity, sent.get("Id"))
        if sent.get("SyncToken") in (None, ""):
            raise build_required_error("SyncToken")
        if str(sent["SyncToken"]) != found["SyncToken"]:
            raise build_stale_error(self.who)
        return found

    def find_by(self, entity: str, field: str, value: str) -> list[Record]:
        """Objects whose `field` (one of INDEXED) is `value`, upper and lower case alike."""
        keys = self.data["index"].get(f"{entity} {field}", {}).get(value.casefold(), [])
        return [self.table(entity)[key] for key in keys]

    def create_id(self, entity: str) -> str:
        """The next number of its kind."""
        row = NUMBERING.get(entity, "transaction")
        self.data["next"][row] += 1
        return str(self.data["next"][row])

    def save(self, entity: str, record: Record, *, act: str = "updated") -> Record:
        """Write the object, dated now. A new one gets its id; a known one its next SyncToken."""
        key = record.get("Id")
        moment = format_timestamp(self.now)
        if key:
            created_at = record["MetaData"]["CreateTime"]
            record |= {"SyncToken": str(int(record["SyncToken"]) + 1)}
        else:
            key, created_at, act = self.create_id(entity), moment, "created"
            record = {**record, "Id": key, "SyncToken": "0", "sparse": False, "domain": "QBO"}
        record["MetaData"] = {"CreateTime": created_at, "LastUpdatedTime": moment}
        self._undo.append((entity, key, self.table(entity).get(key)))
        self._write(entity, key, record)
        self._news.append(ObjectChange(entity, key, act))
        return record

    def delete(self, entity: str, key: str) -> None:
        """Delete the object; change data capture reports it as deleted."""
        self._undo.append((entity, key, self.table(entity).get(key)))
        self._write(entity, key, None)
        self._news.append(ObjectChange(entity, key, "deleted"))

    def _write(self, entity: str, key: str, record: Record | None) -> None:
        """Set or remove an object, and update the index."""
        rows = self.table(entity)
        for field, read in INDEXED.get(entity, {}).items():
            index = self.data["index"].setdefault(f"{entity} {field}", {})
            before, after = (read(row).casefold() if row else "" for row in (rows.get(key), record))
            if before and key in index.get(before, []):
                index[before].remove(key)
            if after:
                index.setdefault(after, []).append(key)
        if record is None:
            rows.pop(key, None)
        else:
            rows[key] = record

    def move_silently(self, entity: str, record: Record) -> None:
        """Write the object with its old date and without an event, as QuickBooks moves what a merged customer had."""
        self._write(entity, record["Id"], record)

    def record_merge(self, entity: str, key: str, *, merged: str) -> None:
        """Have the webhooks say that `merged` became part of `key`."""
        self._news.append(ObjectChange(entity, key, "merged", merged))

    def discard_events(self) -> None:
        """Send no webhooks of what was written until now."""
        self._news.clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block wrote and record its events, or roll it back when it ends in IntuitValidationError."""
        try:
            yield
        except IntuitValidationError:
            self._rollback()
            raise
        self._commit()

    def _rollback(self) -> None:
        while self._undo:
            entity, key, before = self._undo.pop()
            self._write(entity, key, before)
        self._news.clear()

    def _commit(self) -> None:
        for change in self._news:
            if change.act == "deleted":
                gone = {"entity": change.entity, "Id": change.key, "at": format_timestamp(self.now)}
                self.data["deleted"].append(gone)
            record_change(self.world, self.realm, change)
        self._undo.clear()
        self._news.clear()


def list_companies(world: World) -> list[Company]:
    """All companies of this world."""
    return [Company(data, world) for data in world.get_section(SECTION, build_companies)["companies"].values()]


def find_company(world: World, name: str) -> Company | None:
    """The company with this realm id, slug or name."""
    return next((each for each in list_companies(world) if name in (each.realm, each.data["slug"], each.name)), None)
