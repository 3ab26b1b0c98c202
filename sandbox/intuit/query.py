"""Queries answered: the rows that pass every comparison, in order, one page of them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from sandbox.intuit.company import INDEXED, Company, Record
from sandbox.intuit.entities import render_entity
from sandbox.intuit.formats import parse_instant
from sandbox.intuit.query_parser import ParsedQuery, QueryParser, QueryTest, build_query_error

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
ACTIVE_FIELD = "Active"


def read_path(row: Record, path: str) -> Any:
    """The value at a path such as `MetaData.LastUpdatedTime`; references are their ids, addresses their text."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, dict):
        return next((value[name] for name in ("value", "Address", "FreeFormNumber") if name in value), None)
    return value


def normalise_value(value: Any, path: str) -> Any:
    """Both sides of a comparison brought to one kind; raises IntuitValidationError."""
    if value is None or isinstance(value, bool):
        return value
    if path.startswith("MetaData."):
        return parse_query_instant(str(value))
    if path == "Id" or not isinstance(value, int | float | Decimal):
        return str(value).casefold()
    return Decimal(str(value))


def parse_query_instant(text: str) -> datetime:
    """An instant in a statement; raises IntuitValidationError."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise build_query_error(f"{text} is not a valid date time") from error


def matches_test(row: Record, test: QueryTest) -> bool:
    """Whether a row passes a test; nothing is like, greater or less than a field that is empty."""
    found = read_path(row, test.path)
    if test.sign == "like":
        pattern = ".*".join(re.escape(part) for part in str(test.values[0]).split("%"))
        return found is not None and bool(re.fullmatch(pattern, str(found), re.IGNORECASE | re.DOTALL))
    left = normalise_value(found, test.path)
    if test.sign == "in":
        return any(left == convert_right_side(left, value, test.path) for value in test.values)
    return left is not None and COMPARE[test.sign](left, convert_right_side(left, test.values[0], test.path))


def convert_right_side(left: Any, value: Any, path: str) -> Any:
    """The right side of a comparison as the kind that the left side is; raises IntuitValidationError."""
    if isinstance(left, bool):
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if isinstance(left, Decimal):
        try:
            return Decimal(str(value))
        except InvalidOperation as error:
            raise build_query_error(f"{value} is not a number") from error
    return normalise_value(value, path)


def run_query(company: Company, text: str) -> Record:
    """The answer to a statement, as it stands under `QueryResponse`; raises IntuitValidationError."""
    query = QueryParser(text).parse()
    rows = select_rows(company, query)
    if query.is_count:
        return {"totalCount": len(rows)}
    page = rows[query.start - 1 : query.start - 1 + query.max_results]
    if not page:
        return {}
    shown = [render_entity(company, query.entity, row) for row in page]
    return {query.entity.name: shown, "startPosition": query.start, "maxResults": len(shown)}


def select_rows(company: Company, query: ParsedQuery) -> list[Record]:
    """The rows that pass every test, in order; inactive ones only when the statement asks for them."""
    asks_retired = any(test.path == ACTIVE_FIELD for test in query.tests)
    rows = [row for row in list_candidates(company, query) if asks_retired or row.get("Active", True)]
    if any(test.path == "Balance" and query.entity.name == "Customer" for test in query.tests):
        rows = [query.entity.view(company, row) for row in rows]
    if query.tests:
        rows = [
            row["_row"] for row in map(convert_amounts, rows) if all(matches_test(row, test) for test in query.tests)
        ]
    for path, falling in reversed(query.orders):
        if (path, falling) != ("Id", False) or not is_in_id_order(rows):
            rows.sort(key=lambda row, path=path: build_sort_key(convert_amounts(row), path), reverse=falling)  # type: ignore[misc]
    return rows


def list_candidates(company: Company, query: ParsedQuery) -> list[Record]:
    """The rows that can pass: of a large table those that a test names, by id or by what there is an index of."""
    entity = query.entity.name
    table = company.table(entity)
    for test in query.tests:
        if test.sign not in ("=", "in"):
            continue
        if test.path == "Id":
            return [table[key] for key in table.keys() & {str(value) for value in test.values}]
        if (field := test.path.removesuffix("Ref")) in INDEXED.get(entity, {}):
            found = (row for value in test.values for row in company.find_by(entity, field, str(value)))
            return list({row["Id"]: row for row in found}.values())
    return list(table.values())


def is_in_id_order(rows: list[Record]) -> bool:
    """Whether the rows are in the order of their ids already, as most tables are."""
    keys = [(len(row["Id"]), row["Id"]) for row in rows]
    return all(one <= other for one, other in pairwise(keys))


def convert_amounts(row: Record) -> Record:
    """A row whose amounts can be compared as numbers, with the row itself."""
    amounts = ("TotalAmt", "Balance", "UnappliedAmt", "UnitPrice", "CurrentBalance")
    return {**row, **{name: Decimal(row[name]) for name in amounts if row.get(name)}, "_row": row}


def build_sort_key(row: Record, path: str) -> tuple[bool, Any]:
    """A key that puts missing values first; ids are in the order of counting."""
    value = read_path(row, path)
    if path == "Id":
        return (True, (len(str(value)), str(value)))
    return (value is not None, normalise_value(value, path) if value is not None else "")
