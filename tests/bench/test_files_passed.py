"""How many files a reader passes who follows one flow from its start to its end, counted by `sys.setprofile`.

Counted are the distinct files of the product in which a function was called; `make bench` prints the numbers, and
with `-s --files` the files themselves are named in var/files-passed.txt.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import CreditNote, Posting
from connections.models import Connection
from tests.bench.results import Measurement, record_measurement
from tests.sandbox.webhook_receiver import WebhookReceiver
from tests.scenarios.autopay import AutoPayScenario
from tests.scenarios.base import Scenario
from tests.scenarios.interruptions import ProcessStopper
from tests.scenarios.payers import RefundScenario
from tests.scenarios.quotes import QuoteScenario
from tests.tenants import Tenant, deliver_outbox

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("wisepay", "merchants", "payers", "quotes", "connections", "accounting", "payments")
LISTING = ROOT / "var" / "files-passed.txt"


@pytest.fixture
def cpq() -> Iterator[WebhookReceiver]:
    """CPQ's callback address."""
    with WebhookReceiver() as receiver:
        yield receiver


def get_product_file(name: str) -> str:
    """The path below the root of a file of the product; empty for all others."""
    if not name.startswith(str(ROOT)):
        return ""
    path = Path(name).relative_to(ROOT)
    return path.as_posix() if path.parts[0] in PRODUCT and "migrations" not in path.parts else ""


@contextmanager
def record_files() -> Iterator[set[str]]:
    """The product's files in which a function is called while the block runs, in whatever thread."""
    codes: set[Any] = set()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            codes.add(frame.f_code)

    files: set[str] = set()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield files
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        files.update(found for code in codes.copy() if (found := get_product_file(code.co_filename)))


def count_files(scenario: Scenario, steps: list[str], *, begin: str = "") -> set[str]:
    """The files that these steps of a scenario pass, those before `begin` and all others not counted."""
    deliver_outbox()
    in_an_hour = timezone.now() + timedelta(hours=1)
    Connection.objects.update(access_expires_at=in_an_hour)  # renewing a token is another flow
    files: set[str] = set()
    names = [step.__name__ for step in scenario.steps]
    first = names.index(begin) if begin else 0
    for place, step in enumerate(scenario.steps):
        if place < first or step.__name__ not in steps:
            step()
            continue
        with record_files() as found:
            step()
        files |= found
    return files


def record(what: str, files: set[str], *, bound: int) -> Measurement:
    """Write the number down, and the files behind it."""
    LISTING.parent.mkdir(exist_ok=True)
    with LISTING.open("a") as listing:
        listing.write(f"# {what}: {len(files)}\n" + "\n".join(sorted(files)) + "\n\n")
    return record_measurement(f"Files passed: {what}", len(files), "files", bound=bound)


@pytest.mark.django_db(transaction=True)
def test_a_quote_from_cpq_to_its_credit_note(tenant: Tenant, cpq: WebhookReceiver) -> None:
    scenario = QuoteScenario(tenant, cpq, ProcessStopper())
    files = count_files(scenario, ["open", "pay", "send_webhooks", "run_worker"])
    assert CreditNote.objects.get().state == "approved"
    assert record("POST /checkouts to PF_CR", files, bound=60).holds


@pytest.mark.django_db(transaction=True)
def test_an_invoice_from_the_ledgers_webhook_to_its_automatic_payment(tenant: Tenant, cpq: WebhookReceiver) -> None:
    scenario = AutoPayScenario(tenant, cpq, ProcessStopper())
    files = count_files(scenario, [step.__name__ for step in scenario.steps])
    assert Posting.objects.get(kind="invoice_payment").state == "posted"
    assert record("Xero's webhook to a booked automatic payment", files, bound=65).holds


@pytest.mark.django_db(transaction=True)
def test_a_refund(tenant: Tenant, cpq: WebhookReceiver) -> None:
    scenario = RefundScenario(tenant, cpq, ProcessStopper())
    files = count_files(scenario, ["refund", "send_webhooks", "run_worker"], begin="refund")
    assert Posting.objects.get(kind="refund").state == "posted"
    assert record("a refund", files, bound=50).holds
