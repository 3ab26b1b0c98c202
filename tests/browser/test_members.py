"""Configure › People in a browser: an administrator invites two people, and each can do exactly what their role may."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import WIDE
from tests.browser.demo import Demo, wait_until

pytestmark = pytest.mark.browser
PASSWORD = "six ledgers under one lamp"
# So long that it does not fit on a phone in one line.
LONG = "a.very.long.address.of.somebody@accounting.northwind-it.example"
# What stands in the menu of each, and what does not.
MENUS = {
    "Bookkeeper": ({"Payments", "Reconciliation"}, {"Merchants", "People", "Audit log"}),
    "Read-only": ({"Payments", "Quotes"}, {"Reconciliation", "Merchants", "People"}),
}


def invite(console: Page, role: str, email: str) -> None:
    """Fill in the form of the invitation."""
    console.get_by_role("navigation", name="Main").get_by_role("link", name="People").click()
    console.get_by_label("E-mail address").fill(email)
    console.locator("form[action$='/invite']").get_by_label("Role").select_option(label=role)
    console.get_by_role("button", name="Send invitation").click()
    expect(console.get_by_role("status").filter(has_text="is invited as")).to_be_visible()


def join(demo: Demo, page: Page, email: str) -> None:
    """Follow the mail, choose a name and a password."""
    [mail] = wait_until(partial(demo.mails_to, email, "/join/"))
    link = re.search(rf"{demo.web}/join/\S+", mail["text"])
    assert link
    page.goto(link[0])
    page.get_by_label("Your name").fill("Robin Roles")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")


def judge(page: Page) -> None:
    """The page is accessible in every look; then it is wide and light again."""
    assert_accessible(page)
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")


def test_an_administrator_invites_a_bookkeeper_and_a_reader_who_can_do_their_rights(
    demo: Demo, console: Page, opened: Callable[..., Page]
) -> None:
    """Stripe's and Xero's teams work so: docs.stripe.com/get-started/account/teams/roles."""
    home = console.url
    for role, (shown, hidden) in MENUS.items():
        email = f"{role.lower()}@northwind-it.example"
        invite(console, role, email)
        page = opened()
        join(demo, page, email)
        menu = page.get_by_role("navigation", name="Main")
        for name in shown:
            expect(menu.get_by_role("link", name=name, exact=True)).to_be_visible()
        for name in hidden:
            expect(menu.get_by_role("link", name=name, exact=True)).to_have_count(0)
        page.goto(f"{home}reconciliation/")
        refused = page.get_by_role("heading", name="You can't do this")
        expect(refused).to_have_count(0 if role == "Bookkeeper" else 1)
        page.goto(f"{home}configure/people/")
        expect(page.locator("main")).to_contain_text("it needs the right People")
    invite(console, "Read-only", LONG)
    expect(console.locator("main")).to_contain_text("read-only@northwind-it.example")
    judge(console)
    console.get_by_role("link", name="Roles", exact=True).first.click()
    judge(console)
