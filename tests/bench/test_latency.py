"""Rows in milliseconds and seconds, on this machine; the database is the embedded one, which never waits for a disk."""

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from requests.adapters import HTTPAdapter

from payments.models import Attempt
from tests.bench.conftest import WARM_UP, Load
from tests.bench.quote_data import build_signed_webhook, create_open_quote
from tests.bench.results import p99, record_measurement
from tests.payments.consent_form import get_consent_fields
from tests.tenants import Checkout, Tenant

REQUESTS = 600
ATTEMPTS = 100
ROUNDS = 3
PAUSE = 0.1  # seconds before each attempt: Stripe takes 25 requests a second in test mode, and an attempt is two
BOOT = """
import time
begin = time.perf_counter()
import wisepay.wsgi
print(time.perf_counter() - begin)
"""


def calmest(measure: Callable[[], float]) -> float:
    """The best of three rounds: what else the machine does only ever adds."""
    return min(measure() for _ in range(ROUNDS))


def test_guest_page_latency(transactional_db: None, checkout: Checkout, load: Load) -> None:
    """From the first byte sent to the last byte read, of a client that never rests between two pages."""
    slowest = calmest(lambda: p99(load([{"method": "GET", "path": f"{checkout.path}/guest"}] * (WARM_UP + REQUESTS))))
    assert record_measurement("Pay Now guest page: p99 at 8 at once", slowest, "ms", bound=25).holds


def test_guest_page_alone(transactional_db: None, checkout: Checkout, load: Load) -> None:
    """What a payer waits whom nobody else disturbs: at eight at once most of the time is waiting for a processor."""
    call = {"method": "GET", "path": f"{checkout.path}/guest"}
    slowest = calmest(lambda: p99(load([call] * (WARM_UP + REQUESTS // 3), at_once=1)))
    assert record_measurement("Pay Now guest page: p99 one at a time", slowest, "ms", bound=25).holds


def test_webhook_latency(transactional_db: None, tenant: Tenant, load: Load) -> None:
    """Every event is another one, so each writes its row."""
    slowest = calmest(lambda: p99(load([build_signed_webhook(tenant) for _ in range(WARM_UP + REQUESTS)])))
    assert record_measurement("Stripe webhook: p99 at 8 at once", slowest, "ms", bound=25).holds


def test_attempt_overhead(
    transactional_db: None, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The whole request minus the time in which the HTTP library waits for Stripe.

    In this process, one after the other: a clock stands around the adapter through which the Stripe SDK
    sends, so what the SDK itself costs counts as ours, and the network and Stripe do not.
    """
    settings.DECLINES_PER_NETWORK_HOUR = 10**6
    abroad: list[float] = []
    browser = Client()
    send = HTTPAdapter.send

    def timed(self: HTTPAdapter, *args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        try:
            return send(self, *args, **kwargs)
        finally:
            abroad.append(time.perf_counter() - begin)

    monkeypatch.setattr(HTTPAdapter, "send", timed)
    for _ in range(10):
        attempt_overhead(tenant, browser, abroad)
    gc.collect()
    gc.freeze()  # as wisepay.wsgi does: this process holds all of pytest, which no web process does
    value = 1000 * calmest(lambda: p99([attempt_overhead(tenant, browser, abroad) for _ in range(ATTEMPTS)]))
    assert Attempt.objects.filter(state="succeeded").count() == 10 + ROUNDS * ATTEMPTS
    assert record_measurement("POST attempts: p99 beyond Stripe's time", value, "ms", bound=15).holds


def attempt_overhead(tenant: Tenant, browser: Client, abroad: list[float]) -> float:
    """Seconds of one paid attempt that were ours; `browser` keeps its handler, as a web process does."""
    time.sleep(PAUSE)
    quote = create_open_quote(tenant)
    token = tenant.confirmation_token("4242424242424242")
    data = {
        "name": "Accounts Payable",
        "email": "accounts@example.com",
        "amount": quote.payment.amount,
        "confirmation_token": token,
        **get_consent_fields(quote.payment),
    }
    abroad.clear()
    begin = time.perf_counter()
    browser.post(f"/pay/{quote.payment.reference}/attempts", data)
    whole = time.perf_counter() - begin
    assert len(abroad) == 1
    return whole - abroad[0]


def test_boot() -> None:
    def once() -> float:
        return float(subprocess.run([sys.executable, "-c", BOOT], capture_output=True, text=True, check=True).stdout)

    seconds = statistics.median(once() for _ in range(5))
    assert record_measurement("Web process: import of wisepay.wsgi, median of 5", seconds, "s", bound=1.0).holds
