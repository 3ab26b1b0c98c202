"""Merchants: signing in, the CPQ key, the connection to the ledger, and what waits for them."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages, get_pf_cr_number, get_pf_number

pytestmark = pytest.mark.browser


def test_an_admin_signs_in_and_out(demo: Demo, page: Page) -> None:
    sign_in(demo, page)
    page.wait_for_url(f"{demo.web}/m/{demo.merchant['reference']}/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.locator("summary", has_text="Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{demo.web}/accounts/login/")
    page.goto(f"{demo.web}/m/{demo.merchant['reference']}/")
    page.wait_for_url(f"{demo.web}/accounts/login/**")


def test_a_new_key_is_created_displayed_after_the_password_copied_and_used(
    demo: Demo, page: Page, payer: Payer
) -> None:
    sign_in(demo, page)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Merchants").click()
    page.goto(f"{demo.web}/m/{demo.merchant['reference']}/configure/merchants/integrations")
    page.get_by_role("button", name="Generate").click()
    page.get_by_label("Password").fill(demo.merchant["password"])
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("A new key is made when you press Save.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Display the key to copy it.")).to_be_visible()
    assert "wpk_" not in page.content().replace("wpk_••", "")
    demo.age_sign_ins()
    page.get_by_role("link", name="Display").click()
    page.wait_for_url(re.compile("reauthenticate"))
    page.get_by_label("Password").fill(demo.merchant["password"])
    page.get_by_role("button", name="Confirm").click()
    key = page.get_by_label("API Key", exact=True).input_value()
    assert re.fullmatch(r"wpk_\w{20,}", key)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo.web)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == key
    use_key(demo, page, key)
    page.context.clear_cookies()  # a customer's browser
    payer.pay_quote(demo.create_quote())
    payer.expect_paid()


def use_key(demo: Demo, page: Page, key: str) -> None:
    """Put the key into Order Porter's settings, which know only the old one."""
    page.goto(f"{demo.sandbox}/orderporter/")
    page.get_by_label("Wise-Pay API key").fill(key)
    page.get_by_role("button", name="Save settings").click()


@pytest.mark.books
def test_the_ledger_is_disconnected_and_connected_again(console: Page, ledger_pages: LedgerPages) -> None:
    console.get_by_role("navigation", name="Main").get_by_role("link", name="Accounting Connections").click()
    disconnect(console)
    expect(console.get_by_text("Disconnected. Payments go on; what has to be booked waits.")).to_be_visible()
    ledger_pages.connect(console, ledger_pages.au)
    expect(console.get_by_role("row", name=re.compile("Harbour IT Practice"))).to_contain_text("Connected")


@pytest.mark.books
def test_refusing_access_connects_nothing_and_says_so(console: Page, ledger_pages: LedgerPages) -> None:
    connections = f"{console.url}configure/accounting-connections/"
    console.goto(connections)
    disconnect(console)
    console.get_by_role("button", name=f"Connect to {ledger_pages.label}").click()
    console.get_by_role("button", name="Cancel").click()
    expect(console.get_by_text("Access was not allowed, so nothing was connected.")).to_be_visible()
    console.goto(connections)
    expect(console.get_by_role("row", name=re.compile("Disconnected"))).to_be_visible()
    ledger_pages.connect(console, ledger_pages.au)


def disconnect(page: Page) -> None:
    """On the connections page: Disconnect, and mean it."""
    page.get_by_role("button", name="Disconnect", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Disconnect")).click()


@pytest.mark.books
def test_postings_wait_with_a_reason_while_the_ledger_fails_and_a_retry_sends_them(
    demo: Demo, console: Page, payer: Payer, ledger_pages: LedgerPages
) -> None:
    ledger_pages.fail()
    try:
        reference = payer.pay_quote(demo.create_quote())
        payer.expect_paid()
        postings = f"{console.url}postings/"
        wait_until(lambda: shows(console, postings, get_pf_cr_number(reference)), within=ledger_pages.patience)
        wait_until(lambda: shows(console, postings, f"{ledger_pages.label} answered 503"), within=ledger_pages.patience)
        expect(console.get_by_text("The next try is at")).to_be_visible()
    finally:
        demo.clear_faults()
    console.get_by_role("button", name="Retry").click()
    expect(console.get_by_text(re.compile(r"Trying \d+ documents again"))).to_be_visible()
    wait_until(lambda: not shows(console, postings, get_pf_number(reference)), within=ledger_pages.patience)
    assert ledger_pages.shows(payer.page, get_pf_number(reference), "paid")


def shows(page: Page, address: str, text: str) -> bool:
    """Whether the page, asked again, shows this."""
    page.goto(address)
    return page.get_by_text(text).count() > 0


@pytest.mark.parametrize("path", ["configure/merchants/details", "automatic-payments/", "payers/"])
def test_on_a_phone_every_tab_is_in_sight(demo: Demo, page: Page, path: str) -> None:
    """www.w3.org/TR/WCAG22 (1.4.10 Reflow): nothing has to be scrolled for sideways."""
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(demo, page)
    page.goto(f"{demo.web}/m/{demo.merchant['reference']}/{path}")
    edges = page.eval_on_selector_all(".tabs a", "tabs => tabs.map(tab => tab.getBoundingClientRect().right)")
    assert len(edges) > 1
    assert max(edges) <= 390
    expect(page.locator(".tabs a").last).to_be_in_viewport()
