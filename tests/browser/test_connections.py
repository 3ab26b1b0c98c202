"""Accounting connections in a browser: establishing them, testing them, and changing to a new company."""

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import WIDE
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.ledgers import ALLOWED_BY, LedgerPages

pytestmark = [pytest.mark.browser, pytest.mark.books]
CONNECT = "Connect to this accounting application"
VERIFY = "Check if this token is still valid"
SEEDED_BY = "bookkeeper@example.test"  # whom the practice packages take for granted where nobody says who allows access
WITHIN = 60.0
TIERS = ("Wise-Pay", "Company", "Service")


@pytest.fixture
def screen(demo: Demo, console: Page, ledger_pages: LedgerPages) -> Iterator[Page]:
    """Configure > Accounting Connections, as it is found and left: one connection, to the Australian company."""
    console.get_by_role("navigation", name="Main").get_by_role("link", name="Accounting Connections").click()
    expect(console.get_by_role("heading", level=1)).to_have_text("Accounting Connections")
    yield console
    demo.manage("disable_multi_connection", demo.merchant["reference"])
    console.goto(f"{demo.web}/m/{demo.merchant['reference']}/configure/accounting-connections/")
    if ledger_pages.au.name not in row(console, "Wise-Pay").inner_text() or not is_connected(console, "Wise-Pay"):
        start_over(demo, console, ledger_pages)


def start_over(demo: Demo, page: Page, ledger_pages: LedgerPages) -> None:
    """Disconnect everything, connect the Australian company and choose its accounts."""
    if page.get_by_title("Disconnect").count():
        page.get_by_role("link", name="Change company").click()
        page.get_by_role("button", name="Disconnect all").click()
    else:
        page.goto(page.url + "change-company")
    ledger_pages.connect(page, ledger_pages.au)
    ledger_pages.choose_accounts(page, ledger_pages.au)


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


def test_a_connection_that_broke_is_established_again(
    demo: Demo, screen: Page, payer: Payer, ledger_pages: LedgerPages
) -> None:
    ledger_pages.disconnect()
    if not ledger_pages.is_asked_often:
        payer.pay_quote(demo.create_quote())
        payer.expect_paid()
    # Nobody touches the page: the check in the background (or work that is refused) and the page's own asking show it.
    expect(row(screen, "Wise-Pay").locator("[data-state=broken]")).to_be_visible(timeout=1000 * WITHIN)
    expect(screen.get_by_text(ledger_pages.when_disconnected)).to_be_visible()
    judge(screen)
    screen.get_by_role("navigation", name="Main").get_by_role("link", name="Dashboard").click()
    notice = screen.locator("#connections-notice")
    expect(notice).to_contain_text("1 connection to your accounting package is broken")
    notice.get_by_role("link", name="Manage Connections").click()
    expect(row(screen, "Wise-Pay").get_by_title(CONNECT)).to_be_visible()
    ledger_pages.connect(screen, ledger_pages.au)
    assert is_connected(screen, "Wise-Pay")
    expect(screen.get_by_text("Wise-Pay: Broken").first).to_be_visible()
    screen.goto(f"{demo.web}/m/{demo.merchant['reference']}/")
    expect(screen.locator("#connections-notice [role=status]")).to_have_count(0)
    assert demo.mails_to(demo.merchant["email"], ledger_pages.when_disconnected)


def test_a_token_is_tested_with_the_question_mark(demo: Demo, screen: Page, ledger_pages: LedgerPages) -> None:
    if not is_connected(screen, "Wise-Pay"):
        start_over(demo, screen, ledger_pages)
        screen.goto(f"{demo.web}/m/{demo.merchant['reference']}/configure/accounting-connections/")
    row(screen, "Wise-Pay").get_by_title(VERIFY).click()
    expect(screen.get_by_text("The connection works.")).to_be_visible()
    tested = row(screen, "Wise-Pay").locator("[data-test=passed]")
    expect(tested.locator(".icon-tick")).to_be_visible()
    for person in (ALLOWED_BY, SEEDED_BY):
        ledger_pages.revoke(person)
    wait_until(lambda: is_refused(screen))
    expect(row(screen, "Wise-Pay").locator("[data-test=failed] .icon-cross")).to_be_visible()
    expect(row(screen, "Wise-Pay").locator("[data-state=broken]")).to_be_visible()
    expect(screen.get_by_text(f"took Wise-Pay's access to {ledger_pages.label} back")).to_be_visible()
    ledger_pages.connect(screen, ledger_pages.au)


def is_refused(page: Page) -> bool:
    """Whether a test by keyboard fails; an answer to work a moment ago would spare the call."""
    button = row(page, "Wise-Pay").get_by_title(VERIFY)
    button.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("The connection works|no longer valid"))).to_be_visible()
    return row(page, "Wise-Pay").locator("[data-test=failed]").count() == 1


def test_three_connections_are_established_and_then_a_new_company(
    demo: Demo, screen: Page, ledger_pages: LedgerPages
) -> None:
    output = demo.manage("enable_multi_connection", demo.merchant["reference"])
    assert "three connections" in output or "had three" in output
    screen.reload()
    for tier in TIERS[1:]:
        ledger_pages.connect(screen, ledger_pages.au, tier=tier)
    assert [is_connected(screen, tier) for tier in TIERS] == [True, True, True]
    limits = screen.get_by_role("table", name="Limits and waiting work")
    expect(limits.get_by_role("row")).to_have_count(4)
    judge(screen)
    if path := os.environ.get("CONNECTIONS_PICTURE"):
        screen.screenshot(path=path)
    change_company(screen, ledger_pages)


def change_company(page: Page, ledger_pages: LedgerPages) -> None:
    """From the Australian company to the one in New Zealand, as the page leads."""
    page.get_by_role("link", name="Change company").click()
    judge(page)
    page.get_by_role("button", name="Disconnect all").click()
    expect(page.get_by_text("Nothing is connected any more.")).to_be_visible()
    judge(page)
    guide = page.url
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Accounting Connections").click()
    judge(page)
    page.goto(guide)
    step = page.get_by_role("region", name="2. Connect the new company")
    for number, tier in enumerate(TIERS[:-1], start=1):
        ledger_pages.connect(page, ledger_pages.nz, tier=tier)
        expect(step.get_by_text(f"Connected to {ledger_pages.nz.name}")).to_have_count(number)
    judge(page)
    ledger_pages.connect(page, ledger_pages.nz, tier=TIERS[-1])
    for tier in TIERS:
        expect(row(page, tier)).to_contain_text(ledger_pages.nz.name)
    ledger_pages.choose_accounts(page, ledger_pages.nz)
