"""Tables of lists: columns that people choose from, the same for pages and files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import django_tables2
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from wisepay.lists.ordering import Sort

NOTHING = mark_safe('<span class="muted">–</span>')  # nosec B308 B703 (ours)
type Value = str | int | Decimal | date | datetime | None


class ListColumn(django_tables2.Column):
    """A column: `get` answers the value of a row for files, `show` what a page shows of it, in the zone of that name.

    `look` are classes of the cell; `is_shown` whether it is there before anybody chose columns; `sort` the order that
    its heading offers.
    """

    def __init__(
        self,
        label: str,
        get: Callable[[Any], Value],
        show: Callable[[Any, str], str] | None = None,
        *,
        look: str = "",
        is_shown: bool = True,
        sort: str = "",
    ) -> None:
        super().__init__(accessor="pk", verbose_name=label, empty_values=(), orderable=False)
        self.label, self.get, self.show = label, get, show
        self.look, self.is_shown, self.sort = look, is_shown, sort

    @property
    def classes(self) -> str:
        """The classes of a cell; on a phone those that are there only because somebody chose them name themselves."""
        return self.look if self.is_shown else f"{self.look} cell-more".strip()

    def render(self, record: Any, table: "ListTable") -> str:
        """The cell of a page."""
        shown = self.show(record, table.zone) if self.show else self.get(record)
        return NOTHING if shown in (None, "") else shown if isinstance(shown, SafeString) else str(shown)


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a column: the order that pressing it gives, and the direction that its rows stand in."""

    label: str
    is_number: bool
    next_sort: str
    direction: str


def build_heading(column: ListColumn, sort: Sort) -> Heading:
    """The heading of a column while the rows stand in this order."""
    is_sorted = bool(column.sort) and sort.name.removeprefix("-") == column.sort
    direction = ("descending" if sort.is_descending else "ascending") if is_sorted else ""
    next_sort = column.sort if is_sorted and sort.is_descending else f"-{column.sort}" if column.sort else ""
    return Heading(column.label, "cell-num" in column.look, next_sort, direction)


class ListTable(django_tables2.Table):
    """The rows of a page, in the columns that were chosen. The first column of a table is always there."""

    base_columns: ClassVar[dict[str, ListColumn]]

    def __init__(self, rows: Sequence[Model], *, chosen: Sequence[str], zone: str) -> None:
        self.zone = zone
        super().__init__(rows, sequence=chosen, exclude=[name for name in self.base_columns if name not in chosen])

    @classmethod
    def list_default_columns(cls) -> list[str]:
        """The columns that are shown before anybody chose."""
        return [name for name, column in cls.base_columns.items() if column.is_shown]

    @classmethod
    def choose_columns(cls, names: Sequence[str]) -> list[str]:
        """The columns of these names in the table's order, with the first one; the usual ones if none is known."""
        known = [name for name in cls.base_columns if name in names]
        first = next(iter(cls.base_columns))
        return [first, *(name for name in known if name != first)] if known else cls.list_default_columns()

    def list_headings(self, sort: Sort) -> list[Heading]:
        """The headings of the chosen columns; those that have an order offer it, and then the other way round."""
        return [build_heading(bound.column, sort) for bound in self.columns]

    @classmethod
    def list_getters(cls) -> list[tuple[str, Callable[[Any], Value]]]:
        """The headings of a file, each with what answers the value of a row."""
        return [(column.label, column.get) for column in cls.base_columns.values()]


def build_table(name: str, columns: Mapping[str, ListColumn]) -> type[ListTable]:
    """A table of these columns, in their order, wherever each was made."""
    for number, column in enumerate(columns.values()):
        column.creation_counter = number
    return type(name, (ListTable,), dict(columns))


def link(path: str, text: str) -> SafeString:
    """A link to one of our own pages."""
    return format_html('<a href="{}">{}</a>', path, text)


def link_out(url: str, text: str) -> SafeString:
    """A link to a page of another system, which it names."""
    return format_html('<a href="{}" rel="noreferrer">{}</a>', url, text) if url else format_html("{}", text)
