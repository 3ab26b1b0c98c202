"""Reconciliation as CSV: one line an item, then one a difference; each amount in major units with its currency."""

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
    """A file that answers what is written to it."""

    def write(self, value: str) -> str:
        return value


def render_csv_lines(report: ReconciliationReport) -> Iterator[str]:
    """The file, line by line."""
    writer = csv.writer(EchoFile())
    yield writer.writerow(HEADER)
    payouts = {payout.pk: payout.stripe_id for payout in report.payouts}
    for item in report.items:
        yield writer.writerow(render_item(item, payouts.get(item.payout or 0, "")))
    for row in report.differences:
        yield writer.writerow(render_difference(row))


def render_difference(row: Difference) -> tuple[str, ...]:
    """Something that is not as it should be; what it is off by stands under `books`."""
    word = row.known
    known = (word.at.isoformat(), word.by, word.reason) if word else ("", "", "")
    said = (row.subject, row.payer, row.sentence, row.advice, *known)
    names = ("known" if word else "difference", row.day.isoformat(), "", row.kind.value, row.label, row.gap.currency)
    return (*names, "", "", row.gap.plain, *[""] * 6, *(escape_formula(text) for text in said))


def render_item(item: ReconciliationItem, payout: str) -> tuple[str, ...]:
    """One event of money."""

    def plain(amount: int) -> str:
        return Money(amount, item.currency).plain

    fee = Money(item.fee, item.settlement_currency or item.currency)
    return (
        "item", item.day.isoformat(), item.at.isoformat(), item.kind, "", item.currency, plain(item.stripe),
        plain(item.ours), plain(item.books), fee.plain, fee.currency, REASON_LABELS.get(item.reason, ""),
        escape_formula(item.stripe_id), escape_formula(item.source_id), payout, *[""] * 7,
    )  # fmt: skip


def escape_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text
