"""Every page, wide and narrow, light and dark: no violation that axe can find, and nothing to scroll sideways."""

import re
from decimal import Decimal
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from tests.browser.autopay_pages import AutoPayPages
from tests.browser.axe import assert_accessible, violations
from tests.browser.demo import ASKING_CARD, CARD_FRAME, POOR_CARD, SECURE_FRAME, Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages, get_pf_cr_number, get_pf_number
from tests.browser.test_invoices import (
    EMPTY_ACCOUNT,
    SETTLES,
    Customer,
    has,
    map_company,
    pay_and_sign_in,
    row,
    save_bank_account,
)
from tests.browser.test_people import (
    GOOD_ACCOUNT,
    accept_terms,
    choose_password,
    finish_account,
    register,
    type_bank,
    welcome_link,
)

pytestmark = pytest.mark.browser
PAY = re.compile("^Pay ")
OPEN_PAGES = (
    "accounts/login/", "accounts/logout/", "accounts/password/reset/", "accounts/password/reset/done/",
    "api/cpq/v1/docs", "nowhere", "welcome/nonsense",
)  # fmt: skip
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
    "configure/merchants/integrations/cpq",
    "configure/merchants/integrations/psa",
    "psa/",
    "configure/merchants/people",
    "configure/merchants/privacy",
    "payments/return-rates",
    "configure/accounting-connections/",
    "configure/accounting-connections/change-company",
    "configure/event-notifications",
    "configure/terms/",
    "configure/terms/payment",
    "payers/",
    "payers/add",
    "payers/unmapped",
    "payments/payouts/",
    "payments/disputes/",
    "invoices/",
    "postings/all/",
    "automatic-payments/",
    "automatic-payments/calendar",
    "automatic-payments/failures",
    "automatic-payments/unmatched",
    "automatic-payments/proposals",
    "configure/automatic-payments/",
    "configure/automatic-payments/terms/add",
    "books/mirror",
    "books/sync",
    "credits",
    "unprocessed",
    "reconciliation/",
    "reconciliation/accounts",
)
PERSON_PAGES = (
    "accounts/password/change/",
    "accounts/reauthenticate/",
    "accounts/2fa/",
    "accounts/email/",
    "accounts/name/",
    "accounts/sessions/",
)
PORTAL_PAGES = (
    "",
    "outstanding",
    "past",
    "scheduled",
    "transactions",
    "details",
    "notifications",
    "data",
    "cards",
    "bank-accounts",
    "autopay",
    "invoices/batch",
)


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
    reference = payer.accept(demo.create_quote("deposit"))
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
    payer.accept(demo.create_quote("recurring"))
    assert_accessible(payer.page)


def test_the_displayed_key_is_accessible(demo: Demo, console: Page) -> None:
    demo.age_sign_ins()
    console.goto(f"{console.url}configure/merchants/integrations/key")
    console.get_by_label("Password").fill(demo.merchant["password"])
    console.get_by_role("button", name="Confirm").click()
    expect(console.get_by_role("dialog")).to_be_visible()
    assert_accessible(console)


def test_a_refund_and_a_manual_task_are_accessible(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    dashboard, quote = console.url, demo.create_quote()
    reference = payer.pay_quote(quote)
    payer.expect_paid()
    console.goto(f"{dashboard}payments/{reference}/refunds")
    assert_accessible(console)
    console.get_by_label("Amount").fill("999999")
    console.get_by_role("button", name="Refund…").click()
    expect(console.get_by_text("No more than what is left")).to_be_visible()
    assert_accessible(console)
    console.get_by_label("Amount").fill("100")
    console.get_by_role("button", name="Refund…").click()
    expect(console.get_by_text("In the books")).to_be_visible()
    assert_accessible(console)
    console.get_by_role("button", name="Refund A$100.00").click()
    expect(console.get_by_text("goes back to the payer")).to_be_visible()
    ledger_pages.wait(payer.page, get_pf_number(reference), "paid")
    title = ledger_pages.block_undo(reference)
    [intent] = demo.intents(quote)
    dispute = demo.post_control("/stripe/_control", {"dispute": intent["id"]})["dispute"]["id"]
    demo.post_control("/stripe/_control", {"close_dispute": {"dispute": dispute, "outcome": "lost"}})
    task = console.locator("article", has_text=title)
    wait_until(lambda: console.goto(f"{dashboard}postings/") and task.count())
    assert_accessible(console)
    console.goto(f"{dashboard}payments/{reference}")
    expect(console.get_by_text("The bank decided for the payer")).to_be_visible()
    assert_accessible(console)


def test_every_page_behind_a_welcome_link_is_accessible(demo: Demo, payer: Payer, console: Page) -> None:
    page, email = payer.page, "welcomed@harbourdental.example"
    payer.accept(demo.create_quote("mixed"))
    register(payer, email)
    link = welcome_link(demo, email)
    console.goto(link)
    expect(console.get_by_role("heading", name="Somebody else is signed in")).to_be_visible()
    assert_accessible(console)
    page.goto(link)
    assert_accessible(page)
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Confirm Password").fill("other")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("too short")).to_be_visible()
    assert_accessible(page)
    choose_password(page)
    page.get_by_text("Terms of Northwind IT").click()
    assert_accessible(page)
    accept_terms(demo, page)
    page.context.clear_cookies()
    page.goto(link)
    expect(page.get_by_role("heading", name="This link was used already")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Send me a new mail").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    assert_accessible(page)


def add_card(demo: Demo, payer: Payer, number: str) -> None:
    """Save a card in the settings."""
    payer.page.goto(f"{demo.web}/my/methods/new?kind=card")
    payer.type_card(number)
    payer.accept_terms()
    payer.page.get_by_role("button", name="Save").click()


def test_adding_a_method_is_accessible(demo: Demo, payer: Payer) -> None:
    page, email = payer.page, "adds@harbourdental.example"
    payer.accept(demo.create_usd_quote())
    register(payer, email)
    finish_account(demo, page, email)
    for kind, label in (("bank_debit", "Routing number"), ("card", "Card number")):
        page.goto(f"{demo.web}/my/methods/new?kind={kind}")
        page.frame_locator(CARD_FRAME).get_by_label(label).wait_for()
        assert_accessible(page)
    payer.type_card()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Please read the terms and accept them.")).to_be_visible()
    assert_accessible(page)
    add_card(demo, payer, "4000000000000002")
    expect(page.get_by_role("alert").filter(has_text="declined this card")).to_be_visible()
    assert_accessible(page)
    add_card(demo, payer, ASKING_CARD)
    expect(page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete")).to_be_visible()
    page.goto(f"{demo.web}/my/cards")
    assert_accessible(page)
    page.get_by_role("button", name="Continue with your bank").click()
    payer.answer_bank("Complete")
    card = page.get_by_role("article").filter(has_text="3184")
    expect(card).to_be_visible()
    card.get_by_text("Actions").click()
    assert_accessible(page)
    card.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


def test_registering_and_the_portal_are_accessible(demo: Demo, payer: Payer, console: Page) -> None:
    page, email = payer.page, "looks@harbourdental.example"
    reference = payer.accept(demo.create_usd_quote())
    assert_accessible(page)
    page.get_by_role("link", name="Register").click()
    assert_accessible(page)
    page.go_back()
    register(payer, email)
    page.frame_locator(CARD_FRAME).get_by_label("Card number").wait_for()
    assert_accessible(page)
    type_bank(page, GOOD_ACCOUNT)
    payer.accept_terms()
    assert_accessible(page)
    page.get_by_role("button", name=PAY).click()
    page.wait_for_url(f"{demo.sandbox}/orderporter/quote**")
    page.goto(f"{demo.web}/pay/{reference}")
    assert_accessible(page)
    console.goto(f"{console.url}payments/{reference}")
    assert_accessible(console)
    finish_account(demo, page, email)
    for path in PORTAL_PAGES:
        page.goto(f"{demo.web}/my/{path}")
        assert_accessible(page)
    payer.accept(demo.create_usd_quote())
    page.get_by_role("link", name=re.compile("^Continue as")).click()
    payer.accept_terms()
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)


@pytest.mark.books
def test_automatic_payments_are_accessible_on_their_way_to_a_failure(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    autopay, page = AutoPayPages(demo, console, ledger_pages), payer.page
    customer = Customer("Marigold Nurseries Inc.", "finance@marigoldnurseries.example")
    autopay.switch_on()
    console.get_by_role("link", name="Managed services").click()
    assert_accessible(console)
    quote = customer.buys(demo, "recurring", currency="USD", tax_rate=0)
    save_bank_account(payer, quote, customer, EMPTY_ACCOUNT)
    wait_until(partial(autopay.is_listed, "proposals", customer.name))
    assert_accessible(console)
    autopay.accept_proposal(customer.name)
    number = f"INV-{quote['number']}"
    ledger_pages.write_invoice(customer.name, number, Decimal("349.00"), term=ledger_pages.term, currency="USD")
    wait_until(partial(autopay.is_listed, "unmatched", number), within=ledger_pages.patience)
    assert_accessible(console)
    map_company(autopay, customer.name)
    wait_until(partial(autopay.has_state, "scheduled", number), within=ledger_pages.patience)
    for path in ("?show=all", "calendar"):
        console.goto(f"{autopay.payments}{path}")
        assert_accessible(console)
    for path in ("scheduled", "outstanding", "autopay"):
        page.goto(f"{demo.web}/my/{path}")
        assert_accessible(page)
    demo.manage("run_autopay")
    wait_until(partial(autopay.has_state, "in_flight", number))
    demo.post_control("/_control/clock", {"advance": SETTLES})
    wait_until(partial(autopay.has_on_dashboard, "autopay-failures", number))
    failure = autopay.failure(number)
    failure.get_by_text("Mark as Resolved").first.click()
    assert_accessible(console)
    for name in ("Fix", "Show Details"):
        autopay.failure(number).get_by_role("link", name=name).click()
        assert_accessible(console)


@pytest.mark.books
def test_invoices_and_their_warnings_are_accessible(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    page, home = payer.page, console.url
    customer = Customer("Tidewater Rowing Club", "treasurer@tidewaterrowing.example")
    quote, reference = pay_and_sign_in(payer, customer.buys(demo, "one-time"), customer)
    ledger_pages.wait(page, get_pf_cr_number(reference), "open")
    number = f"INV-{quote['number']}"
    ledger_pages.write_invoice(customer.name, number, Decimal("1250.00"), about="Boat house network")
    wait_until(partial(has, page, f"{demo.web}/my/outstanding", number), within=ledger_pages.patience)
    row(page, number).get_by_role("link", name=number).click()
    warn_and_judge(page)
    page.goto(f"{demo.web}/my/invoices/batch")
    page.get_by_role("button", name="Select All", exact=True).click()
    warn_and_judge(page)
    page.get_by_label("Pay anyway").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/checkout")
    page.frame_locator(CARD_FRAME).get_by_label("Card number").wait_for()
    assert_accessible(page)
    wait_until(lambda: console.goto(f"{home}credits") and console.get_by_role("article").count())
    assert_accessible(console)
    console.get_by_role("article").filter(has_text=customer.name).get_by_role("button", name="Apply").click()
    ledger_pages.wait(page, number, "paid")
    console.goto(f"{home}payments/{reference}")
    expect(console.locator("section#quote-timeline .timeline-step").first).to_be_visible()
    assert_accessible(console)
    console.goto(f"{home}books/sync")
    console.get_by_role("button", name="Sync Payments").click()
    expect(console.get_by_role("heading", name="Last sync")).to_be_visible(timeout=60_000)
    assert_accessible(console)


def warn_and_judge(page: Page) -> None:
    """Go on without a tick, and judge the page that says why not."""
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Please read what may pay this already")).to_be_visible()
    assert_accessible(page)
