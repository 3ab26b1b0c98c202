"""The order of a list, and its pages by key: the rows after the last one cost what the first ones do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import BooleanField, F, Func, Model, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.utils.dateparse import parse_date, parse_datetime

LAST_ID = 2**63 - 1
LONGEST_CURSOR = 400
SORT_KEY = "sort_key"


@dataclass(frozen=True, slots=True)
class Sort:
    """One order of a list: an expression of which an index knows the order, then the row's id.

    Without an expression the id alone: rows as they came. No row may have NULL for it. `kind` is how its value is
    read from an address.
    """

    name: str
    label: str
    expression: Combinable | None = None
    kind: type = int
    is_descending: bool = True


@dataclass(frozen=True, slots=True)
class RowKey:
    """Where a row stands in an order: the value that it is sorted by, and its id."""

    value: Any
    pk: int

    def __str__(self) -> str:
        text = self.value.isoformat() if isinstance(self.value, date) else self.value
        return str(self.pk) if self.value is None else f"{text}~{self.pk}"


@dataclass(frozen=True, slots=True)
class KeysetPage[M: Model]:
    """Rows in order, and whether there are rows before and after them. The keys are for links."""

    rows: list[M]
    before: str = ""
    after: str = ""

    @property
    def has_other_pages(self) -> bool:
        """Whether there is more than these rows."""
        return bool(self.before or self.after)


class RowTuple(Func):
    """Several expressions as one row value, which PostgreSQL compares and finds by an index of them."""

    template = "(%(expressions)s)"
    output_field = TextField()


class IsLess(Func):
    """Whether the first row value comes before the second."""

    template, arg_joiner = "%(expressions)s", " < "
    output_field = BooleanField()


class IsGreater(IsLess):
    """Whether the first row value comes after the second."""

    arg_joiner = " > "


def parse_row_key(text: str, sort: Sort) -> RowKey | None:
    """The key that an address names; None for what is none of this order."""
    if len(text) > LONGEST_CURSOR:
        return None
    value_text, mark, pk_text = text.rpartition("~")
    if not (pk_text.isascii() and pk_text.isdigit() and len(pk_text) < 20 and int(pk_text) <= LAST_ID):
        return None
    if sort.expression is None:
        return None if mark else RowKey(None, int(pk_text))
    value = parse_value(value_text, sort.kind)
    return None if value is None else RowKey(value, int(pk_text))


def parse_value(text: str, kind: type) -> Any:
    """The value of an order's expression; None for what is none."""
    if kind is int:
        digits = text.removeprefix("-")
        return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
    if kind is datetime:
        try:
            found = parse_datetime(text)
        except ValueError:
            return None
        return found if found is not None and found.tzinfo is not None and 1 < found.year < 9999 else None
    if kind is date:
        try:
            return parse_date(text)
        except ValueError:
            return None
    return text if "\0" not in text else None


def order_rows[M: Model](rows: QuerySet[M], sort: Sort, *, is_backward: bool = False) -> QuerySet[M]:
    """The rows in that order, each with its sort key."""
    minus = "-" if sort.is_descending != is_backward else ""
    if sort.expression is None:
        return rows.order_by(f"{minus}pk")
    keyed: QuerySet[M] = rows.annotate(**{SORT_KEY: sort.expression})
    return keyed.order_by(f"{minus}{SORT_KEY}", f"{minus}pk")


def start_after[M: Model](rows: QuerySet[M], sort: Sort, key: RowKey, *, is_backward: bool = False) -> QuerySet[M]:
    """The rows that come after the key in this order, or before it when it is read backward."""
    is_down = sort.is_descending != is_backward
    if sort.expression is None:
        return rows.filter(**{"pk__lt" if is_down else "pk__gt": key.pk})
    compare = IsLess if is_down else IsGreater
    return rows.filter(compare(RowTuple(sort.expression, F("pk")), RowTuple(Value(key.value), Value(key.pk))))


def get_row_key(row: Model, sort: Sort) -> RowKey:
    """Where a row of `order_rows` stands."""
    return RowKey(getattr(row, SORT_KEY, None) if sort.expression is not None else None, row.pk)


def build_page[M: Model](
    found: Sequence[M], sort: Sort, *, size: int, key: RowKey | None, is_backward: bool
) -> KeysetPage[M]:
    """The page of what was read: one row more than a page, if there is more in the direction of reading."""
    has_more = len(found) > size
    rows = list(found[:size])
    if is_backward:
        rows.reverse()
    if not rows:
        return KeysetPage([])
    has_before = has_more if is_backward else key is not None
    has_after = key is not None if is_backward else has_more
    first, last = str(get_row_key(rows[0], sort)), str(get_row_key(rows[-1], sort))
    return KeysetPage(rows, first if has_before else "", last if has_after else "")


def read_ordered[M: Model](rows: QuerySet[M], sort: Sort, *, size: int) -> Iterator[list[M]]:
    """Every row in this order, `size` with each statement, so that no cursor stays open while a file is sent."""
    ordered = order_rows(rows, sort)
    batch = list(ordered[:size])
    while batch:
        yield batch
        following = start_after(ordered, sort, get_row_key(batch[-1], sort))
        batch = list(following[:size]) if len(batch) == size else []
