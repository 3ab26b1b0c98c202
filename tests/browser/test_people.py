"""Payers with an account: registering while they pay, saving a bank account, and what banks do days later."""

import re
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo import CARD_FRAME, Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages, get_pf_cr_number, get_pf_number

pytestmark = [pytest.mark.browser, pytest.mark.books]
GOOD_ACCOUNT, CLOSED_ACCOUNT = "000123456789", "000111111113"
AMOUNT = Decimal("8140.00")
PASSWORD = "four sheep under one roof"


def register(payer: Payer, email: str) -> None:
    """Payer Information, the terms, and on to paying."""
    page = payer.page
    page.get_by_role("link", name="Register").click()
    page.get_by_label("Full name").fill("Riley Register")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("I agree to the terms").check()
    page.get_by_role("button", name="Register and continue").click()
    page.wait_for_url("**/checkout")


def type_bank(page: Page, account: str) -> None:
    """Choose the bank debit's tab and fill it in."""
    frame = page.frame_locator(CARD_FRAME)
    frame.get_by_text("US bank account").click()
    frame.get_by_label("Routing number").fill("110000000")
    frame.get_by_label("Account number").fill(account)


def pay_by_bank(payer: Payer, account: str, email: str, **quote: Any) -> tuple[dict[str, Any], str]:
    """A quote with a recurring part, registered for and paid by bank debit; the quote and the payment's reference."""
    created = payer.demo.create_usd_quote(**quote)
    reference = payer.accept(created)
    register(payer, email)
    type_bank(payer.page, account)
    payer.accept_terms()
    payer.page.get_by_role("button", name=re.compile("^Pay ")).click()
    payer.page.wait_for_url(f"{payer.demo.sandbox}/orderporter/quote**")
    expect(payer.page.locator("[data-badge=processing]")).to_be_visible()
    return created, reference


def finish_account(demo: Demo, page: Page, email: str) -> None:
    """Follow the Welcome mail: say that it was them, if they paid already; password, details, terms."""
    page.goto(welcome_link(demo, email))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if page.get_by_role("heading", name="Was that you?").count():
        page.get_by_role("button", name="Yes, keep it in my account").click()
    choose_password(page)
    accept_terms(demo, page)


def welcome_link(demo: Demo, email: str) -> str:
    """The link of the Welcome mail, once it is there."""
    [mail] = wait_until(partial(demo.mails_to, email, "/welcome/"))
    link = re.search(rf"{demo.web}/welcome/\S+", mail["text"])
    assert link
    return link[0]


def choose_password(page: Page) -> None:
    """The first step."""
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm Password").fill(PASSWORD)
    page.get_by_role("button", name="Save").click()


def accept_terms(demo: Demo, page: Page) -> None:
    """The last step."""
    page.get_by_label("I agree to the terms").check()
    page.get_by_role("button", name="Register").click()
    page.wait_for_url(re.compile(rf"{demo.web}/(my/|pay/).*"))


def test_a_registered_payers_bank_debit_settles(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    page, email = payer.page, "settles@harbourdental.example"
    quote, reference = pay_by_bank(payer, GOOD_ACCOUNT, email)
    expected_text = ledger_pages.expect_debit(page, reference)
    console.goto(f"{console.url}payments/{reference}")
    expect(console.locator("#payment-postings")).to_contain_text(expected_text)
    finish_account(demo, page, email)
    page.goto(f"{demo.web}/my/payments/{reference}")
    expect(page.locator("#payer-documents")).to_contain_text(expected_text)
    assert [i["status"] for i in demo.intents(quote)] == ["processing"]
    demo.post_control("/_control/clock", {"advance": 4 * 86_400})
    note = ledger_pages.wait(page, get_pf_cr_number(reference), "open")
    assert ledger_pages.wait(page, get_pf_number(reference), "paid").total == note.remaining == AMOUNT
    expect(console.locator("#payment-postings")).to_contain_text(get_pf_cr_number(reference))
    page.goto(quote["url"])
    expect(page.locator("[data-badge=paid]")).to_be_visible()


def test_a_debit_that_comes_back_is_outstanding_and_a_card_pays_it(
    demo: Demo, payer: Payer, ledger_pages: LedgerPages
) -> None:
    email = "returns@harbourdental.example"
    quote, reference = pay_by_bank(payer, CLOSED_ACCOUNT, email)
    ledger_pages.expect_debit(payer.page, reference)
    demo.post_control("/_control/clock", {"advance": 4 * 86_400})
    [mail] = wait_until(partial(demo.mails_to, email, "rejected"))
    [link] = re.findall(rf"{demo.web}/i/\S+", mail["text"])
    payer.page.goto(link)
    payer.page.wait_for_url(f"{demo.web}/pay/{reference}")
    ledger_pages.wait_gone(payer.page, get_pf_cr_number(reference), "removed")
    page = payer.page
    finish_account(demo, page, email)
    page.goto(f"{demo.web}/my/")
    row = page.locator("#outstanding").get_by_role("row").filter(has_text=f"{quote['number']}")
    expect(row).to_be_visible()
    row.get_by_text("Actions").click()
    row.get_by_role("link", name="Pay Quote").click()
    page.wait_for_url(f"{demo.web}/pay/{reference}/checkout")
    payer.type_card()
    payer.accept_terms()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    page.wait_for_url(f"{demo.web}/my/payments/{reference}/paid")
    expect(page.get_by_role("heading", name="Payment successful")).to_be_visible()
    ledger_pages.wait(page, get_pf_number(reference), "paid")
    assert ledger_pages.wait(page, get_pf_cr_number(reference) + ledger_pages.second_note, "open").remaining == AMOUNT
    assert sum(i["amount_received"] for i in demo.intents(quote)) == 100 * AMOUNT


def test_a_dispute_after_success_reverses_it_everywhere(demo: Demo, payer: Payer, ledger_pages: LedgerPages) -> None:
    email = "disputes@harbourdental.example"
    quote, reference = pay_by_bank(payer, GOOD_ACCOUNT, email)
    demo.post_control("/_control/clock", {"advance": 4 * 86_400})
    ledger_pages.wait(payer.page, get_pf_number(reference), "paid")
    ledger_pages.wait(payer.page, get_pf_cr_number(reference), "open")
    [intent] = demo.intents(quote)
    demo.post_control("/stripe/_control", {"dispute": intent["id"]})
    ledger_pages.wait_gone(payer.page, get_pf_cr_number(reference), "voided")
    assert ledger_pages.wait(payer.page, get_pf_number(reference), "open").remaining == AMOUNT
    assert wait_until(partial(demo.mails_to, email, "reversed"))
    payer.page.goto(quote["url"])
    expect(payer.page.locator("[data-badge=failed]")).to_be_visible()


def test_nothing_due_saves_a_card_and_says_so(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote("recurring")
    payer.accept(quote)
    register(payer, "saves@harbourdental.example")
    payer.type_card()
    payer.accept_terms()
    payer.page.get_by_role("button", name="Save payment method").click()
    payer.page.wait_for_url(f"{demo.sandbox}/orderporter/quote**")
    expect(payer.page.locator("[data-badge=saved]")).to_be_visible()
    assert demo.intents(quote) == []
