"""Rows that are the same on every machine: statements, bytes, modules, calls."""

import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.quote_data import (
    XERO_BATCH,
    build_signed_webhook,
    count_least_calls,
    create_paid_quotes,
    create_submitted_debits,
)
from tests.bench.results import record_measurement
from tests.tenants import Checkout, Tenant

OURS = re.compile(rb'(?:href|src)="/static/([^"]+\.(?:css|js))"')
SIZES = (1, 15, 50, 200)
FRAME = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK")
# With their dots: an empty `intuitlib` is put into every Python by the package's .pth file.
SDKS = ("xero_python.", "quickbooks.", "intuitlib.")
LOADED = f"""
import sys, wisepay.wsgi
from django.urls import get_resolver
get_resolver().reverse_dict
print(sum(name.startswith({SDKS!r}) for name in sys.modules))
"""


def statements(seen: CaptureQueriesContext) -> int:
    """Statements about data: what frames a transaction moves none."""
    return sum(not query["sql"].startswith(FRAME) for query in seen.captured_queries)


def test_guest_page_statements(checkout: Checkout) -> None:
    Client().get(f"{checkout.path}/guest")
    with CaptureQueriesContext(connection) as seen:
        assert Client().get(f"{checkout.path}/guest").status_code == 200
    assert record_measurement("Pay Now guest page: statements", statements(seen), "statements", bound=6).holds


def test_guest_page_bytes(checkout: Checkout) -> None:
    html = Client().get(f"{checkout.path}/guest").content
    files = [finders.find(name.decode()) for name in OURS.findall(html)]
    assert len(files) >= 3
    size = len(html) + sum(Path(str(found)).stat().st_size for found in files)
    assert record_measurement(
        "Pay Now guest page: our HTML, CSS and JS, uncompressed", size, "bytes", bound=40 * 1024
    ).holds


def test_webhook_statements(transactional_db: None, tenant: Tenant) -> None:
    """From the second one on: a process reads the merchant's webhook secret once a minute."""
    for _ in range(2):
        call = build_signed_webhook(tenant)
        with CaptureQueriesContext(connection) as seen:
            answer = Client().post(call["path"], call["body"], content_type="application/json", headers=call["headers"])
        assert answer.status_code == 200
    assert record_measurement("Stripe webhook: data statements", statements(seen), "statements", bound=1).holds


def test_sdk_modules() -> None:
    """After the address table, and with it every view, is loaded."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert record_measurement("Web process: accounting SDKs loaded", int(done.stdout), "modules", bound=0).holds


@pytest.mark.parametrize(("quotes", "contacts"), [(n, k) for n in SIZES for k in (n, 0)])
def test_xero_calls(tenant: Tenant, deliver: Callable[..., int], quotes: int, contacts: int) -> None:
    """The bound is the fewest calls that can post these, so nothing below it can be measured."""
    deliver()
    create_paid_quotes(tenant, quotes=quotes, contacts=contacts)
    calls, least = calls_of(tenant, deliver), count_least_calls(quotes=quotes, contacts=contacts)
    assert record_measurement(f"Xero: {quotes} paid quotes, {contacts} new contacts", calls, "calls", bound=least).holds


def calls_of(tenant: Tenant, deliver: Callable[..., int]) -> int:
    """How often Xero is asked until nothing is due; every answer is good."""
    before = len(tenant.world.journal("xero"))
    deliver()
    calls = tenant.world.journal("xero")[before:]
    assert {call["status"] for call in calls} == {200}
    return len(calls)


@pytest.mark.parametrize("debits", SIZES)
def test_submitted_debits(tenant: Tenant, deliver: Callable[..., int], debits: int) -> None:
    """Their drafts."""
    deliver()
    create_submitted_debits(tenant, debits=debits)
    calls = calls_of(tenant, deliver)
    assert record_measurement(
        f"Xero: {debits} bank debits submitted", calls, "calls", bound=math.ceil(debits / XERO_BATCH)
    ).holds


@pytest.mark.parametrize("debits", SIZES)
def test_settled_debits(tenant: Tenant, deliver: Callable[..., int], debits: int) -> None:
    """Approvals, invoices, payments."""
    deliver()
    submitted = create_submitted_debits(tenant, debits=debits)
    deliver()
    for debit in submitted:
        debit.settle()
    calls = calls_of(tenant, deliver)
    assert record_measurement(
        f"Xero: {debits} bank debits settled", calls, "calls", bound=3 * math.ceil(debits / XERO_BATCH)
    ).holds


@pytest.mark.parametrize("debits", SIZES)
def test_failed_debits(tenant: Tenant, deliver: Callable[..., int], debits: int) -> None:
    """The removal of their drafts."""
    deliver()
    submitted = create_submitted_debits(tenant, debits=debits)
    deliver()
    for debit in submitted:
        debit.fail()
    calls = calls_of(tenant, deliver)
    assert record_measurement(
        f"Xero: {debits} bank debits failed", calls, "calls", bound=math.ceil(debits / XERO_BATCH)
    ).holds
