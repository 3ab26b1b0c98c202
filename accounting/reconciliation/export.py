"""A reconciliation as CSV: a line for each item, then for each difference; amounts in major units."""

from collections.abc import Iterator
from decimal import Decimal

from accounting.reconciliation.differences import REASON_LABELS, Difference, ReconciliationItem
from accounting.reconciliation.report import ReconciliationReport
from accounting.reconciliation.subjects import ItemSubject, attach_subjects
from wisepay.money import Money
from wisepay.spreadsheets import Cell, render_csv_line

HEADER = (
    "row", "day", "at_utc", "what", "name", "currency", "stripe", "ours", "books", "fee", "fee_currency", "reason",
    "stripe_id", "source_id", "payout", "subject", "payer", "sentence", "what_to_do", "known_since_utc", "known_by",
    "known_because", "organisation", "payment", "pf_number",
)  # fmt: skip


def render_csv_lines(report: ReconciliationReport) -> Iterator[str]:
    """Render the file line by line."""
    yield render_csv_line(HEADER)
    for item, subject in attach_subjects(report.items):
        books = report.books.get(item.organisation).name
        yield render_csv_line((*render_item(item, subject), books, subject.reference, subject.number))
    for row in report.differences:
        yield render_csv_line(render_difference(row))


def render_difference(row: Difference) -> tuple[Cell, ...]:
    """Render a difference; its gap stands under `books`."""
    known = (row.known.at.isoformat(), row.known.by, row.known.reason) if row.known else ("", "", "")
    texts = (row.subject, row.payer, row.description, row.advice, *known)
    names = (
        "known" if row.known else "difference",
        row.day.isoformat(),
        "",
        row.kind.value,
        row.label,
        row.gap.currency,
    )
    return (*names, "", "", row.gap.decimal, *[""] * 6, *texts, "", "", "")


def render_item(item: ReconciliationItem, subject: ItemSubject) -> tuple[Cell, ...]:
    """Render an item."""

    def plain(amount: int) -> Decimal:
        return Money(amount, item.currency).decimal

    fee = Money(item.fee, item.settlement_currency or item.currency)
    return (
        "item", item.day.isoformat(), item.at.isoformat(), item.kind, "", item.currency, plain(item.stripe),
        plain(item.ours), plain(item.books), fee.decimal, fee.currency, REASON_LABELS.get(item.reason, ""),
        item.stripe_id, item.source_id, subject.payout, subject.purpose, subject.payer, *[""] * 5,
    )  # fmt: skip
