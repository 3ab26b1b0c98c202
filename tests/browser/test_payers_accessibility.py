"""Pages of payers that ask, refuse or say how it went: no violation that axe can find."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.autopay_pages import AutoPayPages
from tests.browser.axe import assert_accessible, violations
from tests.browser.demo import Demo, Payer
from tests.browser.ledgers import LedgerPages
from tests.browser.test_invoices import Customer, pay_and_sign_in
from tests.browser.test_people import finish_account, register, welcome_link

pytestmark = pytest.mark.browser
PAY = re.compile("^Pay ")


def test_what_follows_a_payment_is_accessible(demo: Demo, payer: Payer) -> None:
    page, customer = payer.page, Customer("Tern & Plover Surveyors", "office@ternplover.example")
    reference = payer.pay_quote(customer.buys(demo, "one-time"))
    payer.expect_paid()
    page.goto(f"{demo.web}/pay/{reference}")
    page.get_by_role("link", name="Receipt", exact=True).click()
    expect(page.get_by_text("Total paid")).to_be_visible()
    assert_accessible(page)
    payer.accept(customer.buys(demo, "mixed"))
    register(payer, customer.email)
    payer.type_card()
    payer.accept_terms()
    page.get_by_role("button", name=PAY).click()
    payer.expect_paid()
    page.goto(welcome_link(demo, customer.email))
    expect(page.get_by_role("heading", name="Was that you?")).to_be_visible()
    assert_accessible(page)
    finish_account(demo, page, customer.email)
    reference = payer.accept(customer.buys(demo, "one-time"))
    page.goto(f"{demo.web}/pay/{reference}?from=portal")
    page.get_by_role("button", name=PAY).click()
    page.get_by_role("dialog").get_by_role("button", name="Pay").click()
    for path in (f"my/payments/{reference}/paid", f"my/payments/{reference}/receipt", f"my/payments/{reference}"):
        page.wait_for_load_state()
        page.goto(f"{demo.web}/{path}")
        assert_accessible(page)


def test_pages_that_ask_or_refuse_without_scripts_are_accessible(demo: Demo, payer: Payer) -> None:
    page, customer = payer.page, Customer("Ibis Street Bakery", "till@ibisstreet.example")
    pay_and_sign_in(payer, customer.buys(demo, "mixed"), customer)
    reference = payer.accept(customer.buys(demo, "one-time"))
    page.context.route(re.compile(r"/static/js/.*\.js"), lambda route: route.abort("blockedbyclient"))
    page.goto(f"{demo.web}/pay/{reference}/checkout")
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", name=re.compile(r"^Pay .*\?$"))).to_be_visible()
    assert_accessible(page)
    page.goto(f"{demo.web}/pay/{reference}/checkout")
    page.context.clear_cookies(name="sessionid")
    page.context.clear_cookies(name="__Host-sessionid")
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_text("You are no longer signed in, so nothing was charged")).to_be_visible()
    assert_accessible(page)


@pytest.mark.books
def test_what_auto_pay_asks_is_accessible(demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages) -> None:
    page, customer = payer.page, Customer("Gannet Point Marina", "berths@gannetpoint.example")
    pay_and_sign_in(payer, customer.buys(demo, "mixed"), customer)
    autopay = AutoPayPages(demo, console, ledger_pages)
    autopay.switch_on()
    page.goto(f"{demo.web}/my/cards")
    page.get_by_role("article").get_by_text("Actions").click()
    page.get_by_role("button", name="Share with the company").click()
    autopay.propose(customer.name, "4242")
    assert_accessible(console)
    page.goto(f"{demo.web}/my/autopay")
    proposal = page.locator("form[action$='/answer']")
    proposal.get_by_text("Read the terms").first.click()
    assert_accessible(page)
    proposal.get_by_label("I accept the terms").check()
    proposal.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("paid automatically from now on")).to_be_visible()
    page.goto(f"{demo.web}/my/cards")
    page.get_by_role("article").get_by_text("Actions").click()
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Automatic payments of")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Keep it").click()
    autopay.open_company(customer.name)
    console.get_by_role("button", name="Delete").first.click()
    expect(console.get_by_role("dialog")).to_be_visible()
    assert violations(console) == []
