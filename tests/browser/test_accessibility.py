"""Every page, wide and narrow, light and dark: no violation that axe can find, and nothing to scroll sideways."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.stage import ASKING_CARD, CARD_FRAME, POOR_CARD, SECURE_FRAME, Demo, Payer
from tests.browser.test_people import GOOD_ACCOUNT, finish_account, register, type_bank

pytestmark = pytest.mark.browser
WIDTHS = (1280, 390)
PAY = re.compile("^Pay ")
OPEN_PAGES = (
    "accounts/login/",
    "accounts/logout/",
    "accounts/password/reset/",
    "accounts/password/reset/done/",
    "api/cpq/v1/docs",
    "nowhere",
    "welcome/nonsense",
)
CONSOLE_PAGES = (
    "",
    "quotes/",
    "payments/",
    "postings/",
    "notifications/",
    "audit",
    "configure/merchants/",
    "configure/merchants/details",
    "configure/merchants/gateway",
    "configure/merchants/accounts",
    "configure/merchants/paynow-links",
    "configure/merchants/integrations",
    "configure/accounting-connections/",
    "configure/accounting-connections/change-company",
    "configure/event-notifications",
    "configure/terms/",
    "configure/terms/payment",
    "payers/",
    "payers/add",
    "payers/unmapped",
)
PERSON_PAGES = ("accounts/password/change/", "accounts/reauthenticate/", "accounts/2fa/", "accounts/email/")
PORTAL_PAGES = (
    "",
    "outstanding",
    "past",
    "scheduled",
    "transactions",
    "details",
    "notifications",
    "cards",
    "bank-accounts",
)


def assert_accessible(page: Page) -> None:
    """Judge the page as it stands, in four looks."""
    page.wait_for_load_state("networkidle")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways <= 0, f"{page.url} is {sideways} px wider than a window of {width}"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert violations(page) == [], f"{page.url} at {width} px, {scheme}"


def violations(page: Page) -> list[str]:
    """What axe finds, a line each."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("path", OPEN_PAGES)
def test_a_page_for_everybody_is_accessible(demo: Demo, page: Page, path: str) -> None:
    page.goto(f"{demo.web}/{path}")
    assert_accessible(page)


@pytest.mark.parametrize("path", CONSOLE_PAGES)
def test_a_page_of_the_console_is_accessible(console: Page, path: str) -> None:
    console.goto(f"{console.url}{path}")
    assert_accessible(console)


@pytest.mark.parametrize("path", PERSON_PAGES)
def test_a_page_of_a_person_is_accessible(demo: Demo, console: Page, path: str) -> None:
    console.goto(f"{demo.web}/{path}")
    assert_accessible(console)


def test_open_menus_and_questions_are_accessible(console: Page) -> None:
    dashboard = console.url
    console.locator("summary", has_text="Your account").click()
    assert_accessible(console)
    console.set_viewport_size({"width": 390, "height": 860})
    console.goto(dashboard)
    console.locator("summary", has_text="Menu").click()
    assert violations(console) == []
    console.goto(f"{dashboard}configure/accounting-connections/")
    console.get_by_role("button", name="Disconnect", exact=True).click()
    expect(console.get_by_role("dialog")).to_be_visible()
    assert violations(console) == []


def test_a_payment_is_accessible_in_all_its_states(demo: Demo, payer: Payer, console: Page) -> None:
    page = payer.page
    reference = payer.accept(demo.new_quote("deposit"))
    assert_accessible(page)
    payer.go_guest(name="")
    payer.pay()
    expect(page.get_by_text("Please fill this in.")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Full name").fill("Ada Payer")
    payer.pay(POOR_CARD)
    expect(page.get_by_role("alert").filter(has_text="There isn't enough money")).to_be_visible()
    assert_accessible(page)
    payer.pay(ASKING_CARD)
    expect(page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete")).to_be_visible()
    page.goto(f"{demo.web}/pay/{reference}")
    assert_accessible(page)
    page.get_by_role("button", name="Continue with your bank").click()
    payer.answer_bank("Complete")
    payer.expect_paid()
    page.goto(f"{demo.web}/pay/{reference}")
    assert_accessible(page)
    console.goto(f"{console.url}payments/{reference}")
    assert_accessible(console)


def test_a_refusal_is_accessible(demo: Demo, payer: Payer) -> None:
    payer.accept(demo.new_quote("recurring"))
    assert_accessible(payer.page)


def test_the_displayed_key_is_accessible(demo: Demo, console: Page) -> None:
    console.goto(f"{console.url}configure/merchants/integrations/key")
    console.get_by_label("Password").fill(demo.merchant["password"])
    console.get_by_role("button", name="Confirm").click()
    expect(console.get_by_role("dialog")).to_be_visible()
    assert_accessible(console)


def test_registering_and_the_portal_are_accessible(demo: Demo, payer: Payer) -> None:
    page, email = payer.page, "looks@harbourdental.example"
    reference = payer.accept(demo.new_quote("mixed", currency="USD", tax_rate=0))
    assert_accessible(page)
    page.get_by_role("link", name="Register").click()
    assert_accessible(page)
    page.go_back()
    register(payer, email)
    page.frame_locator(CARD_FRAME).get_by_label("Card number").wait_for()
    assert_accessible(page)
    type_bank(page, GOOD_ACCOUNT)
    page.get_by_label("I accept the terms for saving my bank details").check()
    assert_accessible(page)
    page.get_by_role("button", name=PAY).click()
    page.wait_for_url(f"{demo.sandbox}/orderporter/quote**")
    page.goto(f"{demo.web}/pay/{reference}")
    assert_accessible(page)
    finish_account(demo, page, email)
    for path in PORTAL_PAGES:
        page.goto(f"{demo.web}/my/{path}")
        assert_accessible(page)
    payer.accept(demo.new_quote("mixed", currency="USD", tax_rate=0))
    page.get_by_role("link", name=re.compile("^Continue as")).click()
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)
