"""The organisations' books: their tables, and writes that can be taken back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from sandbox.core.world import World
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.formats import format_timestamp
from sandbox.xero.seed import build_organisations

Record = dict[str, Any]
SECTION = "xero"
INDEXED = {
    "contacts": ("Name", "ContactNumber"),
    "invoices": ("InvoiceNumber",),
    "credit_notes": ("CreditNoteNumber",),
}
# Numbers that no state of any books had before, in this process or in the one that wrote the state file.
VERSIONS = itertools.count(time.time_ns())


class Organisation:
    """One organisation's books for the length of one call. Records are replaced, never changed in place."""

    def __init__(self, data: Record, world: World) -> None:
        self.data = data
        self.world = world
        self._undo: list[tuple[str, str, Record | None]] = []

    @property
    def id(self) -> str:
        """The tenant id."""
        return str(self.data["Organisation"]["OrganisationID"])

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.data["Organisation"]["Name"])

    @property
    def currency(self) -> str:
        """The base currency's code."""
        return str(self.data["Organisation"]["BaseCurrency"])

    @property
    def locked_until(self) -> date | None:
        """The last locked day, if any."""
        locked = self.data["lock_date"]
        return date.fromisoformat(locked) if locked else None

    @property
    def now(self) -> datetime:
        """The sandbox's time."""
        return self.world.now()

    @property
    def version(self) -> int:
        """A number that every write changes."""
        return int(self.data.setdefault("version", next(VERSIONS)))

    def mark_written(self) -> None:
        """Mark the organisation as changed."""
        self.data["version"] = next(VERSIONS)

    def table(self, kind: str) -> dict[str, Record]:
        """Every record of one kind by id, oldest first."""
        found: dict[str, Record] = self.data[kind]
        return found

    def get(self, kind: str, key: Any) -> Record | None:
        """A copy of the record with this id, for changing and putting back."""
        found = self.table(kind).get(str(key).lower())
        return dict(found) if found else None

    def find_by(self, kind: str, field: str, value: Any) -> Iterator[Record]:
        """Records whose `field` (one of INDEXED) is `value`, upper and lower case alike."""
        keys = self.data["index"].get(f"{kind} {field}", {}).get(str(value).casefold(), [])
        return (self.table(kind)[key] for key in list(keys))

    def save(self, kind: str, key: str, record: Record) -> Record:
        """Write the record, dated now."""
        self._undo.append((kind, key, self.table(kind).get(key)))
        record["UpdatedDateUTC"] = format_timestamp(self.now)
        self._write(kind, key, record)
        return record

    def write_silently(self, kind: str, key: str, record: Record) -> None:
        """Write the record with its old date and without an event, as Xero moves what a merged contact had."""
        self._write(kind, key, record)

    def _write(self, kind: str, key: str, record: Record | None) -> None:
        """Set or remove a record, and update the index."""
        table = self.table(kind)
        for field in INDEXED.get(kind, ()):
            index = self.data["index"].setdefault(f"{kind} {field}", {})
            before, after = (str((row or {}).get(field) or "").casefold() for row in (table.get(key), record))
            if before and key in index.get(before, []):
                index[before].remove(key)
            if after:
                index.setdefault(after, []).append(key)
        if record is None:
            del table[key]
        else:
            table[key] = record
        self.mark_written()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Take back what the block wrote when it ends in XeroValidationError."""
        mark = len(self._undo)
        try:
            yield
        except XeroValidationError:
            self.rollback(mark)
            raise

    def rollback(self, mark: int = 0) -> None:
        """Take back every write since `mark`."""
        while len(self._undo) > mark:
            kind, key, before = self._undo.pop()
            self._write(kind, key, before)

    def commit(self) -> list[tuple[str, str, bool]]:
        """What was written is final from now on: kind, id and whether it is new, each once, in order."""
        first: dict[tuple[str, str], bool] = {}
        for kind, key, before in self._undo:
            first.setdefault((kind, key), before is None)
        self._undo.clear()
        return [(kind, key, is_new) for (kind, key), is_new in first.items()]

    def account(self, ref: Record) -> Record | None:
        """The account that `Code` or `AccountID` names."""
        if ref.get("AccountID"):
            return self.table("accounts").get(str(ref["AccountID"]).lower())
        code = ref.get("Code")
        return next((row for row in self.table("accounts").values() if row.get("Code") == code), None) if code else None


def list_organisations(world: World) -> list[Organisation]:
    """All organisations of this world."""
    section = world.get_section(SECTION, build_organisations)
    return [Organisation(data, world) for data in section["organisations"].values()]


def find_organisation(world: World, name: str) -> Organisation | None:
    """The organisation with this tenant id, slug or name."""
    return next((org for org in list_organisations(world) if name in (org.id, org.data["slug"], org.name)), None)
