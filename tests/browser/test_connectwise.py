"""A quote of ConnectWise, the whole way: accepted in Order Porter, paid by its link, written on PSA's invoice."""

import re
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import WIDE
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.ledgers import get_pf_cr_number
from tests.browser.test_people import GOOD_ACCOUNT, finish_account, register, type_bank

pytestmark = pytest.mark.browser
PAY = re.compile("^Pay ")
NARROW = {"width": 390, "height": 844}
SETTLES = 4 * 86_400


class Sale:
    """One quote on its way: the customer's pages, the merchant's, and those of the practice Order Porter and PSA."""

    def __init__(self, demo: Demo, payer: Payer, console: Page, quote: dict[str, Any]) -> None:
        self.demo, self.payer, self.console, self.quote = demo, payer, console, quote
        self.reference = ""

    def accept(self) -> None:
        """Accept the quote on its public page, and follow the template's link to Pay Now."""
        page = self.payer.page
        page.goto(f"{self.demo.sandbox}/orderporter/online.order?passcode={self.quote['passcode']}")
        page.get_by_label("I accept the terms of this quote").check()
        page.get_by_label("Type your name to sign").fill("Accounts Payable")
        page.get_by_role("button", name="Accept only").click()
        page.get_by_role("link", name="Pay this quote").click()
        page.wait_for_url(f"{self.demo.web}/pay/*")
        assert self.quote["passcode"] not in page.url
        self.reference = page.url.rpartition("/")[2]

    def wait_for(self, *words: str) -> list[tuple[str, str]]:
        """Look at the quote's timeline until it says all of this; name and instant of every step that happened."""
        wait_until(lambda: all(word in self.read_timeline().inner_text() for word in words))
        rows = self.console.locator("#quote-timeline .timeline-step:is([data-state=succeeded], [data-state=failed])")
        return [
            (row.get_attribute("data-step") or "", row.locator("time").get_attribute("datetime") or "")
            for row in rows.all()
        ]

    def read_timeline(self) -> Locator:
        """The quote's timeline on the payment's page of the console."""
        self.console.goto(f"{self.demo.web}/m/{self.demo.merchant['reference']}/payments/{self.reference}")
        self.console.locator("#quote-timeline .timeline-step").first.wait_for()
        return self.console.locator("#quote-timeline")

    def find_invoice(self) -> Locator:
        """The row of the quote's down-payment invoice on the practice PSA's page."""
        page = self.payer.page
        page.goto(f"{self.demo.sandbox}/psa/tenants/northwind")
        return page.get_by_role("row").filter(has_text=self.quote["name"])


def assert_in_order(steps: list[tuple[str, str]], *names: str) -> None:
    """Steps of these names happened one after the other, each with its time."""
    times = [datetime.fromisoformat(at) for name, at in steps if name in names]
    assert [name for name, _ in steps if name in names] == list(names)
    assert times == sorted(times)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["desktop", "phone"])
def test_a_guests_card_pays_a_deposit_that_stands_on_psas_invoice(
    demo: Demo, payer: Payer, console: Page, size: dict[str, int]
) -> None:
    page, name = payer.page, f"Firewall at {size['width']} pixels"
    for each in (page, console):
        each.set_viewport_size(size)  # type: ignore[arg-type]
    sale = Sale(demo, payer, console, demo.create_quote("deposit", name=name))
    sale.accept()
    payer.go_guest()
    page.get_by_role("radio", name=re.compile("Due now")).check()
    payer.pay()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    page.get_by_role("link", name="Back to the quote", exact=True).click()
    page.wait_for_url(f"{demo.sandbox}/orderporter/online.order**")
    steps = sale.wait_for(
        "A$2,491.50 stands on invoice INV", "Ridgeline Legal Pty Ltd", get_pf_cr_number(sale.reference)
    )
    assert_in_order(steps, "accepted", "paid", "PSA invoice", "PSA payment")
    assert_in_order(steps, "paid", "credit")
    invoice = sale.find_invoice()
    expect(invoice).to_contain_text("0.00")
    expect(invoice.locator("[data-payment]")).to_contain_text("2491.50 on ")


def test_a_payer_who_registers_for_what_recurs_has_a_method_saved_and_the_payment_in_psa(
    demo: Demo, payer: Payer, console: Page
) -> None:
    page, email = payer.page, "recurs@harbourdental.example"
    sale = Sale(demo, payer, console, demo.create_quote("mixed", name="Workstations that recur"))
    sale.accept()
    expect(page.get_by_role("link", name="Continue as guest")).to_have_count(0)
    register(payer, email)
    payer.type_card()
    payer.accept_terms()
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    steps = sale.wait_for("A$8,140.00 stands on invoice INV", get_pf_cr_number(sale.reference))
    assert_in_order(steps, "accepted", "paid", "PSA invoice", "PSA payment")
    expect(sale.find_invoice().locator("[data-payment]")).to_contain_text("8140.00 on ")
    finish_account(demo, page, email)
    page.goto(f"{demo.web}/my/cards")
    expect(page.get_by_role("article").filter(has_text="4242")).to_be_visible()


def test_a_bank_debit_stands_in_psa_when_it_has_settled_and_is_taken_back_when_it_returns(
    demo: Demo, payer: Payer, console: Page
) -> None:
    page = payer.page
    sale = Sale(demo, payer, console, demo.create_usd_quote(name="Trucks by debit"))
    sale.accept()
    register(payer, "debits@lakeshorefreight.example")
    type_bank(page, GOOD_ACCOUNT)
    payer.accept_terms()
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", name="Your bank debit is on its way")).to_be_visible()
    sale.wait_for("A bank debit is on its way", "On its way: it is written when the bank debit has settled")
    expect(sale.find_invoice().locator("[data-payment]")).to_have_count(0)
    demo.post_control("/_control/clock", {"advance": SETTLES})
    steps = sale.wait_for(
        "US$8,140.00 stands on invoice INV", "Lakeshore Freight Inc.", get_pf_cr_number(sale.reference)
    )
    assert_in_order(steps, "accepted", "submitted", "paid", "PSA invoice", "PSA payment")
    expect(sale.find_invoice().locator("[data-payment]")).to_contain_text("8140.00 on ")
    [intent] = demo.intents(sale.quote)
    demo.post_control("/stripe/_control", {"dispute": intent["id"]})
    steps = sale.wait_for("The bank took the money back", "so it was taken off invoice INV")
    assert_in_order(steps, "accepted", "submitted", "paid", "returned", "PSA removal")
    assert_in_order(steps, "PSA invoice", "PSA payment", "PSA removal")
    invoice = sale.find_invoice()
    expect(invoice.locator("[data-payment]")).to_have_count(0)
    expect(invoice.get_by_role("cell", name="8140.00")).to_have_count(2)  # its total, and its balance again
