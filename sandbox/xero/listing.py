"""Lists: filtered, ordered, changed since, one page at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from math import ceil
from typing import Any
from weakref import WeakKeyDictionary

from sandbox.core.service import RefusedError
from sandbox.core.world import World
from sandbox.xero.calls import RecordView, XeroCall, XeroReply
from sandbox.xero.formats import format_timestamp
from sandbox.xero.organisation import Record
from sandbox.xero.where_filter import build_filter_error, build_reader, normalise_value, parse_where

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
# Texts that are stored as they are shown: these are compared without making the row's view.
TEXT_FIELDS = frozenset(
    {"Type", "Status", "InvoiceID", "InvoiceNumber", "CreditNoteID", "CreditNoteNumber", "ContactID"}
)
FORMAT_PARAMS = ("page", "pageSize", "unitdp", "summaryOnly")
MAX_CACHED_LISTS = 4
ListKey = tuple[Any, ...]
# Somebody who reads page after page asks the same question of books that did not change.
_answers: WeakKeyDictionary[World, dict[ListKey, list[Record]]] = WeakKeyDictionary()


def render_list(
    call: XeroCall,
    plural: str,
    rows: Iterable[Record],
    *,
    view: RecordView,
    fields: Collection[str],
    full: RecordView | None = None,
) -> XeroReply:
    """One page of `rows`; filter and order read `view`, the answer shows `full` (or the same view)."""
    found = get_cached_rows(call, plural, lambda: select_rows(call, rows, view=view, fields=fields))
    page, size = call.parse_positive("page", 1, 10**6), call.parse_positive("pageSize", PAGE_SIZE, MAX_PAGE_SIZE)
    shown = [(full or view)(row) for row in found[(page - 1) * size : page * size]]
    pagination = {
        "page": page,
        "pageSize": size,
        "pageCount": ceil(len(found) / size),
        "itemCount": len(found),
    }
    return call.ok(pagination=pagination, **{plural: shown})


def get_cached_rows(call: XeroCall, plural: str, find: Callable[[], list[Record]]) -> list[Record]:
    """The rows of an earlier page of the same list, if nothing was written since; else those that are found now."""
    asked = tuple(sorted((name, value) for name, value in call.params.items() if name not in FORMAT_PARAMS))
    question = (call.org.id, call.org.version, call.client, plural, asked, call.modified_since)
    known = _answers.setdefault(call.org.world, {})
    if question not in known:
        while len(known) >= MAX_CACHED_LISTS:
            del known[next(iter(known))]
        known[question] = find()
    return known[question]


def select_rows(call: XeroCall, rows: Iterable[Record], *, view: RecordView, fields: Collection[str]) -> list[Record]:
    """The rows that the call asks for, in its order."""
    since = format_timestamp(call.modified_since) if call.modified_since else None
    found = [row for row in rows if since is None or row["UpdatedDateUTC"] >= since]
    if call.params.get("where"):
        found = filter_rows(call.params["where"], found, view=view, fields=fields)
    for path, falling in reversed(parse_order(call.params.get("order", ""), fields)):
        found.sort(key=build_sort_key(view, path), reverse=falling)
    return found


def filter_rows(where: str, rows: list[Record], *, view: RecordView, fields: Collection[str]) -> list[Record]:
    """The rows that meet the filter, tested on the stored rows when it only names plain texts."""
    try:
        quick = parse_where(where, TEXT_FIELDS & frozenset(fields))
    except RefusedError:
        test = parse_where(where, fields)
        return [row for row in rows if test(view(row))]
    return [row for row in rows if quick(row)]


def parse_order(text: str, fields: Collection[str]) -> list[tuple[list[str], bool]]:
    """`Date DESC, Number` as paths and directions; raises RefusedError (400)."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, direction = part.partition(" ")
        path = name.split(".")
        if path[0] not in fields or direction.strip().lower() not in ("", "asc", "desc"):
            raise build_filter_error(f"No property or field '{part}' exists to order by")
        found.append((path, direction.strip().lower() == "desc"))
    return found


def build_sort_key(view: RecordView, path: list[str]) -> Callable[[Record], tuple[bool, Any]]:
    """A sort key that puts missing values first."""
    read = build_reader(path)
    if len(path) == 1 and path[0] in TEXT_FIELDS | {"UpdatedDateUTC"}:
        return lambda row: (bool(row.get(path[0])), str(row.get(path[0]) or "").casefold())

    def key(row: Record) -> tuple[bool, Any]:
        value = normalise_value(read(view(row)))
        return (value is not None, value if value is not None else 0)

    return key
