"""`make lighthouse`: Google's Lighthouse over a payer's pages in a demo of its own, phone size, median of runs."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median

import requests
from playwright.sync_api import sync_playwright

from sandbox.harness.browser_tests import find_chromium
from tests.browser.demo import Demo, Payer, wait_until
from tests.browser.ledgers import LEDGER_PAGES

LIGHTHOUSE = "lighthouse@12"
CATEGORIES = ("performance", "accessibility", "best-practices")
LEAST = 95
TRIES = 3  # of a run that Lighthouse itself could not finish
RUNS = int(os.environ.get("RUNS", "5"))
PAGES = re.compile(os.environ.get("PAGES", ""))  # only the addresses in which this is found
OPEN_PAGES = ("/accounts/login/", "/accounts/password/reset/")  # Lighthouse measures no page that answers 4xx
PAY_PAGES = ("", "/guest", "/register")
PAYMENT_PAGES = ("", "/paid", "/receipt")
PORTAL_PAGES = (
    "",
    "outstanding",
    "scheduled",
    "past",
    "transactions",
    "invoices/batch",
    "details",
    "data",
    "cards",
    "methods/new?kind=card",
    "methods/new?kind=bank_debit",
    "bank-accounts",
    "autopay",
    "notifications",
)
# A payer who sees all companies of the demo, signed in; answers the session's cookie.
SIGN_IN_SCRIPT = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone
from payers.models import Payer, PayerAccess, PayerCompany
from wisepay.models import User
user, _ = User.objects.get_or_create(email="lighthouse@harbourdental.example", defaults={"name": "Lighthouse"})
fresh = {"state_at": timezone.now()}
Payer.objects.get_or_create(user=user, defaults={"state": "registered", **fresh})
for company in PayerCompany.objects.all():
    given = {"state": "active", "scope": "company", "origin": "invited", **fresh}
    PayerAccess.objects.get_or_create(user=user, company=company, defaults=given)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
from django.conf import settings
print("cookie", settings.SESSION_COOKIE_NAME + "=" + session.session_key)
"""

INVOICE_SCRIPT = """
from accounting.models import LedgerInvoice
for invoice in LedgerInvoice.objects.filter(company__isnull=False, number="INV-LIGHTHOUSE", due__gt=0):
    print("invoice", invoice.reference)
"""


class RunFailed(Exception):
    """Lighthouse itself could not measure a page."""


@contextmanager
def open_demo() -> Iterator[Demo]:
    """A demo of its own, stopped in the end."""
    with tempfile.TemporaryDirectory() as home:
        demo = Demo.start(Path(home))
        try:
            yield demo
        finally:
            demo.stop()


def list_pages(demo: Demo) -> list[tuple[str, str]]:
    """The address of every page with the cookie that opens it."""
    reference, paid = accept_quote(demo), pay_quote(demo)
    said = demo.manage("shell", "--no-imports", "-c", SIGN_IN_SCRIPT)  # sees the companies of both
    cookie = re.search(r"cookie (\S+)", said)
    assert cookie
    pages = [(f"{demo.web}{path}", "") for path in OPEN_PAGES]
    pages += [(f"{demo.web}/pay/{reference}{path}", "") for path in PAY_PAGES]
    pages += [(f"{demo.web}/pay/{reference}/checkout", cookie[1]), (find_guest_receipt(demo, paid), "")]
    pages += [(f"{demo.web}/my/payments/{paid}{path}", cookie[1]) for path in PAYMENT_PAGES]
    pages += [(f"{demo.web}/my/{path}", cookie[1]) for path in PORTAL_PAGES]
    pages += [(f"{demo.web}/pay/{paid}", ""), (f"{demo.web}/my/invoices/{write_invoice(demo)}", cookie[1])]
    return [page for page in pages if PAGES.search(page[0].removeprefix(demo.web))]


def accept_quote(demo: Demo) -> str:
    """Accept a quote as its page does; answers the payment's reference."""
    order = {"terms": "on", "signature": "Lighthouse"}
    answer = requests.post(demo.create_quote()["url"], data=order, allow_redirects=False, timeout=30)
    return answer.headers["Location"].rpartition("/")[2]


def pay_quote(demo: Demo) -> str:
    """Pay a quote as a guest; answers the payment's reference."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        payer = Payer(demo, browser.new_page())
        reference = payer.pay_quote(demo.create_quote())
        payer.expect_paid()
        browser.close()
    return reference


def write_invoice(demo: Demo) -> str:
    """Write an invoice in the books and wait until it is mirrored; answers its reference."""

    def find_reference() -> str:
        said = demo.manage("shell", "--no-imports", "-c", INVOICE_SCRIPT)
        return said.removeprefix("invoice ").strip()

    LEDGER_PAGES[demo.accounting](demo).write_invoice("Harbour Dental Pty Ltd", "INV-LIGHTHOUSE", Decimal(125))
    return wait_until(find_reference, within=180)


def find_guest_receipt(demo: Demo, reference: str) -> str:
    """The address of the receipt, as the mail to the guest has it."""
    rows = wait_until(lambda: demo.mails_to("accounts@harbourdental.example", f"/pay/{reference}/receipt"))
    found = re.search(rf"{re.escape(demo.web)}/pay/{reference}/receipt\?key=[^\s\"<]+", rows[0]["text"])
    assert found
    return found[0]


def measure(url: str, cookie: str) -> dict[str, float]:
    """One run: points of each category. Raises RunFailed when Lighthouse could not finish it in three tries."""
    for _ in range(TRIES):
        found = run_lighthouse(url, cookie)
        if found is not None:
            return found
    raise RunFailed(f"Lighthouse did not finish a run of {url} in {TRIES} tries.")


def run_lighthouse(url: str, cookie: str) -> dict[str, float] | None:
    """Points of each category; None when Lighthouse itself failed, or measured only a part."""
    command = ["npx", "--yes", LIGHTHOUSE, url, "--quiet", "--output=json", "--output-path=stdout"]
    command += [f"--only-categories={','.join(CATEGORIES)}", "--chrome-flags=--headless=new --no-sandbox"]
    if cookie:
        command.append(f"--extra-headers={json.dumps({'Cookie': cookie})}")
    environment = os.environ | {"CHROME_PATH": str(find_chromium())}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    scores = {name: json.loads(done.stdout)["categories"][name]["score"] for name in CATEGORIES}
    return None if None in scores.values() else {name: 100 * score for name, score in scores.items()}


def write_line(text: str) -> None:
    """Show a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure every page, print the medians, and fail when one is below the bound."""
    below = 0
    with open_demo() as demo:
        for url, cookie in list_pages(demo):
            runs = [measure(url, cookie) for _ in range(RUNS)]
            points = {name: median(run[name] for run in runs) for name in CATEGORIES}
            below += min(points.values()) < LEAST
            line = " ".join(f"{name} {value:5.0f}" for name, value in points.items())
            write_line(f"{line} {url.removeprefix(demo.web)}")
    write_line(f"{below} pages below {LEAST}, median of {RUNS} runs")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
