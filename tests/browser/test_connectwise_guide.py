"""docs/connectwise.md, followed from no keys to a paid quote as it says; `PICTURES=1` takes its pictures again."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.demo import Demo, Payer, wait_until

pytestmark = pytest.mark.browser
AIR = 16  # pixels
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
KEYS = {"Access key": "practice", "Public key": "public0key", "Private key": "private0key"}


def take_picture(page: Page, name: str, part: Locator | None = None) -> None:
    """Save the page, or a part of it with some air around, as a picture of the guide, where PICTURES asks for it."""
    if not os.environ.get("PICTURES"):
        return
    page.evaluate("scrollTo(0, 0)")
    clip = None
    if part is not None and (box := part.bounding_box()):
        sides = box["width"] + 2 * AIR, box["height"] + 2 * AIR
        clip = FloatRect(x=box["x"] - AIR, y=box["y"] - AIR, width=sides[0], height=sides[1])
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, clip=clip, full_page=clip is not None, animations="disabled")


def section(page: Page, heading: str) -> Locator:
    """The part of a settings page below this heading."""
    return page.locator("section.settings", has=page.get_by_role("heading", name=heading, exact=True))


def disconnect(console: Page) -> None:
    """Press Disconnect, and once more where it asks."""
    console.get_by_role("button", name="Disconnect").click()
    console.get_by_role("dialog").get_by_role("button", name="Disconnect").click()


@pytest.fixture
def cpq(demo: Demo, console: Page) -> Page:
    """The page of ConnectWise CPQ, reached as the guide says, and nothing connected."""
    main = console.get_by_role("navigation", name="Main")
    main.get_by_role("link", name="Merchants").click()
    console.get_by_role("link", name=re.compile("Edit this account Merchant")).first.click()
    console.get_by_role("link", name="Integrations").click()
    console.get_by_role("link", name="Keys and link").click()
    disconnect(console)
    expect(console.get_by_text("The keys are deleted")).to_be_visible()
    return console


def test_the_guide_leads_from_no_keys_to_a_paid_quote(demo: Demo, payer: Payer, cpq: Page) -> None:
    try:
        save_keys(cpq)
        paste_template(demo, cpq, payer.page)
        number = accept_quote(demo, payer.page)
        end_trial(cpq, payer.page.url)
    except BaseException:
        demo.manage("seed_psa")  # connects what this walk disconnected
        raise
    pay(demo, payer)
    look_at_the_merchants_side(demo, cpq, number)
    assert [row["status"] for row in demo.newest_intents() if f"Quote {number} " in row["description"]] == ["succeeded"]


def save_keys(cpq: Page) -> None:
    """Step 2."""
    for label, key in KEYS.items():
        cpq.get_by_label(label).fill(key)
    cpq.get_by_role("button", name="Test and save").click()
    expect(cpq.get_by_text("Keys tested and saved.")).to_be_visible()
    take_picture(cpq, "cpq-keys", section(cpq, "Keys of ConnectWise CPQ"))


def paste_template(demo: Demo, cpq: Page, page: Page) -> None:
    """Step 3: the line into the template, and Order Porter's page into the settings."""
    snippet = cpq.get_by_label("For the template").input_value()
    cpq.get_by_label("Order Porter's page").fill(f"{demo.sandbox}/orderporter/online.order")
    section(cpq, "The link in your template").get_by_role("button", name="Save").click()
    expect(cpq.get_by_text("Saved.")).to_be_visible()
    take_picture(cpq, "cpq-link", section(cpq, "The link in your template"))
    page.goto(f"{demo.sandbox}/orderporter/")
    page.get_by_label("The merchant's part of the Order Porter template").fill(snippet)
    page.get_by_role("button", name="Save settings").click()


def accept_quote(demo: Demo, page: Page) -> str:
    """Step 4: a fresh quote, accepted on its public page; answers its number."""
    page.get_by_label("After").select_option("deposit")
    page.get_by_role("button", name="Make a quote").click()
    page.get_by_role("link", name="Public page").click()
    page.get_by_label("I accept the terms of this quote").check()
    page.get_by_label("Type your name to sign").fill("Accounts Payable")
    page.get_by_role("button", name="Accept only").click()
    expect(page.get_by_role("link", name="Pay this quote")).to_be_visible()
    found = re.search(r"Quote (\d+)", page.get_by_role("main").inner_text())
    assert found
    return found[1]


def end_trial(cpq: Page, address: str) -> None:
    """Step 5: test the link with the address of the public page, and confirm the amount."""
    cpq.get_by_label("Address of an accepted quote").fill(address)
    cpq.get_by_role("button", name="Test the link").click()
    expect(cpq.get_by_text("Due now, as we calculate it")).to_be_visible()
    take_picture(cpq, "cpq-test", section(cpq, "Test the link"))
    cpq.get_by_role("button", name="Order Porter shows A$2,491.50 too").click()
    expect(cpq.get_by_text("Quotes can be paid by their link now.")).to_be_visible()


def pay(demo: Demo, payer: Payer) -> None:
    """Step 6."""
    page = payer.page
    page.get_by_role("link", name="Pay this quote").click()
    payer.go_guest()
    page.get_by_role("radio", name=re.compile("Due now")).check()
    payer.type_card()
    take_picture(page, "pay-by-link")
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_role("heading", name="Paid. Thank you.")).to_be_visible()
    expect(page.get_by_role("link", name="Receipt")).to_be_visible()
    page.get_by_role("link", name="Back to the quote", exact=True).click()
    page.wait_for_url(f"{demo.sandbox}/orderporter/online.order**")


def look_at_the_merchants_side(demo: Demo, console: Page, number: str) -> None:
    """Step 7: the quote's way on its payment's page, the connection of PSA, and PSA's invoice."""
    home = f"{demo.web}/m/{demo.merchant['reference']}/"
    console.goto(f"{home}quotes/")
    console.get_by_role("link", name=number, exact=True).click()
    address, timeline = console.url, console.locator("#quote-timeline")

    def is_written() -> bool:
        console.goto(address)
        timeline.locator(".timeline-step").first.wait_for()
        return "stands on invoice" in timeline.inner_text() and "PF_CR" in timeline.inner_text()

    wait_until(is_written)
    take_picture(console, "quote-timeline", timeline)
    timeline.get_by_role("link", name="Details").click()
    expect(console.get_by_role("heading", name="What ConnectWise PSA answered")).to_be_visible()
    take_picture(console, "psa-payment")
    console.goto(f"{home}configure/merchants/integrations/psa")
    take_picture(console, "psa-rights", section(console, "Northwind IT"))
    take_picture(console, "psa-payments", section(console, "Payments"))
    console.goto(f"{demo.sandbox}/psa/tenants/northwind")
    expect(console.get_by_role("row").filter(has_text="2491.50 on ").first).to_be_visible()


PSA_KEYS = {
    "Site": "psa.practice.example",
    "Company": "northwind",
    "Public key": "practicePublicKey",
    "Private key": "practicePrivateKey",
}


def test_the_guide_connects_psa(demo: Demo, console: Page) -> None:
    """What docs/connectwise-psa.md says of the practice world."""
    text = (PICTURES.parent / "connectwise-psa.md").read_text()
    assert [key for key in PSA_KEYS.values() if f"`{key}`" not in text] == []
    console.goto(f"{console.url}configure/merchants/integrations/psa")
    try:
        disconnect(console)
        expect(console.get_by_text("Disconnected. Payments go on")).to_be_visible()
        for label, key in PSA_KEYS.items():
            console.get_by_label(label, exact=True).fill(key)
        console.get_by_role("button", name="Connect", exact=True).click()
        expect(console.get_by_text("Connected to Northwind IT.")).to_be_visible()
        console.get_by_label("Payments to ConnectWise PSA are written by").select_option("Wise-Pay")
        section(console, "Payments").get_by_role("button", name="Save").click()
        expect(console.get_by_text("It counts for payments from now on")).to_be_visible()
    except BaseException:
        demo.manage("seed_psa")  # connects what this walk disconnected
        raise
