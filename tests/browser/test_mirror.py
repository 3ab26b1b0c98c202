"""The mirror of the books in the demo: a bookkeeper writes an invoice there, and the console holds it by itself."""

from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo import Demo, wait_until
from tests.browser.ledgers import LedgerPages

pytestmark = [pytest.mark.browser, pytest.mark.books]


def held(page: Page, label: str) -> int:
    """How many of these the panel says are held; -1 while they were not read yet."""
    page.reload()
    row = page.locator("#accounting-mirror tr", has_text=label).first
    return int(row.locator("td").first.inner_text()) if "Not read yet" not in row.inner_text() else -1


def test_an_invoice_written_in_the_books_is_mirrored_without_asking(
    demo: Demo, console: Page, books: LedgerPages
) -> None:
    home = console.url
    console.goto(f"{home}postings/")
    expect(console.locator("#accounting-mirror")).to_be_visible()
    console.goto(f"{home}books/mirror")
    wait_until(lambda: held(console, "Credit notes") >= 0, within=60)
    before = held(console, "Invoices")
    books.write_invoice("Bayside Dental", "INV-BAYSIDE", Decimal("125.00"))
    wait_until(lambda: held(console, "Invoices") > before)
