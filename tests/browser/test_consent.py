"""Consent: what a page shows on a phone and on a desk before a payer agrees is what the acceptance keeps.

docs.stripe.com/payments/cards/saving-cards-after-payment: a saved method may be used only as the terms said, so consent
is collected explicitly for each use.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from payments.consent import TERMS_OF_ACTS, Act
from payments.recurring import RecurringPart
from tests.browser.autopay_pages import AutoPayPages
from tests.browser.conftest import PATIENCE, WIDE
from tests.browser.demo import CARD_FRAME, Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages, get_pf_cr_number
from tests.browser.test_invoices import Customer, has, pay_and_sign_in, pay_anyway
from tests.browser.test_people import GOOD_ACCOUNT, register, type_bank
from wisepay.clock import format_date
from wisepay.money import Money

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
MERCHANT = "Northwind IT"
PLACEHOLDERS = re.compile(r"\{\w+\}")
ADDED_CARD = "5555555555554444"


@dataclass(frozen=True)
class ShownText:
    """A text of terms as it was read before it was accepted."""

    version: int
    words: str


@dataclass(frozen=True)
class Shown:
    """What a page says above its button."""

    statements: list[str]
    texts: list[ShownText]
    button: str
    names_merchant: bool


@dataclass(frozen=True)
class Member:
    """A payer with an account, a saved card and a saved bank account."""

    customer: Customer
    state: StorageState
    reference: str


@dataclass
class Stage:
    """One act on its way: the payer's page, and who agrees."""

    demo: Demo
    payer: Payer
    request: pytest.FixtureRequest
    email: str
    seen: set[int] = field(default_factory=set)

    @property
    def page(self) -> Page:
        return self.payer.page

    @property
    def member(self) -> Member:
        found: Member = self.request.getfixturevalue("member")
        return found

    def list_acceptances(self) -> list[dict[str, Any]]:
        """What this person accepted with an order, the newest first, but for what the test began with."""
        rows = self.demo.export_person(self.email).get("payers.TermsAcceptance", {"rows": []})["rows"]
        fresh = [one for one in rows if one["operation"] and one["id"] not in self.seen]
        return sorted(fresh, key=lambda one: -one["id"])

    def list_complete(self) -> list[dict[str, Any]]:
        """The same once the gateway has named the method."""
        rows = self.list_acceptances()
        return rows if all(one["last4"] for one in rows) else []


@dataclass(frozen=True)
class Case:
    """What is done, by which method; `arrive` goes as far as the button and answers its form."""

    acts: tuple[Act, ...]
    method: str
    arrive: Callable[[Stage], Locator]
    button: str = "^Pay "
    last4: str = "4242"
    amount: int | None = None
    is_confirmed: bool = False  # a saved method is asked about once more


def pay_form(stage: Stage) -> Locator:
    return stage.page.locator("#pay-form")


# ---- strangers and registrants ----------------------------------------------------------------


def as_guest(stage: Stage) -> Locator:
    stage.payer.accept(stage.demo.create_quote())
    stage.payer.go_guest()
    stage.page.get_by_label("E-mail").fill(stage.email)
    stage.payer.type_card()
    return pay_form(stage)


def in_full_as_guest(stage: Stage) -> Locator:
    stage.payer.accept(stage.demo.create_quote("deposit"))
    stage.payer.go_guest()
    stage.page.get_by_label("E-mail").fill(stage.email)
    stage.page.get_by_role("radio", name=re.compile("Full amount")).check()
    stage.payer.type_card()
    return pay_form(stage)


def by_card(like: str, *, saves: bool = False) -> Callable[[Stage], Locator]:
    """Register with a quote and type a card; `saves` ticks that it is kept."""

    def arrive(stage: Stage) -> Locator:
        stage.payer.accept(stage.demo.create_quote(like))
        register(stage.payer, stage.email)
        stage.payer.type_card()
        if saves:
            stage.page.get_by_label("Save Information").check()
        return pay_form(stage)

    return arrive


def by_debit(*, recurs: bool = False, saves: bool = False) -> Callable[[Stage], Locator]:
    """Register with a quote in US dollars and type a bank account."""

    def arrive(stage: Stage) -> Locator:
        demo = stage.demo
        stage.payer.accept(demo.create_usd_quote() if recurs else demo.create_quote("usd"))
        register(stage.payer, stage.email)
        type_bank(stage.page, GOOD_ACCOUNT)
        if saves:
            stage.page.get_by_label("Save Information").check()
        return pay_form(stage)

    return arrive


# ---- people with an account -------------------------------------------------------------------


def with_a_saved_method(last4: str) -> Callable[[Stage], Locator]:
    def arrive(stage: Stage) -> Locator:
        stage.payer.accept(stage.member.customer.buys(stage.demo, "one-time", currency="USD", tax_rate=0))
        stage.page.get_by_role("link", name=re.compile("^Continue as")).click()
        stage.page.get_by_label(re.compile(last4)).check()
        return pay_form(stage)

    return arrive


def add_card(stage: Stage) -> Locator:
    stage.page.goto(f"{stage.demo.web}/my/methods/new?kind=card")
    stage.payer.type_card(ADDED_CARD)
    return stage.page.locator("#method-form")


def add_bank_account(stage: Stage) -> Locator:
    stage.page.goto(f"{stage.demo.web}/my/methods/new?kind=bank_debit")
    frame = stage.page.frame_locator(CARD_FRAME)
    frame.get_by_label("Routing number").fill("110000000")
    frame.get_by_label("Account number").fill(GOOD_ACCOUNT)
    return stage.page.locator("#method-form")


def map_method(last4: str) -> Callable[[Stage], Locator]:
    def arrive(stage: Stage) -> Locator:
        get_autopay(stage).switch_on()
        stage.page.goto(f"{stage.demo.web}/my/autopay")
        box = stage.page.locator("details.add-mapping")
        if box.get_attribute("open") is None:
            box.locator("> summary").click()
        select = box.get_by_label("Primary Payment Method")
        select.select_option(value=select.locator("option", has_text=last4).first.get_attribute("value"))
        return box.locator("form")

    return arrive


def accept_a_proposal(stage: Stage) -> Locator:
    """The merchant proposes to debit the bank account, which the company shares."""
    autopay, name = get_autopay(stage), stage.member.customer.name
    autopay.switch_on()
    autopay.propose(name, "6789")
    stage.page.goto(f"{stage.demo.web}/my/autopay")
    return stage.page.locator("form[action$='/answer']")


def batch_with(last4: str) -> Callable[[Stage], Locator]:
    def arrive(stage: Stage) -> Locator:
        member, page = stage.member, stage.page
        ledger_pages: LedgerPages = stage.request.getfixturevalue("ledger_pages")
        ledger_pages.wait(page, get_pf_cr_number(member.reference), "open")
        stem = f"INV-BATCH-{last4}"
        for place in (1, 2):
            amount = Decimal(place * 100)
            ledger_pages.write_invoice(member.customer.name, f"{stem}-{place}", amount, currency="USD")
        wait_until(partial(has, page, f"{stage.demo.web}/my/outstanding", f"{stem}-2"), within=ledger_pages.patience)
        page.goto(f"{stage.demo.web}/my/invoices/batch")
        for place in (1, 2):
            page.get_by_role("row").filter(has_text=f"{stem}-{place}").get_by_role("checkbox").check()
        pay_anyway(page, get_pf_cr_number(member.reference))
        page.get_by_label(re.compile(last4)).check()
        return pay_form(stage)

    return arrive


def get_autopay(stage: Stage) -> AutoPayPages:
    console, ledger_pages = (stage.request.getfixturevalue(name) for name in ("console", "ledger_pages"))
    return AutoPayPages(stage.demo, console, ledger_pages)


SAVED = partial(Case, is_confirmed=True)
CASES: dict[str, Case] = {
    "a guest pays by card": Case((Act.PAY,), "card", as_guest, amount=125_000),
    "a guest pays more than is due": Case((Act.PAY,), "card", in_full_as_guest, amount=498_300),
    "by debit": Case((Act.PAY,), "bank_debit", by_debit(), last4="6789"),
    "by card, which is saved": Case((Act.PAY, Act.SAVE), "card", by_card("one-time", saves=True), amount=125_000),
    "by debit, which is saved": Case((Act.PAY, Act.SAVE), "bank_debit", by_debit(saves=True), last4="6789"),
    "what recurs by card": Case((Act.PAY, Act.SAVE, Act.RECUR), "card", by_card("mixed"), amount=814_000),
    "what recurs by debit": Case((Act.PAY, Act.SAVE, Act.RECUR), "bank_debit", by_debit(recurs=True), last4="6789"),
    "only what recurs": Case((Act.SAVE, Act.RECUR), "card", by_card("recurring"), "^Save payment method"),
}
MEMBERS: dict[str, Case] = {
    "with a saved card": SAVED((Act.PAY,), "card", with_a_saved_method("4242"), amount=125_000),
    "with a saved bank account": SAVED((Act.PAY,), "bank_debit", with_a_saved_method("6789"), last4="6789"),
    "a card is added": Case((Act.SAVE,), "card", add_card, "^Save$", "4444"),
    "a bank account is added": Case((Act.SAVE,), "bank_debit", add_bank_account, "^Save$", "6789"),
    "Auto-Pay with a card": Case((Act.MAP, Act.SCHEDULE), "card", map_method("4242"), "^Save$"),
    "Auto-Pay with a bank account": Case((Act.MAP, Act.SCHEDULE), "bank_debit", map_method("6789"), "^Save$", "6789"),
    "Auto-Pay as proposed": Case((Act.MAP, Act.SCHEDULE), "bank_debit", accept_a_proposal, "^Accept$", "6789"),
    "a batch by card": SAVED((Act.PAY_BATCH,), "card", batch_with("4242"), amount=30_000),
    "a batch by debit": SAVED((Act.PAY_BATCH,), "bank_debit", batch_with("6789"), last4="6789", amount=30_000),
}


def test_every_line_of_the_table_is_done_by_a_payer() -> None:
    done = {(act, case.method) for case in (*CASES.values(), *MEMBERS.values()) for act in case.acts}
    assert done == set(TERMS_OF_ACTS)


@pytest.fixture(scope="module")
def member(demo: Demo, chromium: Browser) -> Iterator[Member]:
    """Registers, pays, finishes the account, and adds a card and a bank account that the company shares."""
    context = chromium.new_context(viewport=WIDE)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    payer = Payer(demo, context.new_page())
    customer = Customer("Consenting Harbours Inc.", "agrees@consentingharbours.example")
    bought = customer.buys(demo, "one-time", currency="USD", tax_rate=0)
    _, reference = pay_and_sign_in(payer, bought, customer)
    stage = Stage(demo, payer, None, customer.email)  # type: ignore[arg-type]
    for arrive, number in ((add_card, "4242424242424242"), (add_bank_account, "")):
        arrive(stage)
        if number:
            payer.type_card(number)
        payer.page.locator("#shares").check()
        payer.accept_terms()
        payer.page.get_by_role("button", name="Save").click()
        payer.page.wait_for_url(re.compile("/my/(cards|bank-accounts)$"))
    yield Member(customer, context.storage_state(), reference)
    context.close()


@pytest.mark.parametrize("name", CASES)
def test_a_registrant_or_guest_agrees_to_what_the_page_shows(
    demo: Demo, payer: Payer, request: pytest.FixtureRequest, name: str
) -> None:
    email = f"{re.sub('[^a-z]', '-', name.lower())}@consent.example"
    assert agree_and_compare(Stage(demo, payer, request, email), CASES[name])


@pytest.mark.books
@pytest.mark.parametrize("name", MEMBERS)
def test_a_person_with_an_account_agrees_to_what_the_page_shows(
    demo: Demo, opened: Callable[..., Page], request: pytest.FixtureRequest, member: Member, name: str
) -> None:
    stage = Stage(demo, Payer(demo, opened(member.state)), request, member.customer.email)
    stage.seen = {one["id"] for one in stage.list_acceptances()}
    assert agree_and_compare(stage, MEMBERS[name])


def agree_and_compare(stage: Stage, case: Case) -> list[dict[str, Any]]:
    """Come to the button, read the page at both widths, agree, compare with what is stored, and answer that."""
    form = case.arrive(stage)
    expect(form.locator(".terms:visible").first).to_be_visible()
    button = form.get_by_role("button", name=re.compile(case.button))
    stage.page.wait_for_timeout(500)  # which texts are shown follows the choice in the gateway's frame
    shown = read_page(form, button, WIDE)
    assert read_page(form, button, PHONE) == shown
    for box in form.locator(".terms:visible input[type=checkbox]").all():
        box.check()
    button.click()
    if case.is_confirmed:
        stage.page.get_by_role("dialog").get_by_role("button", name=re.compile("^Pay")).click()
    compare(stored := wait_until(stage.list_complete), shown, case, stage.page.evaluate("navigator.userAgent"))
    if case.is_confirmed:  # Stripe's form was not used, so its fraud rules learn of the browser in another way
        assert "radar_options[session]=rse_" in stage.demo.list_bodies("stripe", "/v1/payment_intents")[-1]
    return stored


def read_page(form: Locator, button: Locator, size: dict[str, int]) -> Shown:
    """What can be read at this width, with every text opened before anything is ticked."""
    form.page.set_viewport_size(size)  # type: ignore[arg-type]
    return Shown(
        statements=form.locator(".consent-statement:visible p").all_inner_texts(),
        texts=[read_text(box, size["width"]) for box in form.locator(".terms:visible").all()],
        button=button.inner_text().strip(),
        names_merchant=form.page.get_by_text(MERCHANT).locator("visible=true").count() > 0,
    )


def read_text(box: Locator, width: int) -> ShownText:
    """Open a text, read it, and close it; its box is not ticked yet."""
    summary, body, tick = box.locator("summary"), box.locator(".terms-body"), box.locator("input[type=checkbox]")
    assert not (tick.count() and tick.is_checked())
    version = re.search(r"version (\d+)", summary.inner_text())
    assert version, summary.inner_text()
    summary.click()
    expect(body).to_be_visible()
    at = body.bounding_box()
    assert at
    assert at["x"] >= 0
    assert at["x"] + at["width"] <= width
    words = body.inner_text()
    summary.click()
    return ShownText(int(version[1]), words)


def compare(rows: list[dict[str, Any]], shown: Shown, case: Case, browser: str) -> None:
    """Each text that was shown has its row, which keeps what stood there; there is no other row."""
    kinds = {kind for act in case.acts for kind in TERMS_OF_ACTS[act, case.method]}
    assert len({one["operation"] for one in rows}) == 1
    assert sorted(one["terms__kind"] for one in rows) == sorted(kinds)
    assert len(shown.texts) == len(kinds)
    for one in rows:
        acts = {act.value for act in case.acts if one["terms__kind"] in TERMS_OF_ACTS[act, case.method]}
        assert set(one["acts"].split()) == acts
        assert [text.version for text in shown.texts if is_text_of(text, one)] == [one["terms__version"]]
        assert one["shown"].splitlines() == shown.statements
        assert (one["last4"], one["method_kind"] == "card") == (case.last4, case.method == "card")
        assert (one["ip"], one["user_agent"]) == ("127.0.0.1", browser[:300])
        assert one["company__merchant__name"] == MERCHANT
        compare_money(one, shown, case)
    assert shown.names_merchant
    assert MERCHANT in " ".join(shown.statements) or set(case.acts) == {Act.SAVE}


def is_text_of(text: ShownText, one: dict[str, Any]) -> bool:
    """Whether this is the row's text, whatever stands in the place of its blanks."""
    words, place = " ".join(text.words.split()), 0
    for part in PLACEHOLDERS.split(one["terms__text"]):
        found = words.find(" ".join(part.split()), place)
        if found < 0:
            return False
        place = found
    return True


def compare_money(one: dict[str, Any], shown: Shown, case: Case) -> None:
    """The amount on the button, and what recurs: how much, how often, how many times, until when."""
    said = " ".join(shown.statements)
    pays = bool({Act.PAY, Act.PAY_BATCH} & set(case.acts))
    assert (one["amount"] is not None) == pays
    if pays:
        assert case.amount in (None, one["amount"])
        money = str(Money(one["amount"], one["currency"]))
        assert money in said
        assert money in shown.button
    assert (one["recurring_amount"] is not None) == (Act.RECUR in case.acts)
    if Act.RECUR in case.acts:
        part = RecurringPart(Money(one["recurring_amount"], one["currency"]), one["interval"], one["periods"])
        for words in (
            str(part.money),
            part.frequency,
            str(part.total),
            format_date(date.fromisoformat(one["ends_on"])),
        ):
            assert words in said
