"""The stage of the browser tests: a running demo, the payer's steps on it, and looks behind the curtain."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import requests
from playwright.sync_api import FrameLocator, Page, expect

from sandbox.harness.processes import find_free_port, read_last_lines
from sandbox.orderporter.catalogue import CUSTOMERS

ROOT = Path(__file__).resolve().parents[2]
STRIPE_KEY = "sk_test_northwind0demo"
CARD_FRAME = "iframe[title='Secure payment input frame']"
SECURE_FRAME = "iframe[title='3D Secure']"
GOOD_CARD, ASKING_CARD, POOR_CARD = "4242424242424242", "4000002760003184", "4000000000009995"
PATIENCE, PAUSE, LONGEST_PAUSE = 300.0, 0.1, 2.0
# All tests are one network, one merchant and one admin: what one of them uses up is not what another one tries.
SHARED_LIMITS = (
    "DECLINES_PER_NETWORK_HOUR",
    "DECLINES_PER_MERCHANT_HOUR",
    "MAILS_PER_NETWORK_HOUR",
    "MAILS_PER_ADDRESS_HOUR",
    "SIGN_IN_FAILURES_PER_NETWORK_HOUR",
    "QUOTE_LINKS_PER_NETWORK_MINUTE",
    "QUOTE_LINKS_PER_MERCHANT_MINUTE",
    "VENDOR_CALLS_PER_NETWORK_MINUTE",
    "PAYNOW_LINKS_PER_NETWORK_MINUTE",
    "INVOICE_GUESSES_PER_NETWORK_HOUR",
    "INVOICE_GUESSES_PER_MERCHANT_HOUR",
    "INVOICE_READINGS_PER_MINUTE",
)
# Celery and the ledger need a moment; a slow machine needs some more.
SOON = 30.0
WIDE_LIMITS = {
    "xero_limits": {"minute": 10_000, "day": 100_000},
    "intuit_limits": {"second": 10_000, "minute": 100_000, "batch": 10_000},
}
AGE_SESSIONS_SCRIPT = """
from django.contrib.sessions.models import Session
for row in Session.objects.all():
    held = row.get_decoded()
    for how in held.get("account_authentication_methods", []):
        how["at"] -= 3600
    row.session_data = Session.objects.encode(held)
    row.save()
"""


def wait_until[T](condition: Callable[[], T], *, within: float = SOON) -> T:
    """The first answer of `look` that is true; its last one fails the test.

    Of one look and its pause no more than `LONGEST_LOOK` counts: while a machine stands still nobody works on it.
    """
    waited, before = 0.0, time.monotonic()
    while not (found := condition()):
        assert waited < within, f"still {found!r} after {within:.0f} s"
        time.sleep(PAUSE)
        waited += min(time.monotonic() - before, LONGEST_PAUSE)
        before = time.monotonic()
    return found


@dataclass(frozen=True)
class Demo:
    """A running demo: its addresses, its merchant, and the accounting package of the merchant."""

    process: subprocess.Popen[bytes]
    web: str
    sandbox: str
    merchant: dict[str, str]
    accounting: str
    home: Path

    @classmethod
    def start(cls, home: Path, accounting: str = "xero") -> Self:
        """Start a demo on free ports, with its data in `home` and the accounting package `accounting`."""
        ready = home / "ready.json"
        command = [sys.executable, "-m", "sandbox.harness.demo", "--ready", str(ready), "--accounting", accounting]
        for flag in ("--port", "--sandbox-port", "--smtp-port"):
            command += [flag, str(find_free_port())]
        # The tests' own servers are not the demo's: it brings its own, in its own home.
        shell = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        ours = {"WISEPAY_HOME": str(home / "home"), **dict.fromkeys(SHARED_LIMITS, "100000")}
        with (home / "demo.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=shell | ours, stdout=log, stderr=log)
        limit = time.monotonic() + PATIENCE
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > limit:
                process.terminate()
                raise AssertionError(f"the demo did not start:\n{(home / 'demo.log').read_text()}")
            time.sleep(PAUSE)
        addresses = json.loads(ready.read_text())
        demo = cls(process, addresses["web"], addresses["sandbox"], addresses["merchant"], accounting, home)
        demo.post_control("/_control/config", WIDE_LIMITS)
        return demo

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # ---- behind the curtain -------------------------------------------------------------------

    def post_control(self, path: str, order: Any) -> Any:
        """POST JSON to the sandbox."""
        answer = requests.post(self.sandbox + path, json=order, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def clear_faults(self) -> None:
        """Clear every fault of the sandbox."""
        requests.delete(f"{self.sandbox}/_control/faults", timeout=10).raise_for_status()

    def get_diagnostics(self) -> list[tuple[str, str]]:
        """What the operator's commands say, and the end of every process's log."""
        outputs = [
            (" ".join(words), self.try_to_manage(*words)) for words in (("doctor",), ("outbox",), ("outbox", "dead"))
        ]
        return outputs + [
            (log.name, read_last_lines(log)) for log in sorted((self.home / "home" / "log").glob("*.log"))
        ]

    def save_journal(self, to: Path) -> None:
        """Append every exchange with the sandbox's vendors so far to a file, one JSON object per line."""
        answer = requests.get(f"{self.sandbox}/_control/journal", timeout=60)
        answer.raise_for_status()
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("a") as saved:
            saved.write(answer.text)

    def list_bodies(self, service: str, path: str) -> list[str]:
        """The forms that were sent to an address of a vendor so far, oldest first."""
        answer = requests.get(f"{self.sandbox}/_control/journal", params={"service": service}, timeout=60)
        found = (json.loads(line) for line in answer.text.splitlines())
        return [unquote(one["request_body"]) for one in found if one["path"] == path]

    def create_quote(self, like: str = "one-time", **changes: Any) -> dict[str, Any]:
        """Create a quote; its page is at `url`."""
        quote: dict[str, Any] = self.post_control("/orderporter/quotes.json", {"like": like, **changes})
        return quote

    def create_usd_quote(self, **changes: Any) -> dict[str, Any]:
        """One with a recurring part in US dollars, which bank debits can pay, of a company without other currencies."""
        return self.create_quote("mixed", currency="USD", tax_rate=0, customer=CUSTOMERS["freight"], **changes)

    def intents(self, quote: dict[str, Any]) -> list[dict[str, Any]]:
        """What Stripe was asked to charge for this quote."""
        return [row for row in self.newest_intents() if f"Quote {quote['number']} " in row["description"]]

    def newest_intents(self) -> list[dict[str, Any]]:
        """What Stripe was asked to charge lately, the newest first."""
        auth = {"Authorization": f"Bearer {STRIPE_KEY}"}
        url = f"{self.sandbox}/stripe/v1/payment_intents?limit=100"
        found: list[dict[str, Any]] = requests.get(url, headers=auth, timeout=10).json()["data"]
        return found

    def mails_to(self, address: str, about: str) -> list[dict[str, Any]]:
        """Mails to `address` whose text mentions `about`."""
        rows = requests.get(f"{self.sandbox}/mailbox/messages.json", timeout=10).json()["messages"]
        return [row for row in rows if address in row["to"] and about in json.dumps(row)]

    def get_mailed_code(self, address: str) -> str:
        """The code that was mailed to `address` last, once it is there."""

        def newest() -> str:
            query = {"to": address}
            rows = requests.get(f"{self.sandbox}/mailbox/messages.json", params=query, timeout=10).json()["messages"]
            codes = (re.search(r"^(\d{6})\s*$", row["text"], re.MULTILINE) for row in rows[:1])
            return next((code[1] for code in codes if code), "")

        return wait_until(newest)

    def age_sign_ins(self) -> None:
        """Every sign-in of the console happened an hour earlier than it did."""
        self.manage("shell", "--no-imports", "-c", AGE_SESSIONS_SCRIPT)

    def manage(self, *words: str) -> str:
        """An operator's command beside the running demo, which has to succeed; answers its output."""
        return self.run_command(*words, check=True).stdout

    def export_person(self, email: str) -> dict[str, Any]:
        """What is stored about a person, by table; nothing of somebody who was never here."""
        done = self.run_command("export_person", email, check=False)
        return json.loads(done.stdout)["tables"] if done.returncode == 0 else {}

    def try_to_manage(self, *words: str) -> str:
        """The same, however it ends, with the moment at which it was asked."""
        try:
            done = self.run_command(*words, check=False)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return f"{type(error).__name__}: {error}"
        return f"at {datetime.now(UTC):%H:%M:%S}\n{done.stdout}{done.stderr}"

    def run_command(self, *words: str, check: bool) -> subprocess.CompletedProcess[str]:
        """As `make manage` runs it."""
        command = [sys.executable, "-m", "sandbox.harness.manage", *words]
        shell = os.environ | {"WISEPAY_HOME": str(self.home / "home")}
        return subprocess.run(command, cwd=ROOT, env=shell, check=check, capture_output=True, text=True, timeout=60)


class Payer:
    """A payer's hands on a browser page."""

    def __init__(self, demo: Demo, page: Page) -> None:
        self.demo = demo
        self.page = page

    def accept(self, quote: dict[str, Any]) -> str:
        """Sign the quote and come to Pay Now; answers the payment's reference."""
        page = self.page
        page.goto(quote["url"])
        page.get_by_label("I accept the terms of this quote").check()
        page.get_by_label("Type your name to sign").fill("Accounts Payable")
        page.get_by_role("button", name="Accept and Pay").click()
        page.wait_for_url(f"{self.demo.web}/pay/*")
        return page.url.rpartition("/")[2]

    def go_guest(self, name: str = "Ada Payer") -> FrameLocator:
        """Continue as guest and say who pays; answers the frame of the card's fields."""
        self.page.get_by_role("link", name="Continue as guest").click()
        self.page.get_by_label("Full name").fill(name)
        return self.page.frame_locator(CARD_FRAME)

    def type_card(self, number: str = GOOD_CARD) -> None:
        """Fill the card's fields."""
        frame = self.page.frame_locator(CARD_FRAME)
        frame.get_by_label("Card number").fill(number)
        frame.get_by_label("Expiration date").fill("12/34")
        frame.get_by_label("Security code").fill("123")

    def accept_terms(self) -> None:
        """Tick every text that the page asks for."""
        boxes = self.page.locator("#consent input[type=checkbox]:visible:not(:checked)")
        boxes.first.wait_for()  # which ones are shown follows the choice in the gateway's frame
        self.page.wait_for_timeout(500)
        while boxes.count():
            boxes.first.check()

    def pay(self, number: str = GOOD_CARD) -> None:
        """Type the card and press Pay."""
        self.type_card(number)
        self.page.get_by_role("button", name=re.compile("^Pay ")).click()

    def pay_quote(self, quote: dict[str, Any], number: str = GOOD_CARD) -> str:
        """From the quote to Pay; answers the payment's reference."""
        reference = self.accept(quote)
        self.go_guest()
        self.pay(number)
        return reference

    def answer_bank(self, button: str) -> None:
        """Press a button of the bank's 3-D Secure page."""
        self.page.frame_locator(SECURE_FRAME).get_by_role("button", name=button).click()

    def expect_paid(self) -> None:
        """The browser is back at the quote, and the quote says Paid."""
        self.page.wait_for_url(f"{self.demo.sandbox}/orderporter/quote**")
        expect(self.page.locator("[data-badge=paid]")).to_be_visible()
        expect(self.page.locator("[data-outcome=paid]")).to_be_visible()
