"""The mirror in the demo: a bookkeeper creates an invoice, and the console has it without asking."""

from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo import Demo, wait_until
from tests.browser.ledgers import LedgerPages

pytestmark = [pytest.mark.browser, pytest.mark.books]


def get_count(page: Page, label: str) -> int:
    """How many of these the panel says are mirrored; -1 while they were not read yet."""
    page.reload()
    row = page.locator("#accounting-mirror tr", has_text=label).first
    return int(row.locator("td").first.inner_text()) if "Not read yet" not in row.inner_text() else -1


def test_an_invoice_created_in_the_ledger_is_mirrored_without_asking(
    demo: Demo, console: Page, ledger_pages: LedgerPages
) -> None:
    home = console.url
    console.goto(f"{home}postings/")
    expect(console.locator("#accounting-mirror")).to_be_visible()
    console.goto(f"{home}books/mirror")
    wait_until(lambda: get_count(console, "Credit notes") >= 0, within=60)
    before = get_count(console, "Invoices")
    ledger_pages.write_invoice("Bayside Dental", "INV-BAYSIDE", Decimal("125.00"))
    wait_until(lambda: get_count(console, "Invoices") > before)
