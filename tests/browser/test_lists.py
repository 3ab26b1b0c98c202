"""The list of payments in a browser: filters that stay in the address, a saved view, keys, files, and how it looks."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.demo import Demo, Payer

pytestmark = pytest.mark.browser


def test_a_bookkeeper_finds_saves_and_takes_payments_with_the_keyboard_alone(
    demo: Demo, payer: Payer, console: Page
) -> None:
    """Stripe's dashboard (docs.stripe.com/dashboard/search) is what people are used to: / searches, Enter opens."""
    references = [payer.accept(demo.create_quote("deposit")) for _ in range(2)]
    path = f"{console.url}payments/"
    search(console, path)
    console.set_viewport_size({"width": 1280, "height": 860})
    filter_open(console, references)
    save_view(console, path)
    for name in ("CSV", "Excel"):
        with console.expect_download() as download:
            console.get_by_role("link", name=name, exact=True).click()
        assert re.fullmatch(r"payments\.(csv|xlsx)", download.value.suggested_filename)
    console.locator("[data-list] tbody a").first.focus()
    console.keyboard.press("ArrowDown")
    console.keyboard.press("Enter")
    expect(console.get_by_role("heading", name="Attempts")).to_be_visible()


def search(console: Page, path: str) -> None:
    """Look for something with keys alone, and look at the page with its filters open."""
    console.goto(path)
    console.keyboard.press("/")
    expect(console.get_by_role("searchbox")).to_be_focused()
    console.keyboard.type("quote")
    console.keyboard.press("Enter")
    console.wait_for_url(re.compile(r"payments/\?q=quote$"))
    for key in "jjk":
        console.keyboard.press(key)
    expect(console.locator("[data-list] tbody tr").first.locator("a").first).to_be_focused()
    expect(console.get_by_label("Totals of this list")).to_contain_text("Payments")
    console.get_by_text("Filters, order and columns").click()
    assert_accessible(console)


def filter_open(console: Page, references: list[str]) -> None:
    """Choose a state and a column; the address has no more than that."""
    console.get_by_role("combobox", name="State", exact=True).select_option("open")
    console.get_by_label("Reference", exact=True).check()
    console.get_by_role("button", name="Show", exact=True).click()
    console.wait_for_url(re.compile(r"standing=open"))
    assert "since=" not in console.url
    for reference in references:
        expect(console.get_by_role("cell", name=reference, exact=True)).to_be_visible()


def save_view(console: Page, path: str) -> None:
    """Save it under a name, and come back by the name."""
    console.locator("summary", has_text="Views").click()
    console.get_by_label("Save this view as").fill("Open quotes")
    console.keyboard.press("Enter")
    expect(console.get_by_text("Saved. Only you see your views.")).to_be_visible()
    console.goto(path)
    console.get_by_role("link", name="Open quotes").click()
    console.wait_for_url(re.compile(r"q=quote&standing=open"))
