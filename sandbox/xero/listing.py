"""Lists: filtered, ordered, changed since, one page at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from math import ceil
from typing import Any

from sandbox.xero.books import Record
from sandbox.xero.calls import Call, Reply, View
from sandbox.xero.where import comparable, condition, problem, reader
from sandbox.xero.wire import stamp

PAGE = 100
LARGEST_PAGE = 1000


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
    found = selected(call, rows, view=view, fields=fields)
    page, size = call.whole("page", 1, 10**6), call.whole("pageSize", PAGE, LARGEST_PAGE)
    shown = [(full or view)(row) for row in found[(page - 1) * size : page * size]]
    pagination = {
        "page": page,
        "pageSize": size,
        "pageCount": ceil(len(found) / size),
        "itemCount": len(found),
    }
    return call.ok(pagination=pagination, **{plural: shown})


def selected(call: Call, rows: Iterable[Record], *, view: View, fields: Collection[str]) -> list[Record]:
    """The rows that the call asks for, in its order."""
    since = stamp(call.modified_since) if call.modified_since else None
    found = [row for row in rows if since is None or row["UpdatedDateUTC"] >= since]
    if call.params.get("where"):
        test = condition(call.params["where"], fields)
        found = [row for row in found if test(view(row))]
    for path, falling in reversed(orders(call.params.get("order", ""), fields)):
        found.sort(key=key_of(view, path), reverse=falling)
    return found


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

    def key(row: Record) -> tuple[bool, Any]:
        value = comparable(read(view(row)))
        return (value is not None, value if value is not None else 0)

    return key
