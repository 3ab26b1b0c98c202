"""Payers: from Order Porter to Pay Now and back, whatever they press on the way."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.demo import ASKING_CARD, CARD_FRAME, POOR_CARD, SECURE_FRAME, Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages, get_pf_cr_number, get_pf_number

pytestmark = pytest.mark.browser
PAY = re.compile("^Pay ")


@pytest.mark.books
def test_a_quote_is_accepted_paid_and_booked(demo: Demo, payer: Payer, ledger_pages: LedgerPages) -> None:
    quote = demo.create_quote()
    reference = payer.pay_quote(quote)
    payer.expect_paid()
    [intent] = demo.intents(quote)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 125000)
    invoice = ledger_pages.wait(payer.page, get_pf_number(reference), "paid")
    note = ledger_pages.wait(payer.page, get_pf_cr_number(reference), "open")
    assert (invoice.total, invoice.remaining) == (Decimal("1250.00"), Decimal(0))
    assert note.total == note.remaining == Decimal("1250.00")
    for address in (demo.merchant["email"], "accounts@harbourdental.example"):
        wait_until(partial(demo.mails_to, address, f"Quote {quote['number']}"))


def test_a_declined_card_is_explained_on_the_same_page_and_another_one_pays(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote()
    payer.pay_quote(quote, POOR_CARD)
    problem = payer.page.get_by_role("alert").filter(has_text="There isn't enough money on this card")
    expect(problem).to_be_visible()
    expect(problem).to_be_focused()
    assert payer.page.url.endswith("/guest")
    payer.pay()
    payer.expect_paid()
    assert sum(i["amount_received"] for i in demo.intents(quote)) == 125000


def test_the_bank_confirms_the_payer(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote()
    payer.pay_quote(quote, ASKING_CARD)
    payer.answer_bank("Complete")
    payer.expect_paid()
    assert [i["status"] for i in demo.intents(quote)] == ["succeeded"]


def test_the_bank_does_not_confirm_the_payer(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote()
    payer.pay_quote(quote, ASKING_CARD)
    payer.answer_bank("Fail")
    expect(
        payer.page.get_by_role("alert").filter(has_text="Your bank could not confirm that it was you")
    ).to_be_visible()
    assert [i["amount_received"] for i in demo.intents(quote)] == [0]
    payer.pay()
    payer.expect_paid()


def test_a_reload_while_the_bank_asks_goes_on_where_it_was(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote()
    payer.pay_quote(quote, ASKING_CARD)
    expect(payer.page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete")).to_be_visible()
    payer.page.reload()
    expect(payer.page.get_by_role("heading", name="Your bank wants to confirm that it is you")).to_be_visible()
    payer.page.get_by_role("button", name="Continue with your bank").click()
    payer.answer_bank("Complete")
    payer.expect_paid()
    assert len(demo.intents(quote)) == 1


def test_another_card_can_be_used_while_the_bank_asks(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote()
    payer.pay_quote(quote, ASKING_CARD)
    expect(payer.page.frame_locator(SECURE_FRAME).get_by_role("button", name="Complete")).to_be_visible()
    payer.page.reload()
    payer.page.get_by_role("button", name="Use another method").click()
    payer.go_guest()
    payer.pay()
    payer.expect_paid()
    assert sorted(i["status"] for i in demo.intents(quote)) == ["canceled", "succeeded"]


@pytest.mark.books
@pytest.mark.parametrize(("choice", "amount"), [("Due now", "2491.50"), ("Full amount", "4983.00")])
def test_a_deposit_or_the_full_amount_is_paid(
    demo: Demo, payer: Payer, ledger_pages: LedgerPages, choice: str, amount: str
) -> None:
    quote = demo.create_quote("deposit")
    reference = payer.accept(quote)
    payer.go_guest()
    payer.page.get_by_role("radio", name=re.compile(choice)).check()
    shown = f"{amount[0]},{amount[1:]}"
    expect(payer.page.get_by_role("button", name=PAY)).to_contain_text(shown)
    payer.pay()
    payer.expect_paid()
    assert ledger_pages.wait(payer.page, get_pf_number(reference), "paid").total == Decimal(amount)


@pytest.mark.books
def test_a_double_click_pays_once(demo: Demo, payer: Payer, ledger_pages: LedgerPages) -> None:
    quote = demo.create_quote()
    reference = payer.accept(quote)
    payer.go_guest()
    payer.type_card()
    payer.page.get_by_role("button", name=PAY).dblclick()
    payer.expect_paid()
    assert [i["amount_received"] for i in demo.intents(quote)] == [125000]
    assert ledger_pages.wait(payer.page, get_pf_number(reference), "paid").total == Decimal("1250.00")


@pytest.mark.books
def test_two_tabs_pay_once(demo: Demo, payer: Payer, ledger_pages: LedgerPages) -> None:
    quote = demo.create_quote()
    reference = payer.accept(quote)
    payer.go_guest()
    other = Payer(demo, payer.page.context.new_page())
    other.page.goto(payer.page.url)
    other.page.get_by_label("Full name").fill("Ada Payer")
    payer.pay()
    payer.expect_paid()
    other.pay()
    expect(other.page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    assert [i["amount_received"] for i in demo.intents(quote)] == [125000]
    assert ledger_pages.wait(payer.page, get_pf_number(reference), "paid").total == Decimal("1250.00")


def test_the_back_button_after_paying_shows_that_it_is_paid(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote()
    payer.pay_quote(quote)
    payer.expect_paid()
    payer.page.go_back()
    expect(payer.page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    payer.page.get_by_role("link", name="Back to the quote", exact=True).click()
    payer.expect_paid()
    assert len(demo.intents(quote)) == 1


@pytest.mark.parametrize("like", ["recurring", "mixed"])
def test_a_recurring_quote_tells_a_guest_why_it_cannot_be_paid(demo: Demo, payer: Payer, like: str) -> None:
    payer.accept(demo.create_quote(like))
    expect(payer.page.get_by_text("That needs a Wise-Pay account: a guest cannot pay it.")).to_be_visible()
    expect(payer.page.get_by_role("link", name="Continue as guest")).to_have_count(0)
    payer.page.get_by_role("link", name="Back to the quote").click()
    payer.page.wait_for_url(f"{demo.sandbox}/orderporter/quote**")


def test_yen_are_charged_without_decimals(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote("jpy")
    payer.pay_quote(quote)
    payer.expect_paid()
    assert [(i["amount_received"], i["currency"]) for i in demo.intents(quote)] == [(165_000, "jpy")]


def test_what_is_missing_is_shown_at_its_field(demo: Demo, payer: Payer) -> None:
    quote = demo.create_quote()
    payer.accept(quote)
    payer.go_guest(name="")
    payer.page.get_by_label("E-mail").fill("nobody")
    payer.pay()
    name = payer.page.get_by_label("Full name")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("Please fill this in.")
    assert demo.intents(quote) == []


def test_a_payer_needs_no_mouse(demo: Demo, payer: Payer) -> None:
    quote, page = demo.create_quote("deposit"), payer.page
    page.goto(quote["url"])
    press(page, "Space", at=page.get_by_label("I accept the terms of this quote"))
    type_at(page, "Accounts Payable", at=page.get_by_label("Type your name to sign"))
    press(page, "Enter", at=page.get_by_role("button", name="Accept and Pay"))
    page.wait_for_url(f"{demo.web}/pay/*")
    press(page, "Enter", at=page.get_by_role("link", name="Continue as guest"))
    press(page, "ArrowDown", at=page.get_by_role("radio", name=re.compile("Due now")))
    type_at(page, "Ada Payer", at=page.get_by_label("Full name"))
    frame = page.frame_locator(CARD_FRAME)
    type_at(page, "4242424242424242", at=frame.get_by_label("Card number"))
    type_at(page, "1234", at=frame.get_by_label("Expiration date"))
    type_at(page, "123", at=frame.get_by_label("Security code"))
    press(page, "Enter", at=page.get_by_role("button", name=PAY))
    payer.expect_paid()
    assert [i["amount_received"] for i in demo.intents(quote)] == [498_300]


def press(page: Page, key: str, *, at: Locator) -> None:
    """Go on with Tab until the focus is there, then press the key."""
    at.wait_for()
    for _ in range(30):
        if at.evaluate("found => document.hasFocus() && found === document.activeElement"):
            page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {at}")


def type_at(page: Page, text: str, *, at: Locator) -> None:
    """Go on with Tab until the focus is there, then type over what is there."""
    press(page, "Control+a", at=at)
    page.keyboard.type(text)


def test_nobody_else_sees_the_page_after_a_wrong_reference(demo: Demo, opened: Callable[..., Page]) -> None:
    page = opened()
    answer = page.goto(f"{demo.web}/pay/nosuchreference")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
