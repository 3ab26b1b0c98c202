"""The portal's lists on a phone: nothing moves while they load, and focus and address follow what they show."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo import Demo, Payer
from tests.lighthouse import SIGN_IN_SCRIPT

pytestmark = pytest.mark.browser
MANY_SCRIPT = """
from datetime import timedelta
from django.utils import timezone
from payments.models import Payment
from payers.models import PayerCompany
company, now = PayerCompany.objects.first(), timezone.now()
for number in range(30):
    Payment.objects.create(merchant=company.merchant, company=company, currency="AUD", amount=62500 + number,
        purpose=f"Work no {number}", details={"reference": f"W{number}", "title": f"Work {number}", "rows": []},
        methods=["card"], done_path="/my/", expires_at=now + timedelta(days=20), state="open", state_at=now)
"""
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifted += one.value; })
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def portal(demo: Demo, opened: Callable[..., Page]) -> Page:
    """A phone on which a payer of many outstanding quotes is signed in."""
    page = opened()
    page.set_viewport_size({"width": 390, "height": 844})
    Payer(demo, page).accept(demo.create_quote())  # its company is there from then on
    signed = re.search(
        r"cookie ([^=]+)=(\S+)", demo.manage("shell", "--no-imports", "-c", MANY_SCRIPT + SIGN_IN_SCRIPT)
    )
    assert signed
    page.context.add_cookies([{"name": signed[1], "value": signed[2], "url": demo.web}])
    page.add_init_script(SHIFTS)
    return page


def test_nothing_moves_on_home_and_paging_changes_the_address(demo: Demo, portal: Page) -> None:
    portal.goto(f"{demo.web}/my/")
    expect(portal.locator("#past-title")).to_be_visible()
    expect(portal.locator(".lazy")).to_have_count(0)
    assert portal.evaluate("window.shifted") < 0.05
    portal.locator("#outstanding-refresh").click()
    expect(portal.locator("#outstanding-refresh")).to_be_focused()
    portal.locator("#outstanding").get_by_role("link", name="Next").click()
    expect(portal.locator("#outstanding").get_by_text("Page 2")).to_be_visible()
    expect(portal.locator("#outstanding-title")).to_be_focused()
    assert "page=2" in portal.url
    portal.go_back()
    expect(portal.get_by_role("heading", name="Your payments")).to_be_visible()
    assert portal.url == f"{demo.web}/my/"


def test_after_an_error_of_the_server_the_focus_stands_at_it(demo: Demo, page: Page) -> None:
    page.goto(f"{demo.web}/accounts/login/")
    page.get_by_label("Email").fill("nobody@nowhere.example")
    page.get_by_label("Password").fill("wrong wrong wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".errorlist")).to_be_focused()
