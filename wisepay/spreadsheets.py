"""Lines of a CSV file that spreadsheets open, in which no cell is a formula."""

import csv
import io
from collections.abc import Iterable
from decimal import Decimal

type Cell = str | Decimal

# What spreadsheets take for the beginning of a formula, the full-width forms of some of them included.
FORMULA_BEGINNINGS = (
    "=",
    "+",
    "-",
    "@",
    "\N{FULLWIDTH EQUALS SIGN}",
    "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH HYPHEN-MINUS}",
    "\N{FULLWIDTH COMMERCIAL AT}",
)
SKIPPED_BEFORE = " \t\r\n\u00a0\u200b\u2060\ufeff"  # what a spreadsheet may trim before it looks for one


def render_csv_line(cells: Iterable[Cell]) -> str:
    """The cells as a line of a CSV file, with a quote before each text that would be a formula."""
    sheet = io.StringIO()
    csv.writer(sheet).writerow([cell if isinstance(cell, Decimal) else escape_formula(cell) for cell in cells])
    return sheet.getvalue()


def escape_formula(text: str) -> str:
    """The text, with a quote before it if a spreadsheet would take it for a formula."""
    begins_blank = text[:1] in ("\t", "\r", "\n")
    return f"'{text}" if begins_blank or text.lstrip(SKIPPED_BEFORE).startswith(FORMULA_BEGINNINGS) else text
