"""Rows of quotes that come by link or by poll: calls of CPQ, and what opening one takes beside CPQ's own answers."""

import gc
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from requests.adapters import HTTPAdapter

from quotes.models import CpqConnection, Quote
from quotes.polls import poll_connections
from tests.bench.results import p99, record_measurement
from tests.quotes.link_helpers import LinkedQuote, connect_cpq, list_cpq_calls
from tests.tenants import Tenant

OPENINGS, ROUNDS = 120, 5
PAUSE = 0.02  # seconds between two visitors, for the practice CPQ to write down what it answered
NEWLY_ACCEPTED = 5
# Calls at their lower bound: the quote, its newest version, its customers, and its terms where something recurs.
LEAST_CALLS = {"mixed": 4, "deposit": 3}


@pytest.mark.parametrize("like", LEAST_CALLS)
def test_calls_of_an_opening_and_an_attempt(tenant: Tenant, like: str) -> None:
    connect_cpq(tenant)
    made = LinkedQuote.create(tenant, like)
    before = len(list_cpq_calls(tenant))
    checkout = made.open()
    opened = len(list_cpq_calls(tenant)) - before
    name = f"Quote by link ({like}): calls of CPQ"
    assert record_measurement(name, opened, "calls", bound=LEAST_CALLS[like]).holds
    if like == "deposit":
        assert checkout.pay().status_code == 200
        read = len(list_cpq_calls(tenant)) - before - opened
        assert record_measurement("Attempt of a quote by link: calls of CPQ", read, "calls", bound=1).holds


def test_opening_takes_little_beside_cpq(
    transactional_db: None, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """From following the link to the first byte of Pay Now, without the time in which CPQ answers."""
    settings.QUOTE_LINKS_PER_NETWORK_MINUTE = settings.QUOTE_LINKS_PER_MERCHANT_MINUTE = 10**6
    settings.VENDOR_CALLS_PER_NETWORK_MINUTE = settings.CPQ_CALLS_PER_MINUTE = 10**6
    connect_cpq(tenant)
    waited = [0.0]
    send = HTTPAdapter.send

    def send_and_wait(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return send(*args, **kwargs)
        finally:
            waited[0] += time.perf_counter() - began

    payer = Client()  # another visitor each time, whose pages the same process makes

    def open_all() -> float:
        spent = []
        for made in [LinkedQuote.create(tenant, "mixed") for _ in range(OPENINGS)]:
            time.sleep(PAUSE)
            payer.cookies.clear()
            waited[0] = 0.0
            began = time.perf_counter()
            answer = made.follow(payer)
            assert payer.get(answer["Location"]).status_code == 200
            spent.append((time.perf_counter() - began - waited[0]) * 1000)
        return p99(spent)

    monkeypatch.setattr(HTTPAdapter, "send", send_and_wait)
    open_all()
    gc.collect()
    gc.freeze()  # as wisepay.wsgi does: this process holds all of pytest, which no web process does
    # The calmest round: what else the machine does only ever adds.
    slowest = min(open_all() for _ in range(ROUNDS))
    assert record_measurement("Pay Now by link: first byte, p99 beside CPQ's own time", slowest, "ms", bound=60).holds


def test_calls_of_polls(tenant: Tenant) -> None:
    connect_cpq(tenant)
    CpqConnection.objects.update(is_polled=True)
    now = timezone.now()
    poll_connections(now=now)
    known, calls = Quote.objects.count(), []
    for minutes in (10, 20):
        before = len(list_cpq_calls(tenant))
        poll_connections(now=now + timedelta(minutes=minutes))
        calls.append(len(list_cpq_calls(tenant)) - before)
        for _ in range(NEWLY_ACCEPTED):
            LinkedQuote.create(tenant, "mixed")
    assert Quote.objects.count() == known + NEWLY_ACCEPTED
    rows = [
        record_measurement("Poll of CPQ that finds nothing: calls", calls[0], "calls", bound=1),
        record_measurement(
            f"Poll of CPQ with {NEWLY_ACCEPTED} newly accepted: calls", calls[1], "calls", bound=1 + 2 * NEWLY_ACCEPTED
        ),
    ]
    assert [row.name for row in rows if not row.holds] == []
