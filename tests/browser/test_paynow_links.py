"""A client pays an invoice from each of the five kinds of PayNow Links, which the merchant displays and replaces."""

import re
from decimal import Decimal
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from sandbox.orderporter.catalogue import CUSTOMERS
from tests.browser.axe import assert_accessible
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages

pytestmark = [pytest.mark.browser, pytest.mark.books]
LINKS = "configure/merchants/paynow-links"
AMOUNT = Decimal("88.00")
MAILED = (
    "from django.utils import timezone; from accounting.models import LedgerInvoice; "
    "from merchants.paynow_links import build_event_url; i = LedgerInvoice.objects.get(number='{number}'); "
    "print(build_event_url(i.merchant, subject='i', reference=i.reference, otherwise='', now=timezone.now()))"
)


def display(console: Page, demo: Demo, kind: str) -> str:
    """The URL of a kind, as its Display shows it to an admin who proves who they are."""
    console.goto(f"{demo.web}/m/{demo.merchant['reference']}/{LINKS}/{kind}")
    if "reauthenticate" in console.url:
        console.get_by_label("Password").fill(demo.merchant["password"])
        console.get_by_role("button", name="Confirm").click()
    return console.get_by_label("URL", exact=True).input_value()


def write_invoice(ledger_pages: LedgerPages, number: str) -> None:
    """A bookkeeper writes an invoice."""
    ledger_pages.write_invoice(CUSTOMERS["dental"]["account_name"], number, AMOUNT)


def pay_as_guest(payer: Payer, number: str) -> None:
    """From the invoice's page to its receipt."""
    page = payer.page
    expect(page.get_by_role("heading", name=f"Pay invoice {number}")).to_be_visible()
    anyway = page.get_by_label("Pay anyway")  # asked where another test left a credit
    if anyway.count():
        anyway.check()
    page.get_by_role("button", name="Continue as guest").click()
    page.get_by_label("Full name").fill("Ada Payer")
    page.get_by_label("E-mail").fill("links@harbourdental.example")
    payer.pay()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    expect(page.get_by_role("link", name="Receipt")).to_be_visible()


def follow(page: Page, address: str) -> bool:
    """Whether the invoice was read from the books by now."""
    page.goto(address)
    return page.get_by_role("button", name="Continue as guest").count() == 1


def test_an_invoice_is_paid_from_each_kind_of_link(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    numbers = {
        kind: f"INV-L{place}" for place, kind in enumerate(("xero", "connectwise_invoice", "connectwise_portal"))
    }
    for number in (*numbers.values(), "INV-QUICK", "INV-MAIL"):
        write_invoice(ledger_pages, number)
    page = payer.page
    for kind, number in numbers.items():
        address = display(console, demo, kind)
        for words, value in ((r"\[INVOICENUMBER\]|NUMBER", number), (r"\[AMOUNTDUE\]|AMOUNT", str(AMOUNT))):
            address = re.sub(words, value, address)
        wait_until(partial(follow, page, address.replace("[CURRENCY]", "AUD")))
        pay_as_guest(payer, number)
    page.goto(display(console, demo, "quick_link"))
    page.get_by_label("Invoice number").fill("INV-QUICK")
    page.get_by_label("Amount").fill("88.01")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("has this number and this amount")
    page.get_by_label("Amount").fill("$88")
    page.get_by_role("button", name="Continue").click()
    pay_as_guest(payer, "INV-QUICK")
    page.goto(demo.manage("shell", "--no-imports", "-c", MAILED.format(number="INV-MAIL")).strip().splitlines()[-1])
    pay_as_guest(payer, "INV-MAIL")
    for number in (*numbers.values(), "INV-QUICK", "INV-MAIL"):
        ledger_pages.wait(page, number, "paid")


def test_a_link_is_replaced_after_a_warning_and_the_old_one_says_so(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    page, address = payer.page, display(console, demo, "quick_link")
    write_invoice(ledger_pages, "INV-AXE")
    page.goto(address)
    assert_accessible(page)
    assert_accessible(console)

    def is_found() -> bool:
        """Ask by keyboard alone, until the invoice was read from the books."""
        page.goto(address)
        page.get_by_label("Invoice number").fill("INV-AXE")
        page.get_by_label("Amount").fill(str(AMOUNT))
        page.keyboard.press("Enter")
        found = page.get_by_role("button", name="Continue as guest")
        found.or_(page.get_by_role("alert")).first.wait_for()
        return found.count() == 1

    wait_until(is_found)
    assert_accessible(page)
    console.get_by_role("link", name="Regenerate").click()
    expect(console.get_by_text("stops working at once")).to_be_visible()
    assert_accessible(console)
    console.get_by_role("button", name="Regenerate").click()
    expect(console.get_by_text("PayNow Link for Quick Link generated.")).to_be_visible()
    page.goto(address)
    expect(page.get_by_role("heading", name="This link was replaced")).to_be_visible()
    assert_accessible(page)
    page.goto(display(console, demo, "quick_link"))
    expect(page.get_by_role("heading", name="Which invoice do you want to pay?")).to_be_visible()
