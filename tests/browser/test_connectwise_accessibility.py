"""Pages about ConnectWise: its links of every kind of no, and what a merchant decides; no violation that axe finds."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.test_connectwise_console import bill, insert, preview, switch_on
from tests.browser.test_invoices import Customer
from tests.browser.test_people import GOOD_ACCOUNT, register, type_bank

pytestmark = pytest.mark.browser
NO_LINK, REFUSED = "This link can't be opened", "This quote can't be paid now"
# What CPQ does to an accepted quote before its link is followed, the heading of the page, and its words.
REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "not accepted": ({"withdraw": {}}, REFUSED, "This quote is not accepted yet"),
    "expired": ({"edit": {"fields": {"expirationDate": "2020-01-01T00:00:00"}}}, REFUSED, "This quote has expired"),
    "lost": ({"edit": {"fields": {"quoteStatus": "Lost"}}}, REFUSED, "This quote can no longer be paid"),
    "newer version": ({"publish": {"is_approved": True}, "passcode": {}}, NO_LINK, "Open your quote again"),
    "unknown currency": ({"edit": {"fields": {"baseCurrency": "Doubloons"}}}, REFUSED, "can't be paid online"),
    "nothing due": ({"edit": {"fields": {"quoteTotal": 0.0}}}, REFUSED, "Nothing is due for this quote"),
    "other passcode": ({"passcode": {}}, NO_LINK, "Open your quote again"),
    "deleted": ({"delete": {}}, NO_LINK, "Open your quote again"),
}
TRIAL_SCRIPT = """
from quotes.models import CpqConnection
CpqConnection.objects.update(confirmed_at={})
"""
NUMBERED_SCRIPT = """
from quotes.models import CpqConnection
CpqConnection.objects.update(link_form="{}")
"""
TOO_MANY_SCRIPT = """
from quotes.models import CpqConnection
from wisepay import clock
from wisepay.budgets import Budget, spend
from wisepay.models import RateWindow
spend(Budget.LINKS_OF_MERCHANT, CpqConnection.objects.get().merchant_id, now=clock.now())
RateWindow.objects.filter(key__startswith="LINKS_OF_MERCHANT:").update(count={})
"""


def approve(demo: Demo, like: str = "one-time", **orders: dict[str, Any]) -> dict[str, Any]:
    """An accepted quote in CPQ, and what happens to it there afterwards."""
    made: dict[str, Any] = demo.post_control("/cpq/_control", {"approve": {"like": like}})["approve"]
    if orders:
        demo.post_control(
            "/cpq/_control", {name: {"number": made["number"], **order} for name, order in orders.items()}
        )
    return made


def follow(demo: Demo, page: Page, passcode: str, **query: object) -> None:
    """Follow the template's link of a quote; `query` is what its second form names besides."""
    named = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{demo.web}/q/{demo.merchant['reference']}?k={passcode}{named}")


def run_script(demo: Demo, script: str) -> None:
    """What no page does, in the demo's own database."""
    demo.manage("shell", "--no-imports", "-c", script)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_link_of_every_kind_of_no_is_accessible(demo: Demo, page: Page, kind: str) -> None:
    orders, heading, words = REFUSALS[kind]
    follow(demo, page, approve(demo, **orders)["passcode"])
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_text(words)).to_be_visible()
    assert_accessible(page)


def test_a_numbered_link_of_an_older_version_is_accessible(demo: Demo, page: Page) -> None:
    run_script(demo, NUMBERED_SCRIPT.format("numbered"))
    try:
        made = approve(demo, publish={"is_approved": True}, passcode={})
        follow(demo, page, made["passcode"], n=made["number"], v=1)
        expect(page.get_by_role("heading", name=REFUSED)).to_be_visible()
        expect(page.get_by_text("There is a newer version of this quote")).to_be_visible()
        assert_accessible(page)
    finally:
        run_script(demo, NUMBERED_SCRIPT.format("passcode"))


def test_the_page_of_too_many_links_is_accessible(demo: Demo, page: Page) -> None:
    run_script(demo, TOO_MANY_SCRIPT.format(10**6))
    try:
        follow(demo, page, approve(demo)["passcode"])
        expect(page.get_by_role("heading", name="Too many attempts")).to_be_visible()
        assert_accessible(page)
    finally:
        run_script(demo, TOO_MANY_SCRIPT.format(0))


def test_a_link_on_trial_and_its_test_are_accessible(demo: Demo, page: Page, console: Page) -> None:
    made, cpq = approve(demo, "deposit"), f"{console.url}configure/merchants/integrations/cpq"
    run_script(demo, TRIAL_SCRIPT.format(None))
    try:
        follow(demo, page, made["passcode"])
        expect(page.get_by_text("is still setting up online payment")).to_be_visible()
        assert_accessible(page)
        console.goto(cpq)
        console.get_by_label("Address of an accepted quote").fill("nonsense")
        console.get_by_role("button", name="Test the link").click()
        expect(console.get_by_text("No quote is found by this")).to_be_visible()
        assert_accessible(console)
        console.get_by_label("Address of an accepted quote").fill(made["page"])
        console.get_by_role("button", name="Test the link").click()
        expect(console.get_by_text("Due now, as we calculate it")).to_be_visible()
        assert_accessible(console)
        console.get_by_role("button", name="Order Porter shows A$2,491.50 too").click()
        expect(console.get_by_text("Quotes can be paid by their link now.")).to_be_visible()
    finally:
        run_script(demo, "from wisepay import clock" + TRIAL_SCRIPT.format("clock.now()"))
    console.get_by_label("Access key").fill("practice")
    console.get_by_label("Public key").fill("public0key")
    console.get_by_label("Private key").fill("wrong")
    console.get_by_role("button", name="Test and save").click()
    expect(console.get_by_role("heading", level=1)).to_be_visible()
    assert_accessible(console)


def test_what_follows_a_link_is_accessible(demo: Demo, payer: Payer) -> None:
    page, made = payer.page, approve(demo)
    follow(demo, page, made["passcode"])
    assert_accessible(page)
    payer.go_guest()
    demo.post_control("/cpq/_control", {"withdraw": {"number": made["number"]}})
    payer.pay()
    expect(page.get_by_text("This quote is not accepted yet")).to_be_visible()
    assert_accessible(page)
    demo.post_control("/cpq/_control", {"approve": {"number": made["number"]}})
    follow(demo, page, made["passcode"])
    payer.go_guest()
    payer.pay()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    assert_accessible(page)


def test_what_a_link_saves_and_what_is_on_its_way_is_accessible(demo: Demo, payer: Payer) -> None:
    page = payer.page
    follow(demo, page, approve(demo, "recurring")["passcode"])
    register(payer, "saves.by.link@ridgelinelegal.example")
    payer.type_card()
    payer.accept_terms()
    page.get_by_role("button", name="Save payment method").click()
    expect(page.get_by_role("heading", name="Payment method saved. Thank you.")).to_be_visible()
    assert_accessible(page)
    page.context.clear_cookies()
    follow(demo, page, approve(demo, "usd")["passcode"])
    register(payer, "on.its.way@lakeshorefreight.example")
    type_bank(page, GOOD_ACCOUNT)
    payer.accept_terms()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_role("heading", name="Your bank debit is on its way")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("case", ["written", "choose", "present", "waiting"])
def test_a_payment_at_psa_and_what_is_decided_about_it_are_accessible(
    demo: Demo, payer: Payer, console: Page, case: str
) -> None:
    home, made = console.url, approve(demo)
    page = payer.page
    page.goto(f"{demo.sandbox}/psa/tenants/northwind")  # what the quote leaves there
    invoices = demo.post_control("/psa/_control", {})["invoices"]
    invoice = next(row for row in reversed(invoices) if row["total"] == 1250.0)
    today = f"{datetime.now(UTC):%FT00:00:00Z}"  # the practice world's clock may be some days ahead
    orders = {
        "choose": {"down_payment": {"order": invoice["salesOrder"]["id"], "amount": 1250}},
        "present": {"pay": {"invoice": invoice["id"], "amount": 1250, "paymentDate": today}},
        "waiting": {"delete_invoice": {"invoice": invoice["id"]}},
    }
    demo.post_control("/psa/_control", orders.get(case, {}))
    follow(demo, page, made["passcode"])
    payer.go_guest()
    payer.pay()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    row = console.get_by_role("row").filter(has_text=f"Quote {made['number']} ")
    state = {"written": "written", "choose": "undecided", "present": "present", "waiting": "waiting"}[case]
    wait_until(lambda: console.goto(f"{home}psa/") and row.locator(f"[data-state={state}]").count())
    assert_accessible(console)
    row.get_by_role("link").click()
    expect(console.get_by_role("heading", name="Steps")).to_be_visible()
    assert_accessible(console)


def test_agreements_and_what_terms_mean_are_accessible(demo: Demo, console: Page) -> None:
    agreements, name = f"{console.url}psa/agreements/", "Backup of the accessible pages"
    company, term = {"id": 7100, "name": "Axe & Sons Pty Ltd"}, {"id": 1, "name": "Net 14 days"}
    row = {"name": name, "company": company, "billingTerms": term, "agreementStatus": "Active", "billAmount": 99.0}
    insert(demo, "agreements", row)
    terms = f"{console.url}configure/merchants/integrations/psa/terms"
    console.goto(agreements)
    console.get_by_role("button", name="Read them now").click()
    link = console.get_by_role("link", name=name)
    wait_until(lambda: console.goto(agreements) and link.count())
    assert_accessible(console)
    link.click()
    console.get_by_label("Payer company").fill("Nobody Pty Ltd")
    console.get_by_role("button", name="Save the company").click()
    expect(console.get_by_text("No payer company has this name")).to_be_visible()
    assert_accessible(console)
    console.get_by_role("button", name="Dismiss").click()
    expect(console.get_by_role("heading", name="Steps")).to_be_visible()
    assert_accessible(console)
    console.goto(terms)
    assert_accessible(console)


def test_sync_invoices_its_preview_and_its_reasons_are_accessible(demo: Demo, console: Page) -> None:
    home, buyer = console.url, Customer("Axe & Sons Pty Ltd", "axe@axeandsons.example")
    switch_on(console, home)
    assert_accessible(console)
    for number, fields in (("AXE-1", {}), ("AXE-2", {"credits": 10.0}), ("AXE-3", {"type": "CreditMemo"})):
        bill(demo, number, buyer, 7100, **fields)
    preview(console, home)
    expect(console.get_by_role("heading", name="Companies that are not linked yet")).to_be_visible()
    assert_accessible(console)
    console.get_by_label(buyer.name, exact=True).fill("Nobody Pty Ltd")
    console.get_by_role("button", name=f"Save the company of {buyer.name}").click()
    expect(console.get_by_text("No payer company has this name")).to_be_visible()
    assert_accessible(console)
    console.get_by_role("button", name="Drop it").click()
    expect(console.get_by_text("The preview was dropped")).to_be_visible()
    assert_accessible(console)
    console.goto(f"{home}psa/invoice-sync/")
    console.get_by_label("Invoices from").fill("1999-01-01")
    console.get_by_role("button", name="Preview").click()
    expect(console.get_by_text("Choose a day that has come")).to_be_visible()
    assert_accessible(console)


def replace_psa_keys(console: Page) -> None:
    """Enter keys of which one is wrong."""
    console.get_by_label("Public key").fill("practicePublicKey")
    console.get_by_label("Private key").fill("wrong")
    console.get_by_role("button", name="Replace the keys").click()


def test_a_psa_connection_without_a_right_is_accessible(demo: Demo, console: Page) -> None:
    console.goto(f"{console.url}configure/merchants/integrations/psa")
    demo.post_control("/psa/_control", {"withdraw": {"right": "agreements:inquire"}})
    console.get_by_role("button", name="Test", exact=True).click()
    expect(console.get_by_text("security role lacks rights")).to_be_visible()
    assert_accessible(console)
    demo.post_control("/psa/_control", {"grant": {}})
    console.get_by_role("button", name="Test", exact=True).click()
    expect(console.get_by_text("The connection works.")).to_be_visible()
    demo.age_sign_ins()
    replace_psa_keys(console)
    console.get_by_label("Password").fill(demo.merchant["password"])
    console.get_by_role("button", name="Confirm").click()
    replace_psa_keys(console)
    expect(console.get_by_text("does not accept these keys")).to_be_visible()
    assert_accessible(console)
