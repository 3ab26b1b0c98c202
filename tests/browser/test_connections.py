"""Accounting connections in a browser: establishing them, testing them, and changing to a new company."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import WIDE
from tests.browser.stage import ROOT, Demo, eventually
from tests.browser.test_accessibility import assert_accessible

pytestmark = pytest.mark.browser
CONNECT = "Connect to this accounting application"
VERIFY = "Check if this token is still valid"
ALLOWED_BY = "books@northwind-it.example"
SEEDED_BY = "bookkeeper@example.test"  # whom the practice Xero takes for granted where nobody says who allows access
WITHIN = 60.0
TIERS = ("Wise-Pay", "Company", "Service")


def manage(demo: Demo, *words: str) -> str:
    """An operator's command beside the running demo; answers what it said."""
    children = psutil.Process(demo.process.pid).children(recursive=True)
    [web] = [c.environ() for c in children if "gunicorn" in c.cmdline() and c.ppid() == demo.process.pid]
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=web, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def screen(demo: Demo, console: Page) -> Iterator[Page]:
    """Configure > Accounting Connections, as it is found and left: one connection, to the Australian company."""
    console.get_by_role("navigation", name="Main").get_by_role("link", name="Accounting Connections").click()
    expect(console.get_by_role("heading", level=1)).to_have_text("Accounting Connections")
    yield console
    manage(demo, "disable_multi_connection", demo.merchant["reference"])
    console.goto(f"{demo.web}/m/{demo.merchant['reference']}/configure/accounting-connections/")
    if "Harbour IT Practice" not in row(console, "Wise-Pay").inner_text() or not is_connected(console, "Wise-Pay"):
        start_over(demo, console)


def start_over(demo: Demo, page: Page) -> None:
    """Disconnect everything, connect the Australian company and choose its accounts."""
    if page.get_by_title("Disconnect").count():
        page.get_by_role("link", name="Change company").click()
        page.get_by_role("button", name="Disconnect all").click()
    else:
        page.goto(page.url + "change-company")
    connect(demo, page, "Connect to Xero", "Harbour IT Practice (AU)")
    choose_accounts(demo, page, "BASEXCLUDED")


def row(page: Page, tier: str) -> Locator:
    """A connection's row."""
    rows = page.get_by_role("table", name="Connections to accounting packages").get_by_role("row")
    return rows.filter(has=page.get_by_role("rowheader", name=tier, exact=True))


def judge(page: Page) -> None:
    """The page is accessible in every look; then it is wide and light again."""
    assert_accessible(page)
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")


def is_connected(page: Page, tier: str) -> bool:
    """Whether its row says so."""
    return row(page, tier).locator("[data-state=connected]").count() == 1


def connect(demo: Demo, page: Page, button: str, company: str) -> None:
    """Through the consent page: sign in there, choose the company, allow access."""
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url(f"{demo.sandbox}/xero/identity/**")
    page.get_by_label("E-mail address").fill(ALLOWED_BY)
    page.get_by_label(company).check()
    page.get_by_role("button", name="Allow access").click()
    expect(page.get_by_text(f"Connected to {company}.")).to_be_visible()


def choose_accounts(demo: Demo, page: Page, code: str) -> None:
    """Choose accounts and tax code from the lists of the company that is connected now."""
    address = f"{demo.web}/m/{demo.merchant['reference']}/configure/merchants/accounts"

    def lists_are_read() -> bool:
        page.goto(address)
        return page.locator(f"option[value='{code}']").count() > 0

    eventually(lists_are_read)
    page.get_by_label("Account for Clearing Payments").select_option("615")
    page.get_by_label("Account for Prepayments").select_option("815")
    page.get_by_label("Overpayment Tax Code").select_option(code)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Accounts saved.")).to_be_visible()


def test_a_connection_that_broke_is_established_again(demo: Demo, screen: Page) -> None:
    demo.steer("/xero/_control", {"disconnect": "*"})
    # Nobody touches the page: the check in the background and the page's own asking show it.
    expect(row(screen, "Wise-Pay").locator("[data-state=broken]")).to_be_visible(timeout=1000 * WITHIN)
    expect(screen.get_by_text("was disconnected from Wise-Pay inside Xero")).to_be_visible()
    judge(screen)
    screen.get_by_role("navigation", name="Main").get_by_role("link", name="Dashboard").click()
    notice = screen.locator("#connections-notice")
    expect(notice).to_contain_text("1 connection to your accounting package is broken")
    notice.get_by_role("link", name="Manage Connections").click()
    expect(row(screen, "Wise-Pay").get_by_title(CONNECT)).to_be_visible()
    connect(demo, screen, "Connect to Xero", "Harbour IT Practice (AU)")
    assert is_connected(screen, "Wise-Pay")
    expect(screen.get_by_text("Wise-Pay: Broken").first).to_be_visible()
    screen.goto(f"{demo.web}/m/{demo.merchant['reference']}/")
    expect(screen.locator("#connections-notice [role=status]")).to_have_count(0)
    assert demo.mails_to(demo.merchant["email"], "was disconnected from Wise-Pay inside Xero")


def test_a_token_is_tested_with_the_question_mark(demo: Demo, screen: Page) -> None:
    if not is_connected(screen, "Wise-Pay"):
        start_over(demo, screen)
        screen.goto(f"{demo.web}/m/{demo.merchant['reference']}/configure/accounting-connections/")
    row(screen, "Wise-Pay").get_by_title(VERIFY).click()
    expect(screen.get_by_text("The connection works.")).to_be_visible()
    tested = row(screen, "Wise-Pay").locator("[data-test=passed]")
    expect(tested.locator(".icon-tick")).to_be_visible()
    for person in (ALLOWED_BY, SEEDED_BY):
        demo.steer("/xero/_control", {"revoke": person})
    button = row(screen, "Wise-Pay").get_by_title(VERIFY)
    button.focus()
    screen.keyboard.press("Enter")
    expect(row(screen, "Wise-Pay").locator("[data-test=failed] .icon-cross")).to_be_visible()
    expect(row(screen, "Wise-Pay").locator("[data-state=broken]")).to_be_visible()
    expect(screen.get_by_text("took Wise-Pay's access to Xero back")).to_be_visible()
    connect(demo, screen, "Connect to Xero", "Harbour IT Practice (AU)")


def test_three_connections_are_established_and_then_a_new_company(demo: Demo, screen: Page) -> None:
    said = manage(demo, "enable_multi_connection", demo.merchant["reference"])
    assert "three connections" in said or "had three" in said
    screen.reload()
    for tier in TIERS[1:]:
        connect(demo, screen, f"Connect to Xero for {tier}", "Harbour IT Practice (AU)")
    assert [is_connected(screen, tier) for tier in TIERS] == [True, True, True]
    limits = screen.get_by_role("table", name="Limits and waiting work")
    expect(limits.get_by_role("row")).to_have_count(4)
    judge(screen)
    if kept := os.environ.get("CONNECTIONS_PICTURE"):
        screen.screenshot(path=kept)
    change_company(demo, screen)


def change_company(demo: Demo, page: Page) -> None:
    """From the Australian company to the one in New Zealand, as the page leads."""
    page.get_by_role("link", name="Change company").click()
    judge(page)
    page.get_by_role("button", name="Disconnect all").click()
    expect(page.get_by_text("Nothing is connected any more.")).to_be_visible()
    judge(page)
    for tier in TIERS:
        connect(demo, page, f"Connect to Xero for {tier}", "Kauri Networks Practice (NZ)")
        expect(row(page, tier)).to_contain_text("Kauri Networks Practice (NZ)")
    choose_accounts(demo, page, "NONE")
