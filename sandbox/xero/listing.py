"""Lists: filtered, ordered, changed since, one page at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from math import ceil
from typing import Any
from weakref import WeakKeyDictionary

from sandbox.service import RefusedError
from sandbox.world import World
from sandbox.xero.books import Record
from sandbox.xero.calls import Call, Reply, View
from sandbox.xero.where import comparable, condition, problem, reader
from sandbox.xero.wire import stamp

PAGE = 100
LARGEST_PAGE = 1000
# Texts that the books keep as they show them: these are compared without making the row's view.
PLAIN = frozenset({"Type", "Status", "InvoiceID", "InvoiceNumber", "CreditNoteID", "CreditNoteNumber", "ContactID"})
SHAPE_ONLY = ("page", "pageSize", "unitdp", "summaryOnly")
REMEMBERED = 4
Question = tuple[Any, ...]
# Somebody who reads page after page asks the same question of books that did not change.
_answers: WeakKeyDictionary[World, dict[Question, list[Record]]] = WeakKeyDictionary()


def listed(
    call: Call,
    plural: str,
    rows: Iterable[Record],
    *,
    view: View,
    fields: Collection[str],
    full: View | None = None,
) -> Reply:
    """One page of `rows`; filter and order read `view`, the answer shows `full` (or the same view)."""
    found = remembered(call, plural, lambda: selected(call, rows, view=view, fields=fields))
    page, size = call.whole("page", 1, 10**6), call.whole("pageSize", PAGE, LARGEST_PAGE)
    shown = [(full or view)(row) for row in found[(page - 1) * size : page * size]]
    pagination = {
        "page": page,
        "pageSize": size,
        "pageCount": ceil(len(found) / size),
        "itemCount": len(found),
    }
    return call.ok(pagination=pagination, **{plural: shown})


def remembered(call: Call, plural: str, find: Callable[[], list[Record]]) -> list[Record]:
    """The rows of an earlier page of the same list, if nothing was written since; else those that are found now."""
    asked = tuple(sorted((name, value) for name, value in call.params.items() if name not in SHAPE_ONLY))
    question = (call.org.id, call.org.version, call.client, plural, asked, call.modified_since)
    known = _answers.setdefault(call.org.world, {})
    if question not in known:
        while len(known) >= REMEMBERED:
            del known[next(iter(known))]
        known[question] = find()
    return known[question]


def selected(call: Call, rows: Iterable[Record], *, view: View, fields: Collection[str]) -> list[Record]:
    """The rows that the call asks for, in its order."""
    since = stamp(call.modified_since) if call.modified_since else None
    found = [row for row in rows if since is None or row["UpdatedDateUTC"] >= since]
    if call.params.get("where"):
        found = meeting(call.params["where"], found, view=view, fields=fields)
    for path, falling in reversed(orders(call.params.get("order", ""), fields)):
        found.sort(key=key_of(view, path), reverse=falling)
    return found


def meeting(where: str, rows: list[Record], *, view: View, fields: Collection[str]) -> list[Record]:
    """The rows that meet the filter, asked of the bare rows when it only speaks of plain texts."""
    try:
        quick = condition(where, PLAIN & frozenset(fields))
    except RefusedError:
        test = condition(where, fields)
        return [row for row in rows if test(view(row))]
    return [row for row in rows if quick(row)]


def orders(text: str, fields: Collection[str]) -> list[tuple[list[str], bool]]:
    """`Date DESC, Number` as paths and directions; raises RefusedError (400)."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        path = name.split(".")
        if path[0] not in fields or direction.strip().lower() not in ("", "asc", "desc"):
            raise problem(f"No property or field '{part}' exists to order by")
        found.append((path, direction.strip().lower() == "desc"))
    return found


def key_of(view: View, path: list[str]) -> Callable[[Record], tuple[bool, Any]]:
    """A sort key that puts missing values first."""
    read = reader(path)
    if len(path) == 1 and path[0] in PLAIN | {"UpdatedDateUTC"}:
        return lambda row: (bool(row.get(path[0])), str(row.get(path[0]) or "").casefold())

    def key(row: Record) -> tuple[bool, Any]:
        value = comparable(read(view(row)))
        return (value is not None, value if value is not None else 0)

    return key
