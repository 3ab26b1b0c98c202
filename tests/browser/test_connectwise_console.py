"""What a merchant's people do with what ConnectWise PSA bills: Sync Invoices, and agreements that payers accept.

Merchants of Wise-Sync push closed invoices to the books (cw.wise-sync.com, article 36000041657), and those of Wise-Pay
map agreements to saved methods (companysupport.wise-pay.com, article 36000040500).
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.autopay_pages import TERM, AutoPayPages
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.ledgers import LedgerPages, get_pf_cr_number
from tests.browser.test_invoices import Customer, pay_and_sign_in

pytestmark = pytest.mark.browser
BUYER = Customer("Tidewater Dental Pty Ltd", "accounts@tidewaterdental.example")
SUBSCRIBER = Customer("Foreshore Clinics Pty Ltd", "accounts@foreshoreclinics.example")
ADDED_CARD = "5555555555554444"


def insert(demo: Demo, table: str, row: dict[str, Any]) -> None:
    """Add a row to a table of the practice PSA."""
    demo.post_control("/psa/_control", {"insert": {"table": table, "rows": [row]}})


def bill(demo: Demo, number: str, customer: Customer, company: int, **fields: Any) -> None:
    """A closed invoice at PSA of 100.00 and 10 % GST."""
    now = datetime.now(UTC)
    row = {
        "invoiceNumber": number,
        "type": "Standard",
        "status": {"id": 2},
        "company": {"id": company, "name": customer.name},
        "currency": {"id": 1, "currencyCode": "AUD"},
        "subtotal": 100.0,
        "salesTax": 10.0,
        "total": 110.0,
        "credits": 0.0,
        "serviceTotal": 60.0,
        "productTotal": 40.0,
        "date": f"{now - timedelta(days=2):%FT00:00:00Z}",
        "dueDate": f"{now + timedelta(days=12):%FT00:00:00Z}",
        "customerPO": "PO-77",
        "taxCode": {"id": 4, "name": "AU GST"},
    }
    insert(demo, "invoices", row | fields)


def switch_on(console: Page, home: str) -> None:
    """Switch Sync Invoices on, with what its lines are booked to, unless it is."""
    console.goto(f"{home}psa/invoice-sync/")
    if not console.get_by_label("Sync Invoices is on").is_checked():
        console.get_by_label("Sync Invoices is on").check()
        console.get_by_role("combobox", name=re.compile("Income account|Item")).select_option(index=1)
        console.get_by_role("region", name="Settings").get_by_role("button", name="Save").click()
        expect(console.get_by_text("Saved.")).to_be_visible()


def preview(console: Page, home: str) -> str:
    """Have the invoices read; answers the address of the run, which waits with its preview."""
    console.goto(f"{home}psa/invoice-sync/")
    console.get_by_role("button", name="Preview").click()
    expect(console.get_by_role("heading", name="What would be made")).to_be_visible()
    expect(console.locator("#sync-state [data-state=ready]")).to_be_visible()
    return console.url


def test_closed_invoices_of_psa_are_previewed_made_in_the_books_and_never_twice(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    home, number = console.url, "TIDE-1"
    reference = payer.pay_quote(BUYER.buys(demo, "one-time"))
    ledger_pages.wait(payer.page, get_pf_cr_number(reference), "open")  # the customer is a contact of the books now
    bill(demo, number, BUYER, 7001)
    bill(demo, "TIDE-2", BUYER, 7001, credits=110.0)
    switch_on(console, home)
    run = preview(console, home)
    expect(console.get_by_role("row").filter(has_text=number)).to_contain_text(f"Say which payer company {BUYER.name}")
    console.get_by_label(BUYER.name, exact=True).fill(BUYER.name)
    console.get_by_role("button", name=f"Save the company of {BUYER.name}").click()
    expect(console.get_by_text(f"It is {BUYER.name}.")).to_be_visible()
    console.goto(f"{home}psa/invoice-sync/")
    console.get_by_label(re.compile("AU GST, with tax")).select_option(label=choose_tax(console))
    console.get_by_role("region", name="Tax codes").get_by_role("button", name="Save").click()
    console.goto(run)
    console.get_by_role("button", name="Look again").click()
    paid = console.get_by_role("row").filter(has_text="TIDE-2")
    expect(paid).to_contain_text("was paid or credited in ConnectWise PSA already")
    console.get_by_role("button", name=re.compile(r"^Make \d+ invoice")).click()
    expect(console.locator("#sync-state [data-state=finished]")).to_be_visible()
    expect(console.get_by_role("row").filter(has_text=number).locator("[data-state=posted]")).to_be_visible()
    made = ledger_pages.wait(payer.page, number, "open")
    assert made.total == made.remaining == Decimal("110.00")
    assert ledger_pages.document(payer.page, "TIDE-2") is None

    preview(console, home)
    expect(console.get_by_role("row").filter(has_text=number).locator("[data-state=present]")).to_be_visible()
    expect(console.get_by_role("button", name=re.compile("^Make "))).to_have_count(0)
    assert ledger_pages.document(payer.page, number) == made


def choose_tax(console: Page) -> str:
    """The books' code of 10 % as the table lists it."""
    options = console.get_by_label(re.compile("AU GST, with tax")).locator("option").all_inner_texts()
    return next(text for text in options if "GST" in text and "10" in text)


def test_an_agreement_of_psa_is_proposed_accepted_and_stands_as_a_mapping(
    demo: Demo, payer: Payer, console: Page, ledger_pages: LedgerPages
) -> None:
    home, page, autopay = console.url, payer.page, AutoPayPages(demo, console, ledger_pages)
    pay_and_sign_in(payer, SUBSCRIBER.buys(demo, "one-time"), SUBSCRIBER)
    share_card(demo, payer)
    autopay.switch_on(delay_hours=48)
    name = "Managed services of Foreshore"
    insert(
        demo,
        "agreements",
        {
            "name": name,
            "type": {"id": 1, "name": "Managed Services"},
            "company": {"id": 7002, "name": SUBSCRIBER.name},
            "billingTerms": {"id": 1, "name": "Net 14 days"},
            "billingCycle": {"id": 2, "name": "Monthly"},
            "billAmount": 349.0,
            "currency": {"id": 1, "currencyCode": "AUD"},
            "agreementStatus": "Active",
        },
    )
    console.goto(f"{home}psa/agreements/")
    console.get_by_role("button", name="Read them now").click()
    link = console.get_by_role("link", name=name)
    wait_until(lambda: console.goto(f"{home}psa/agreements/") and link.count())
    say_what_terms_mean(console, home)
    console.goto(f"{home}psa/agreements/")
    link.click()
    console.get_by_role("button", name="Save the company").click()
    expect(console.get_by_text(f"{SUBSCRIBER.name} is {SUBSCRIBER.name}.")).to_be_visible()
    method = console.get_by_label("Primary Payment Method")
    method.select_option(value=method.locator("option", has_text="4444").first.get_attribute("value"))
    console.get_by_role("button", name="Ask the payer").click()
    expect(console.get_by_text("The payer was asked by mail.")).to_be_visible()
    asked = console.url

    wait_until(lambda: demo.mails_to(SUBSCRIBER.email, "proposes automatic payments"))
    page.goto(f"{demo.web}/my/autopay")
    answer = page.locator("form[action$='/answer']")
    for box in answer.locator(".terms:visible input[type=checkbox]").all():
        box.check()
    answer.get_by_role("button", name=re.compile("^Accept")).click()
    expect(answer).to_have_count(0)
    console.goto(asked)
    expect(console.locator(".page-head [data-state=active]")).to_be_visible()
    autopay.open_company(SUBSCRIBER.name)
    expect(console.get_by_role("main")).to_contain_text("4444")


def share_card(demo: Demo, payer: Payer) -> None:
    """Save a card that the company shares."""
    page = payer.page
    page.goto(f"{demo.web}/my/methods/new?kind=card")
    payer.type_card(ADDED_CARD)
    page.locator("#shares").check()
    payer.accept_terms()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile("/my/cards$"))


def say_what_terms_mean(console: Page, home: str) -> None:
    """PSA's Net 14 days are the usual billing term here; what that would charge is seen once its invoices were read."""
    terms = f"{home}configure/merchants/integrations/psa/terms"

    def is_saved() -> int:
        console.goto(terms)
        console.get_by_label("Net 14 days").select_option(label=TERM)
        console.get_by_role("button", name="Save").click()
        if console.get_by_text("will be charged").count():
            console.get_by_role("button", name="Save").click()
        return console.get_by_text("Saved").count()

    wait_until(is_saved)
