"""Reconciliation as CSV: one line an item, then one a difference; each amount in major units with its currency."""

import csv
from collections.abc import Iterator

from accounting.reconciliation.report import Report
from accounting.reconciliation.words import REASONS, Difference, Item
from wisepay.money import Money

HEAD = (
    "row", "day", "at_utc", "what", "name", "currency", "stripe", "ours", "books", "fee", "fee_currency", "reason",
    "stripe_id", "source_id", "payout", "subject", "payer", "sentence", "what_to_do", "known_since_utc", "known_by",
    "known_because",
)  # fmt: skip
RISKY = ("=", "+", "-", "@", "\t", "\r")


class Echo:
    """A file that answers what is written to it."""

    def write(self, value: str) -> str:
        return value


def lines_of(report: Report) -> Iterator[str]:
    """The file, line by line."""
    writer = csv.writer(Echo())
    yield writer.writerow(HEAD)
    payouts = {payout.pk: payout.stripe_id for payout in report.payouts}
    for item in report.items:
        yield writer.writerow(item_row(item, payouts.get(item.payout or 0, "")))
    for row in report.differences:
        yield writer.writerow(difference_row(row))


def difference_row(row: Difference) -> tuple[str, ...]:
    """Something that is not as it should be; what it is off by stands under `books`."""
    word = row.known
    known = (word.at.isoformat(), word.by, word.because) if word else ("", "", "")
    said = (row.subject, row.payer, row.sentence, row.advice, *known)
    names = ("known" if word else "difference", row.day.isoformat(), "", row.kind.value, row.label, row.gap.currency)
    return (*names, "", "", row.gap.plain, *[""] * 6, *(safe(text) for text in said))


def item_row(item: Item, payout: str) -> tuple[str, ...]:
    """One event of money."""

    def plain(amount: int) -> str:
        return Money(amount, item.currency).plain

    fee = Money(item.fee, item.settled_in or item.currency)
    return (
        "item", item.day.isoformat(), item.at.isoformat(), item.kind, "", item.currency, plain(item.stripe),
        plain(item.ours), plain(item.books), fee.plain, fee.currency, REASONS.get(item.reason, ""),
        safe(item.stripe_id), safe(item.source_id), payout, *[""] * 7,
    )  # fmt: skip


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(RISKY) else text
