"""A reconciliation as CSV: a line for each item, then for each difference; amounts in major units."""

import csv
from collections.abc import Iterator

from accounting.reconciliation.differences import REASON_LABELS, Difference, ReconciliationItem
from accounting.reconciliation.report import ReconciliationReport
from wisepay.money import Money

HEADER = (
    "row", "day", "at_utc", "what", "name", "currency", "stripe", "ours", "books", "fee", "fee_currency", "reason",
    "stripe_id", "source_id", "payout", "subject", "payer", "sentence", "what_to_do", "known_since_utc", "known_by",
    "known_because",
)  # fmt: skip
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


class EchoFile:
    """A file that returns what is written to it."""

    def write(self, value: str) -> str:
        return value


def render_csv_lines(report: ReconciliationReport) -> Iterator[str]:
    """Render the file line by line."""
    writer = csv.writer(EchoFile())
    yield writer.writerow(HEADER)
    payouts = {payout.pk: payout.stripe_id for payout in report.payouts}
    for item in report.items:
        yield writer.writerow(render_item(item, payouts.get(item.payout or 0, "")))
    for row in report.differences:
        yield writer.writerow(render_difference(row))


def render_difference(row: Difference) -> tuple[str, ...]:
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
    return (*names, "", "", row.gap.plain, *[""] * 6, *(escape_formula(text) for text in texts))


def render_item(item: ReconciliationItem, payout: str) -> tuple[str, ...]:
    """Render an item."""

    def plain(amount: int) -> str:
        return Money(amount, item.currency).plain

    fee = Money(item.fee, item.settlement_currency or item.currency)
    return (
        "item", item.day.isoformat(), item.at.isoformat(), item.kind, "", item.currency, plain(item.stripe),
        plain(item.ours), plain(item.books), fee.plain, fee.currency, REASON_LABELS.get(item.reason, ""),
        escape_formula(item.stripe_id), escape_formula(item.source_id), payout, *[""] * 7,
    )  # fmt: skip


def escape_formula(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text
