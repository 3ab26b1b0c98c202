"""A pytest plugin: tests marked `browser` run when a Chromium is found, and the summary says whether they ran.

With `--accounting quickbooks` their merchant uses QuickBooks; those marked `books` are about them.

BROWSER=required makes their absence an error instead: whoever must not miss them says so. Those that share
a demo run on one worker, so that one demo is started; where nothing else runs, every worker has one.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from sandbox.harness.demo import ACCOUNTING_PACKAGES

CHROMIUM_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLAYWRIGHT_PATTERNS = (
    "chromium-*/chrome-linux*/chrome",
    "chromium_headless_shell-*/*/*headless[-_]shell",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)
NO_CHROMIUM = "no Chromium was found (install one, or name it in CHROMIUM)"

SHARED_DEMO_TESTS = "tests/browser"
ONE_WORKER_FILES = (SHARED_DEMO_TESTS, "tests/test_compose_runs.py")  # what a module of these prepares takes long


class OneDemoScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Spreads tests over the workers one by one, but groups what shares a demo, or a module's long start."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(SHARED_DEMO_TESTS) and not all(
            chosen.startswith(SHARED_DEMO_TESTS) for chosen in self.config.args
        ):
            return SHARED_DEMO_TESTS
        return path if path.startswith(ONE_WORKER_FILES) else nodeid


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses the accounting package."""
    help_text = "where the browser tests' merchant keeps its books (default: xero)"
    parser.addoption("--accounting", choices=sorted(ACCOUNTING_PACKAGES), default="xero", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of tests whose outcome stands in the accounting package."""
    config.addinivalue_line("markers", "books: the outcome stands in the books, so it is tried with each package")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneDemoScheduling:
    """Let xdist deal the tests out that way."""
    return OneDemoScheduling(config, log)


def find_chromium() -> Path | None:
    """The Chromium named by the variable CHROMIUM, else one on the PATH, else one that Playwright fetched."""
    named = os.environ.get("CHROMIUM")
    if named:
        return Path(named) if Path(named).exists() else None
    for name in CHROMIUM_COMMANDS:
        if found := shutil.which(name):
            return Path(found)
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright"
    for pattern in PLAYWRIGHT_PATTERNS:
        if fetched := sorted(Path(folder).glob(pattern)):
            return fetched[-1]
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none; raises UsageError where one is required."""
    needy = [item for item in items if item.get_closest_marker("browser")]
    if not needy or find_chromium() is not None:
        return
    if os.environ.get("BROWSER") == "required":
        raise pytest.UsageError(f"BROWSER=required, but {NO_CHROMIUM}")
    for item in needy:
        item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """End the report with what became of the browser tests."""
    counts = {
        outcome: len({report.nodeid for report in reports if "browser" in getattr(report, "keywords", {})})
        for outcome, reports in terminalreporter.stats.items()
        if outcome in ("passed", "failed", "error", "skipped")
    }
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    if find_chromium() is None:
        summary = f"not run: {NO_CHROMIUM}"
    terminalreporter.write_line(f"Browser tests: {summary or 'none among the chosen tests'}.")
