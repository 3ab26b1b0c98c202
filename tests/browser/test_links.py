"""Quotes of the template's link: accepted in Order Porter, paid at an address without the passcode, and back again."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.test_people import GOOD_ACCOUNT, register, type_bank

pytestmark = pytest.mark.browser


def test_an_accepted_quote_is_paid_through_the_link_of_its_template(demo: Demo, payer: Payer) -> None:
    quote, page = demo.create_quote("deposit"), payer.page
    public = f"{demo.sandbox}/orderporter/online.order?passcode={quote['passcode']}"
    page.goto(public)
    expect(page.get_by_role("link", name="Pay this quote")).to_have_count(0)
    page.get_by_label("I accept the terms of this quote").check()
    page.get_by_label("Type your name to sign").fill("Accounts Payable")
    page.get_by_role("button", name="Accept only").click()
    page.get_by_role("link", name="Pay this quote").click()
    page.wait_for_url(f"{demo.web}/pay/*")
    assert quote["passcode"] not in page.url
    payer.go_guest()
    payer.pay()
    page.wait_for_url(f"{demo.web}/quotes/**")
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    [intent] = demo.intents(quote)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 249150)
    page.get_by_role("link", name="Back to the quote", exact=True).click()
    page.wait_for_url(f"{public}**")


def test_a_quote_that_was_changed_meanwhile_is_shown_again_and_not_charged(demo: Demo, payer: Payer) -> None:
    made = demo.post_control("/cpq/_control", {"approve": {"like": "one-time"}})["approve"]
    quote, page = {"number": made["number"]}, payer.page
    page.goto(f"{demo.web}/q/{demo.merchant['reference']}?k={made['passcode']}")
    page.wait_for_url(f"{demo.web}/pay/*")
    payer.go_guest()
    demo.post_control("/cpq/_control", {"edit": {"number": made["number"], "fields": {"quoteTotal": 1300.0}}})
    payer.pay()
    expect(page.get_by_text("1,300.00").first).to_be_visible()
    assert demo.intents(quote) == []
    payer.go_guest()
    payer.pay()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    assert [i["amount_received"] for i in demo.intents(quote)] == [130000]


def test_a_link_that_opens_nothing_says_what_to_do(demo: Demo, payer: Payer) -> None:
    payer.page.goto(f"{demo.web}/q/{demo.merchant['reference']}?k={'0' * 32}")
    expect(payer.page.get_by_role("heading", name="This link can't be opened")).to_be_visible()


def test_a_registering_payer_pays_a_recurring_quote_by_bank_debit(demo: Demo, payer: Payer) -> None:
    quote, page = demo.create_usd_quote(), payer.page
    demo.post_control("/cpq/_control", {"approve": {"number": quote["number"]}})
    page.goto(f"{demo.web}/q/{demo.merchant['reference']}?k={quote['passcode']}")
    page.wait_for_url(f"{demo.web}/pay/*")
    expect(page.get_by_role("link", name="Continue as guest")).to_have_count(0)
    register(payer, "links@lakeshorefreight.example")
    type_bank(page, GOOD_ACCOUNT)
    payer.accept_terms()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    page.wait_for_url(f"{demo.web}/quotes/**")
    expect(page.get_by_role("heading", name="Your bank debit is on its way")).to_be_visible()
    demo.post_control("/_control/clock", {"advance": 4 * 86_400})
    wait_until(lambda: [i["status"] for i in demo.intents(quote)] == ["succeeded"])

    def is_paid() -> bool:
        page.reload()
        return page.get_by_role("heading", name="Paid. Thank you.").count() == 1

    wait_until(is_paid)


def test_the_ready_file_names_the_link_of_a_quote_that_can_be_paid(demo: Demo, payer: Payer) -> None:
    ready = json.loads((demo.home / "ready.json").read_text())
    payer.page.goto(ready["cpq_link"])
    payer.page.wait_for_url(f"{demo.web}/pay/*")
    payer.go_guest()
    payer.pay()
    expect(payer.page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
