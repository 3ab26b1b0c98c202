"""The rows of a list as files: CSV while it is read, and XLSX from a file of its own, both in constant memory."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any
from zoneinfo import ZoneInfo

import xlsxwriter
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse

from wisepay.lists.tables import Value
from wisepay.spreadsheets import Cell, render_csv_line

BYTE_ORDER_MARK = "\ufeff"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST_CELL = 32_767  # characters, as Excel has it
MAX_XLSX_ROWS = 200_000  # a workbook is written to its end before the first byte is sent
COLUMN_WIDTH = 18
type Getters = Sequence[tuple[str, Callable[[Any], Value]]]
type Batches = Iterable[Sequence[Any]]


class TooManyRows(Exception):
    """More rows than a workbook is made of."""


def answer_csv(name: str, getters: Getters, batches: Batches, *, zone: ZoneInfo) -> HttpResponseBase:
    """The rows as a CSV file that spreadsheets open, sent while they are read."""
    lines = render_csv(getters, batches, zone=zone)
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def render_csv(getters: Getters, batches: Batches, *, zone: ZoneInfo) -> Iterator[str]:
    """The file, a batch of lines at a time."""
    yield BYTE_ORDER_MARK + render_csv_line([heading for heading, _ in getters])
    for batch in batches:
        yield "".join(render_csv_line([write_cell(get(row), zone) for _, get in getters]) for row in batch)


def write_cell(value: Value, zone: ZoneInfo) -> Cell:
    """A value as CSV has it: instants in the zone, numbers as they are."""
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(sep=" ", timespec="seconds")[:19]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return value
    return Decimal(value) if isinstance(value, int) else value or ""


def answer_xlsx(name: str, getters: Getters, batches: Batches, *, zone: ZoneInfo) -> HttpResponseBase:
    """The rows as a workbook. Raises TooManyRows."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the response closes it)
    try:
        write_workbook(file, name, getters, batches, zone=zone)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX_TYPE)


def write_workbook(file: IO[bytes], name: str, getters: Getters, batches: Batches, *, zone: ZoneInfo) -> None:
    """Write the workbook row by row. Texts are texts, whatever they begin with. Raises TooManyRows."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet(name[:31])
        bold, instant = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        day, plain = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "0.00##"})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(getters) - 1, COLUMN_WIDTH)
        for column, (heading, _) in enumerate(getters):
            sheet.write_string(0, column, heading, bold)
        line = 0
        for batch in batches:
            for row in batch:
                line += 1
                if line > MAX_XLSX_ROWS:
                    raise TooManyRows
                for column, (_, get) in enumerate(getters):
                    write_xlsx_cell(sheet, line, column, get(row), zone, (instant, day, plain))


def write_xlsx_cell(sheet: Any, line: int, column: int, value: Value, zone: ZoneInfo, formats: tuple[Any, ...]) -> None:
    """Write one cell by what its value is; empty ones are left out."""
    if value is None or value == "":
        return
    if isinstance(value, str):
        sheet.write_string(line, column, value[:LONGEST_CELL])
    elif isinstance(value, datetime):
        sheet.write_datetime(line, column, value.astimezone(zone).replace(tzinfo=None, microsecond=0), formats[0])
    elif isinstance(value, date):
        sheet.write_datetime(line, column, datetime(value.year, value.month, value.day), formats[1])  # noqa: DTZ001
    else:
        sheet.write_number(line, column, value, formats[2] if isinstance(value, Decimal) else None)
