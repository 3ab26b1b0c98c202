"""What the browser tests share: one demo, Chromium, pages that must not complain, a signed-in console."""

import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, StorageState, expect, sync_playwright

from sandbox.harness.browser_tests import find_chromium
from tests.browser.demo import Demo, Payer
from tests.browser.ledgers import LEDGER_PAGES, LedgerPages

PATIENCE = 30_000  # milliseconds; a busy machine needs some
WIDE = {"width": 1280, "height": 860}
AROUND = re.compile(r"(Aria snapshot:\n).*?(?=^E?\W*main:)", re.DOTALL | re.MULTILINE)
# Chromium reports every answer that is not 2xx, and what a test blocks; the product means these.
# What htmx writes of a request that a newer click on the same widget replaced; one that failed is "htmx:sendError".
REPLACED = ("htmx:afterRequest", "htmx:sendAbort")
MEANT = (
    *(f"status of {code}" for code in (400, 402, 403, 404, 409, 410, 422, 429)),
    "ERR_BLOCKED_BY_CLIENT",
    *REPLACED,
)
expect.set_options(timeout=PATIENCE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the pages show, without their surroundings, and the end of the demo's output."""
    report = yield
    given = getattr(item, "funcargs", {})
    running = given.get("demo")
    if report.failed and running is not None:
        report.sections += [(f"page of {name}", text) for name, text in read_pages(given)]
        report.longrepr = AROUND.sub(r"\1", str(report.longrepr))
        report.sections += [(f"end of {name}", text) for name, text in running.get_diagnostics()]
    return report


def read_pages(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The address and the text of the pages that a test has open, as far as they answer."""
    for name, thing in given.items():
        page = getattr(thing, "page", thing)
        if isinstance(page, Page):
            with suppress(Error):
                yield name, f"{page.url}\n{page.locator('main').first.inner_text(timeout=2_000)[:2_000]}"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Demo]:
    """One demo for all tests, with the accounting package that `--accounting` names.

    With JOURNAL set, the exchanges with the sandbox's vendors are added to that file.
    """
    running = Demo.start(tmp_path_factory.mktemp("demo"), pytestconfig.getoption("--accounting", "xero"))
    yield running
    if path := os.environ.get("JOURNAL"):
        running.save_journal(Path(path))
    running.stop()


@pytest.fixture(scope="session")
def ledger_pages(demo: Demo) -> LedgerPages:
    """The pages of the demo's accounting package."""
    return LEDGER_PAGES[demo.accounting](demo)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for a module: while Playwright runs, this thread cannot use Django's database."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`opened()` makes a page in a context of its own; in the end no page may have had an error."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(state: StorageState | None = None) -> Page:
        context = chromium.new_context(viewport=WIDE, storage_state=state)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        context.on("weberror", lambda found: problems.append(str(found.error)))
        context.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in problems if not any(meant in text for meant in MEANT)] == []


@pytest.fixture
def page(opened: Callable[..., Page]) -> Page:
    """A browser in which nobody is signed in."""
    return opened()


@pytest.fixture
def payer(demo: Demo, page: Page) -> Payer:
    return Payer(demo, page)


@pytest.fixture(scope="session")
def signed_in(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cookies of the merchant's admin are kept once somebody signed in."""
    return tmp_path_factory.mktemp("cookies") / "admin.json"


@pytest.fixture
def console(demo: Demo, opened: Callable[..., Page], signed_in: Path) -> Page:
    """The merchant's dashboard, its admin signed in."""
    if signed_in.exists():
        page = opened(signed_in)
        page.goto(demo.web)
    else:
        page = opened()
        sign_in(demo, page)
        page.context.storage_state(path=signed_in)
    page.wait_for_url(f"{demo.web}/m/*/")
    return page


def sign_in(demo: Demo, page: Page) -> None:
    """Through the sign-in page, with the code from the mailbox, past the offer of an app."""
    page.goto(demo.web)
    give_password(demo, page)
    page.wait_for_url("**/accounts/login/code/confirm/")
    page.get_by_label("Code").fill(demo.get_mailed_code(demo.merchant["email"]))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(re.compile(r"/2fa/offer/|/m/"))
    if "/2fa/offer/" in page.url:
        page.get_by_role("link", name="Continue", exact=True).click()


def give_password(demo: Demo, page: Page) -> None:
    """Fill in the sign-in page and send it."""
    page.get_by_label("Email").fill(demo.merchant["email"])
    page.get_by_label("Password").fill(demo.merchant["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
