"""QuickBooks' rows beside Xero's: calls against what the work cannot do without."""

import math
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
from django.conf import settings as configured
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from accounting.mirror.downloads import start_download
from accounting.models import Posting
from connections.rate_limiter.limiter import SCRIPT, RateLimits
from payers.companies import Contact, map_company
from payers.models import PayerCompany
from payments.models import GatewayAccount
from sandbox.harness.sandbox_process import SandboxProcess
from tests.bench.quote_data import CALLS_A_QUOTE, create_open_quote, record_paid
from tests.bench.results import record_measurement
from tests.connections.rate_limiter.simulation import (
    START,
    LimiterSimulation,
    LimitWindow,
    NetworkConditions,
    XeroLimitsModel,
)
from tests.tenants import Tenant, create_tenant
from wisepay import outbox

SIZES = (1, 15, 50, 200)
BATCH, PAGE = 30, 2000  # two lists of a thousand travel in one call


@pytest.fixture
def tenant(db: None, world: SandboxProcess, settings: Settings) -> Tenant:
    """A merchant with QuickBooks and all its limits."""
    settings.QUICKBOOKS_A_SECOND = 10
    world.config(intuit_limits={})
    return create_tenant(world, provider="quickbooks")


def get_fewest_calls(*, quotes: int, contacts: int) -> int:
    """A payment names the invoice that it pays, so there are two calls at least; contacts come before documents."""
    return max(2, math.ceil(CALLS_A_QUOTE * quotes / BATCH)) + math.ceil(contacts / BATCH)


def create_customers(tenant: Tenant, count: int) -> list[str]:
    """Create customers in the sandbox company; answers their ids."""
    customers = [{"DisplayName": f"Known {number}"} for number in range(count)]
    tenant.world.post("/intuit/_control", {"create": {"company": "au", "Customer": customers}})
    rows = tenant.world.state()["sections"]["intuit"]["companies"][tenant.connection.organisation_id]["Customer"]
    return [key for key, found in rows.items() if found["DisplayName"].startswith("Known ")]


def pay_many(tenant: Tenant, *, quotes: int, contacts: int) -> None:
    """Pay `quotes` quotes of as many companies, `contacts` of which have no contact in the ledger."""
    account = GatewayAccount.objects.get(merchant=tenant.merchant)
    for number in range(quotes):
        record_paid(create_open_quote(tenant, company=f"Payer {number}").payment, account, now=timezone.now())
    known = PayerCompany.objects.filter(merchant=tenant.merchant).order_by("pk")[contacts:]
    for company, contact_id in zip(known, create_customers(tenant, len(known)), strict=True):
        map_company(company, contact=Contact(tenant.connection.organisation_id, contact_id))


def count_calls(tenant: Tenant, deliver: Callable[..., int]) -> int:
    """Count the calls to QuickBooks until nothing waits; every one succeeds."""
    before = len(tenant.world.journal("quickbooks"))
    deliver()
    for minute in range(1, 20):
        if not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists():
            break
        deliver(at=timezone.now() + timedelta(minutes=minute))
    calls = tenant.world.journal("quickbooks")[before:]
    assert {call["status"] for call in calls} <= {200}
    return len(calls)


@pytest.mark.parametrize(("quotes", "contacts"), [(n, k) for n in SIZES for k in (n, 0)])
def test_quickbooks_calls(tenant: Tenant, deliver: Callable[..., int], quotes: int, contacts: int) -> None:
    deliver()
    pay_many(tenant, quotes=quotes, contacts=contacts)
    calls = count_calls(tenant, deliver)
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    name = f"QuickBooks: {quotes} paid quotes, {contacts} new contacts"
    assert record_measurement(name, calls, "calls", bound=get_fewest_calls(quotes=quotes, contacts=contacts)).holds


@pytest.mark.parametrize("contacts", [0, 1000, 2500])
def test_full_download(tenant: Tenant, deliver: Callable[..., int], contacts: int) -> None:
    """Contacts, one page of invoices and one of credit memos."""
    deliver()
    if contacts:
        create_customers(tenant, contacts)
    start_download(tenant.merchant, by=None, now=timezone.now())
    least = max(1, math.ceil(contacts / PAGE)) + 2
    name = f"QuickBooks: full download, {contacts} contacts"
    assert record_measurement(name, count_calls(tenant, deliver), "calls", bound=least).holds


def test_incremental_download(tenant: Tenant, deliver: Callable[..., int]) -> None:
    """All of them, with what was deleted, by change data capture."""
    deliver()
    start_download(tenant.merchant, by=None, now=timezone.now())
    deliver()
    start_download(tenant.merchant, by=None, now=timezone.now() + timedelta(minutes=5))
    assert record_measurement("QuickBooks: incremental download", count_calls(tenant, deliver), "calls", bound=1).holds


def deliver_in_real_time(until: float) -> Iterator[str]:
    """Deliver messages as they become due, until everything is posted; yields their keys."""
    waiting = Posting.objects.exclude(state__in=Posting.FINAL_STATES)
    while (due := outbox.list_due_keys(now=timezone.now())) or waiting.exists():
        assert time.monotonic() < until, "the sender did not go on"
        yield from (key for key in due if outbox.deliver_message(key, now=timezone.now()))
        if not due:
            time.sleep(0.02)


def test_a_sender_that_a_limit_stopped_goes_on_where_it_was(
    tenant: Tenant, deliver: Callable[..., int], settings: Settings
) -> None:
    """Two calls a second: a refused sender never sleeps, tries once a second, and posts nothing twice."""
    deliver()
    pay_many(tenant, quotes=40, contacts=40)
    settings.QUICKBOOKS_A_SECOND = 2
    tenant.world.config(intuit_limits={"second": 2})
    before, limit = len(tenant.world.journal("quickbooks")), time.monotonic() + 20
    runs = [time.monotonic() for key in deliver_in_real_time(limit) if key.startswith("drain:")]
    calls = tenant.world.journal("quickbooks")[before:]
    assert {call["status"] for call in calls} == {200}
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    least = get_fewest_calls(quotes=40, contacts=40)
    assert record_measurement("QuickBooks: 40 paid quotes at 2 calls a second", len(calls), "calls", bound=least).holds
    pauses = [later - earlier for earlier, later in pairwise(runs)]
    assert record_measurement("QuickBooks: the sender's longest pause meanwhile", max(pauses), "s", bound=2).holds
    assert len(runs) <= math.ceil(len(calls) / 2), "a burst of runs"


@pytest.mark.parametrize("workers", [1, 4])
def test_the_calls_of_a_second_are_used(workers: int) -> None:
    """A minute of a model: workers that try again when the limiter says so."""
    quickbooks = XeroLimitsModel({"second": LimitWindow(10, 1.0, 0.37)}, in_flight=10)
    limits = RateLimits(minute=10_000, day=0, in_flight=10, second=10, headers=0, reserve=0)
    script = Redis.from_url(configured.REDIS_URL).register_script(SCRIPT)
    storm = LimiterSimulation(
        script, quickbooks, limits, seed=workers, conditions=NetworkConditions(latency=(0.03, 0.06))
    )
    for _ in range(workers):
        storm.worker("company", START)
    storm.run(START + 60)
    assert quickbooks.refused == []
    name = f"QuickBooks: calls of 10 a second left unused, {workers} workers"
    assert record_measurement(name, 10 - len(storm.calls) / 60, "calls", bound=2).holds
    name = f"QuickBooks: looks a second of each of {workers} workers sent away"
    assert record_measurement(name, storm.refusals / 60 / workers, "looks", bound=1).holds
