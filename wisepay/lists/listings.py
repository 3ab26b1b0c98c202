"""One list as an address asks for it: its filters, search, order and columns; the page and the rows of a file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from wisepay.lists.filters import ListFilters
from wisepay.lists.ordering import (
    KeysetPage,
    RowKey,
    Sort,
    build_page,
    order_rows,
    parse_row_key,
    read_ordered,
    start_after,
)
from wisepay.lists.tables import ListTable
from wisepay.lists.totals import Total

PAGE_SIZE, BATCH_SIZE = 50, 1_000
SEARCH, SORT, COLUMNS, BEFORE, AFTER = "q", "sort", "columns", "before", "after"
MAX_COLUMNS = 60  # names that an address may give
LONGEST_QUERY = 2_000


def build_view_query(query: str) -> str:
    """What a saved view holds of an address: everything but the page."""
    try:
        parts = parse_qsl(query[:LONGEST_QUERY], max_num_fields=MAX_COLUMNS * 2)
    except ValueError:  # more than any page of ours asks for
        return ""
    return urlencode([(name, value) for name, value in parts if name not in (BEFORE, AFTER)])


class Listing[M: Model](ABC):
    """One list. A subclass says what its rows are, how they are searched, and what a page shows of them."""

    name: ClassVar[str]
    title: ClassVar[str]
    search_label: ClassVar[str] = "Search"
    table_class: ClassVar[type[ListTable]]
    filters_class: ClassVar[type[ListFilters]]
    sorts: ClassVar[Sequence[Sort]]  # the first is the usual one
    has_totals: ClassVar[bool] = False

    def __init__(self, query: QueryDict, *, zone: ZoneInfo, **known: Any) -> None:
        """`known` is what the filters of a subclass want to know besides."""
        self.query, self.zone = query, zone
        self.filters = self.filters_class(query, self.list_rows(), zone=zone, **known)
        self.is_valid = self.filters.is_valid()

    @abstractmethod
    def list_rows(self) -> QuerySet[M]:
        """Every row of the list, in no order."""

    def build_search(self, text: str) -> Sequence[Q]:
        """The conditions of which a row meets one when the text finds it. Each is answered from an index."""
        return []

    def annotate(self, rows: QuerySet[M], columns: Sequence[str]) -> QuerySet[M]:
        """The rows with what these columns need beside them."""
        return rows

    def attach(self, rows: list[M]) -> list[M]:
        """The rows with what columns need that no statement computes."""
        return rows

    def compute_totals(self) -> list[Total]:
        """What the rows that match add up to. Raises TakesTooLong."""
        return []

    @property
    def form(self) -> Any:
        """The form of the filters."""
        return self.filters.form

    @property
    def text(self) -> str:
        """What is searched for."""
        return str(self.form.cleaned_data.get(SEARCH) or "") if self.is_valid else ""

    @property
    def is_filtered(self) -> bool:
        """Whether the address asks for less than everything."""
        return any(self.query.get(name) for name in self.form.fields)

    @property
    def is_refined(self) -> bool:
        """Whether anything but the search is asked for."""
        return any(self.query.get(name) for name in self.form.fields if name != SEARCH)

    @property
    def is_savable(self) -> bool:
        """Whether the address asks for anything that a saved view would hold."""
        return bool(build_view_query(self.query.urlencode()))

    @property
    def default_sort(self) -> Sort:
        """The order when none is asked for."""
        return self.sorts[0]

    @property
    def sort(self) -> Sort:
        """The order."""
        asked = self.query.get(SORT, "")
        return next((sort for sort in self.sorts if sort.name == asked), self.default_sort)

    @property
    def chosen(self) -> list[str]:
        """The columns of the page."""
        return self.table_class.choose_columns(self.query.getlist(COLUMNS)[:MAX_COLUMNS])

    @property
    def column_choices(self) -> list[dict[str, Any]]:
        """Every column but the first, and whether it is chosen."""
        chosen, columns = self.chosen, list(self.table_class.base_columns.items())[1:]
        return [{"name": name, "label": column.label, "is_chosen": name in chosen} for name, column in columns]

    @property
    def default_columns(self) -> str:
        """The names of the usual columns, for the page's script."""
        return " ".join(self.table_class.list_default_columns()[1:])

    def list_matching(self) -> QuerySet[M]:
        """The rows that filters and search leave."""
        rows: QuerySet[M] = self.filters.filter_queryset(self.list_rows())
        if not self.text:
            return rows
        return self._unite(
            rows, [self.list_rows().filter(found).values("pk") for found in self.build_search(self.text)]
        )

    def read_page(self) -> KeysetPage[M]:
        """The page that the address asks for, in one statement beside those of a search for words."""
        sort, size = self.sort, PAGE_SIZE
        key, is_backward = self._get_key()
        rows = self.filters.filter_queryset(self.list_rows())
        if key is not None:
            rows = start_after(rows, sort, key, is_backward=is_backward)
        if self.text:
            # Of what each condition finds, no more than a page is needed: many rows cost what few do.
            parts = [rows.filter(found) for found in self.build_search(self.text)]
            first = [order_rows(part, sort, is_backward=is_backward).values("pk")[: size + 1] for part in parts]
            rows = self._unite(self.list_rows(), first)
        ordered = order_rows(self.annotate(rows, self.chosen), sort, is_backward=is_backward)
        page = build_page(list(ordered[: size + 1]), sort, size=size, key=key, is_backward=is_backward)
        self.attach(page.rows)
        return page

    def read_batches(self) -> Iterator[list[M]]:
        """Every row that matches, in order, some at a time."""
        rows = self.annotate(self.list_matching(), list(self.table_class.base_columns))
        for batch in read_ordered(rows, self.sort, size=BATCH_SIZE):
            yield self.attach(batch)

    def is_longer_than(self, count: int) -> bool:
        """Whether more than so many rows match."""
        return bool(self.list_matching().order_by().values("pk")[count : count + 1])

    def describe(self) -> str:
        """The filters as a person reads them, for the audit log."""
        fields = self.form.fields
        return "; ".join(
            f"{fields[name].label or name}: {value}" for name, value in self.form.cleaned_data.items() if value
        )

    def _get_key(self) -> tuple[RowKey | None, bool]:
        """Where the page begins, and whether it ends there instead."""
        before = parse_row_key(self.query.get(BEFORE, ""), self.sort)
        return (before, True) if before is not None else (parse_row_key(self.query.get(AFTER, ""), self.sort), False)

    def _unite(self, rows: QuerySet[M], parts: Sequence[QuerySet[Any, Any]]) -> QuerySet[M]:
        """Those of the rows that are in one of the parts, which are ids."""
        if not parts:
            return rows.none()
        return rows.filter(pk__in=parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0])
