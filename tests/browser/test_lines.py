"""Lines of a quote: open beside the amount on a wide page, folded on a phone's, and on the receipt."""

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible
from tests.browser.demo import Demo, Payer

pytestmark = pytest.mark.browser
LINE = "Configuration and cut-over out of hours"


def test_lines_are_open_on_a_wide_page_and_folded_on_a_phones(demo: Demo, payer: Payer) -> None:
    quote, page = demo.create_quote("deposit", contract="1.1"), payer.page
    payer.accept(quote)
    page.wait_for_url(f"{demo.web}/pay/*")
    page.set_viewport_size({"width": 1280, "height": 860})
    expect(page.get_by_text(LINE)).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 860})
    expect(page.get_by_text(LINE)).to_be_hidden()
    page.locator("summary", has_text="What it is for").click()
    expect(page.get_by_text(LINE)).to_be_visible()
    assert_accessible(page)
    page.set_viewport_size({"width": 1280, "height": 860})
    payer.go_guest()
    payer.pay()
    page.wait_for_url(f"{demo.sandbox}/orderporter/**")
