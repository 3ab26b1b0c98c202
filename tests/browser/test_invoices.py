"""Invoices of the ledger: credited and charged automatically, paid in parts and together, and never twice unasked."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from sandbox.orderporter.catalogue import CUSTOMERS
from tests.browser.autopay_pages import AutoPayPages
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages, get_pf_cr_number
from tests.browser.test_people import finish_account, register, type_bank

pytestmark = [pytest.mark.browser, pytest.mark.books]
TIMELINE = ("accepted", "paid", "credit", "invoice", "applied", "synced")
EMPTY_ACCOUNT = "000222222227"
SETTLES = 4 * 86_400


@dataclass(frozen=True)
class Customer:
    """A company of its own for each test, since a credit would be meant for any invoice of its company."""

    name: str
    email: str

    def buys(self, demo: Demo, like: str, **changes: Any) -> dict[str, Any]:
        """A quote for it."""
        who = {**CUSTOMERS["dental"], "account_name": self.name, "email": self.email}
        return demo.create_quote(like, customer=who, **changes)


@pytest.fixture
def autopay(demo: Demo, console: Page, ledger_pages: LedgerPages) -> AutoPayPages:
    return AutoPayPages(demo, console, ledger_pages)


def test_a_recurring_quote_is_credited_by_itself_and_its_months_are_charged(
    demo: Demo, payer: Payer, autopay: AutoPayPages, ledger_pages: LedgerPages
) -> None:
    customer = Customer("Seaview Optical Pty Ltd", "accounts@seaviewoptical.example")
    autopay.switch_on(delay_hours=48)
    quote, reference = pay_and_sign_in(payer, customer.buys(demo, "mixed"), customer)
    page, number = payer.page, f"INV-{quote['number']}"
    autopay.accept_proposal(customer.name)

    ledger_pages.wait(page, get_pf_cr_number(reference), "open")
    ledger_pages.write_invoice(customer.name, number, Decimal("8140.00"), about=f"Quote {quote['number']}")
    assert ledger_pages.wait(page, number, "paid").total == Decimal("8140.00")
    assert ledger_pages.wait(page, get_pf_cr_number(reference), "paid").remaining == 0
    console = autopay.page
    wait_until(partial(timeline_is_done, console, f"{autopay.home}payments/{reference}"), within=ledger_pages.patience)
    assert lacks(page, f"{demo.web}/my/outstanding", number)

    month = f"{number}-M1"
    ledger_pages.write_invoice(customer.name, month, Decimal("349.00"), about="Managed support", term=ledger_pages.term)
    wait_until(partial(has, page, f"{demo.web}/my/scheduled", month), within=ledger_pages.patience)
    expect(row(page, month)).to_contain_text("4242")
    page.goto(f"{demo.web}/my/outstanding")
    expect(row(page, month)).to_contain_text("Scheduled")
    assert autopay.has_on_dashboard("autopay-panel", month)

    autopay.switch_on(delay_hours=0)
    assert_reconciled(demo, console, [f"Quote {quote['number']} "])
    wait_until(partial(autopay.has_state, "settled", month), within=90)  # the scheduler looks every minute
    assert ledger_pages.wait(page, month, "paid").total == Decimal("349.00")
    wait_until(partial(lacks, page, f"{demo.web}/my/scheduled", month))
    page.goto(f"{demo.web}/my/past")
    expect(row(page, month)).to_contain_text("A$349.00")
    assert charged(demo, month) == [34900]
    assert_reconciled(demo, console, [month])


def test_a_debit_that_fails_is_outstanding_again_and_requeued_by_a_person(
    demo: Demo, payer: Payer, autopay: AutoPayPages, ledger_pages: LedgerPages
) -> None:
    customer = Customer("Lighthouse Surveying Inc.", "finance@lighthousesurveying.example")
    autopay.switch_on()
    page, quote = payer.page, customer.buys(demo, "recurring", currency="USD", tax_rate=0)
    number = f"INV-{quote['number']}"
    save_bank_account(payer, quote, customer, EMPTY_ACCOUNT)
    autopay.accept_proposal(customer.name)
    ledger_pages.write_invoice(customer.name, number, Decimal("349.00"), term=ledger_pages.term, currency="USD")
    wait_until(partial(autopay.has_on_dashboard, "autopay-unmatched", number), within=ledger_pages.patience)
    map_company(autopay, customer.name)

    wait_until(partial(autopay.has_state, "scheduled", number), within=ledger_pages.patience)
    demo.manage("run_autopay")
    wait_until(partial(autopay.has_state, "in_flight", number))
    page.goto(f"{demo.web}/my/scheduled")
    expect(row(page, number)).to_contain_text("Pending")
    demo.post_control("/_control/clock", {"advance": SETTLES})
    wait_until(partial(autopay.has_on_dashboard, "autopay-failures", number))
    page.goto(f"{demo.web}/my/outstanding")
    expect(row(page, number)).to_contain_text("$349.00")
    assert lacks(page, f"{demo.web}/my/scheduled", number)

    failure = autopay.failure(number)
    expect(failure).to_contain_text("not enough money")
    failure.get_by_role("button", name="Reset & Requeue").click()
    expect(autopay.page.get_by_text(f"{number} is queued again.")).to_be_visible()
    wait_until(partial(autopay.has_state, "in_flight", number))
    assert not autopay.has_on_dashboard("autopay-failures", number)
    assert has(page, f"{demo.web}/my/scheduled", number)
    demo.post_control("/_control/clock", {"advance": SETTLES})
    wait_until(partial(autopay.has_on_dashboard, "autopay-failures", number))
    assert charged(demo, number) == []


def save_bank_account(payer: Payer, quote: dict[str, Any], customer: Customer, account: str) -> None:
    """Accept a quote of which nothing is due now, save a bank account for what recurs, and finish the account."""
    payer.accept(quote)
    register(payer, customer.email)
    type_bank(payer.page, account)
    payer.accept_terms()
    payer.page.get_by_role("button", name="Save payment method").click()
    payer.page.wait_for_url(f"{payer.demo.sandbox}/orderporter/quote**")
    finish_account(payer.demo, payer.page, customer.email)


def map_company(autopay: AutoPayPages, company: str) -> None:
    """Say that the company is the contact of the same name."""
    page = autopay.page
    page.goto(f"{autopay.home}payers/unmapped")
    section = page.get_by_role("region", name=company)
    section.get_by_role("radio", name=re.compile(company)).check()
    section.get_by_role("button", name="See what mapping it does").click()
    expect(page.get_by_text("will read and may pay what")).to_be_visible()
    page.get_by_role("button", name="Yes, map it").click()
    page.goto(f"{autopay.home}payers/unmapped")
    expect(page.get_by_role("region", name=company)).to_have_count(0)


def test_invoices_are_paid_in_parts_and_together_and_not_twice_unasked(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    customer = Customer("Bluegum Veterinary Pty Ltd", "accounts@bluegumvet.example")
    quote, reference = pay_and_sign_in(payer, customer.buys(demo, "one-time"), customer)
    page, stem = payer.page, f"INV-{quote['number']}"
    ledger_pages.wait(page, get_pf_cr_number(reference), "open")
    for place, amount in enumerate((100, 200, 300), 1):
        ledger_pages.write_invoice(customer.name, f"{stem}-{place}", Decimal(amount))
    wait_until(partial(has, page, f"{demo.web}/my/outstanding", f"{stem}-3"), within=ledger_pages.patience)

    row(page, f"{stem}-1").get_by_role("link", name=f"{stem}-1").click()
    page.get_by_label("Amount to Pay").fill("40")
    pay_anyway(page, get_pf_cr_number(reference))
    pay_by_card(payer, "A$40.00")
    wait_until(
        lambda: standing(ledger_pages, page, f"{stem}-1") == ("open", Decimal("60.00")), within=ledger_pages.patience
    )

    wait_until(
        lambda: "A$60.00" in shown(page, f"{demo.web}/my/outstanding", f"{stem}-1"), within=ledger_pages.patience
    )
    page.goto(f"{demo.web}/my/")
    page.get_by_role("main").get_by_role("link", name="Batch Pay Now").click()
    page.get_by_role("button", name="Select All", exact=True).click()
    expect(page.get_by_text("3 invoices selected.")).to_be_visible()
    expect(page.locator("[data-sum]")).to_have_text("A$560.00")
    pay_anyway(page, get_pf_cr_number(reference))
    pay_by_card(payer, "A$560.00")
    for place in (1, 2, 3):
        ledger_pages.wait(page, f"{stem}-{place}", "paid")
    assert charged(demo, stem) == [56000, 4000]
    assert ledger_pages.wait(page, get_pf_cr_number(reference), "open").remaining == Decimal("1250.00")
    assert_reconciled(demo, console, [f"Quote {quote['number']} ", stem])


def pay_anyway(page: Page, credit: str) -> None:
    """Be stopped by the guard, which names the credit, and go on."""
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Please read what may pay this already")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text=credit)).to_be_visible()
    page.get_by_label("Pay anyway").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/checkout")


def pay_by_card(payer: Payer, amount: str) -> None:
    """Type a card and pay so much."""
    payer.type_card()
    payer.page.get_by_role("button", name=f"Pay {amount}").click()
    payer.page.wait_for_url(f"{payer.demo.web}/my/payments/*/paid")


def standing(ledger_pages: LedgerPages, page: Page, number: str) -> tuple[str, Decimal]:
    """The state of an invoice in the ledger, and the amount due."""
    found = ledger_pages.document(page, number)
    return (found.status, found.remaining) if found else ("", Decimal(0))


def shown(page: Page, address: str, number: str) -> str:
    """What the list, asked again, says of the invoice."""
    return row(page, number).inner_text() if has(page, address, number) else ""


def pay_and_sign_in(payer: Payer, quote: dict[str, Any], customer: Customer) -> tuple[dict[str, Any], str]:
    """Register with the quote, pay it by card, which is saved when it recurs, and finish the account."""
    reference = payer.accept(quote)
    register(payer, customer.email)
    payer.type_card()
    if quote["recurring"]:
        payer.accept_terms()
    payer.page.get_by_role("button", name=re.compile("^Pay ")).click()
    payer.expect_paid()
    finish_account(payer.demo, payer.page, customer.email)
    return quote, reference


def timeline_is_done(console: Page, address: str) -> bool:
    """Whether every posting of a quote is posted; a quote that came by the contract names no opportunity of PSA."""
    console.goto(address)
    steps = console.locator("section#quote-timeline .timeline-step")
    expect(steps.first).to_be_visible()
    states = [step.get_attribute("data-state") for step in steps.filter(has_not_text="PSA").all()]
    return len(states) >= len(TIMELINE) and set(states) == {"succeeded"}


def row(page: Page, number: str) -> Locator:
    """The invoice's row in the list that is open."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile(rf"^{number}\b")))


def has(page: Page, address: str, number: str) -> bool:
    """Whether the list, asked again, has a row of the invoice."""
    page.goto(address)
    return row(page, number).count() > 0


def lacks(page: Page, address: str, number: str) -> bool:
    """Whether the list, asked again, has no row of the invoice."""
    return not has(page, address, number)


def charges(demo: Demo, number: str) -> list[dict[str, Any]]:
    """Stripe's intents that succeeded and name the quote or the invoice, the newest first."""
    return [i for i in demo.newest_intents() if number in i["description"] and i["status"] == "succeeded"]


def charged(demo: Demo, number: str) -> list[int]:
    """What Stripe received for the invoice, charge by charge."""
    return [intent["amount_received"] for intent in charges(demo, number)]


def assert_reconciled(demo: Demo, console: Page, numbers: list[str]) -> None:
    """Sync payments, read Stripe and the ledger, and check that all three agree on every charge of these numbers."""
    home = f"{demo.web}/m/{demo.merchant['reference']}/"
    console.goto(f"{home}books/sync")
    console.get_by_role("button", name="Sync Payments").click()
    expect(console.get_by_role("heading", name="Last sync")).to_be_visible(timeout=60_000)
    console.goto(f"{home}reconciliation/")
    console.get_by_role("button", name="Read now").click()
    for charge in [charge for number in numbers for charge in charges(demo, number)]:
        day = datetime.fromtimestamp(charge["created"], ZoneInfo("Australia/Sydney")).date()
        wait_until(partial(agrees, console, f"{home}reconciliation/days/{day}", charge), within=60)


def agrees(console: Page, address: str, charge: dict[str, Any]) -> bool:
    """Whether a day of reconciliation, read again, has the charge with the same amount on all three sides."""
    console.goto(address)
    line = console.get_by_role("row").filter(has_text=charge["latest_charge"])
    amounts = line.locator("td.cell-num").all_inner_texts()
    return len(amounts) == 3 and len(set(amounts)) == 1 and line.count() == 1
