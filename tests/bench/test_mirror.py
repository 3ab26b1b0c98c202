"""Rows about the mirror: calls of a full reading and of a quiet day, memory, how soon a change is seen."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psutil  # type: ignore[import-untyped]
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting.mirror.services import schedule_mirror_syncs
from accounting.models import LedgerInvoice, MirrorCursor
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.mirror.ledger_actions import (
    act_in_ledger,
    build_event,
    fill_ledger,
    get_next_index,
    get_package,
    list_read_kinds,
    make_invoice,
    send_webhook,
)
from tests.bench.results import p99, record_measurement
from tests.tenants import Tenant, create_tenant, deliver_outbox

MINUTE = 61
CHANGES = 40
PATIENCE = 30.0
SIZES = (10_000, 100_000)
MEMORY = 150  # MiB
NAMES = {"xero": "Xero", "quickbooks": "QuickBooks"}
found: dict[tuple[str, int], float] = {}


@pytest.fixture(params=NAMES)
def tenant(request: pytest.FixtureRequest, db: None, world: SandboxProcess) -> Tenant:
    """A merchant of each accounting package; what setting up left to do is done."""
    tenant = create_tenant(world, provider=request.param)
    deliver_outbox()
    return tenant


def name_of(tenant: Tenant) -> str:
    """The accounting package."""
    return NAMES[tenant.connection.provider]


def whole(tenant: Tenant, invoices: int, contacts: int) -> int:
    """The fewest calls that read everything.

    A call is a thousand documents: in Xero with what was put to them, in QuickBooks two thousand without, and one call
    more for that. Of contacts, to which nothing is put, QuickBooks answers two thousand. One call finds no credits.
    """
    page = {"xero": 1000, "quickbooks": 2000}[tenant.connection.provider]
    return math.ceil(invoices / 1000) + math.ceil(contacts / page) + 1


def sync_whole(tenant: Tenant) -> float:
    """Read everything, minute after minute of the call budget; answers the MiB above the beginning at the worst."""
    now = timezone.now()
    with watched_memory() as seen:
        while MirrorCursor.objects.filter(known_until=None).exists() or not MirrorCursor.objects.exists():
            schedule_mirror_syncs(now=now)
            deliver_outbox(at=now)
            now += timedelta(seconds=MINUTE)
            tenant.world.advance(MINUTE)
    return float(max(seen) - seen[0]) / 2**20


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """This process's memory in bytes, looked at every few milliseconds by a thread of its own."""
    process, over = psutil.Process(), threading.Event()
    seen = [int(process.memory_info().rss)]

    def watch() -> None:
        while not over.wait(0.02):
            seen.append(int(process.memory_info().rss))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("invoices", SIZES)
def test_full_reading(tenant: Tenant, invoices: int) -> None:
    """No probing page, none twice."""
    mark = get_next_index(tenant)
    fill_ledger(tenant, invoices=invoices, contacts=invoices // 20)
    found[tenant.connection.provider, invoices] = sync_whole(tenant)
    assert LedgerInvoice.objects.count() == invoices
    assert record_measurement(
        f"{name_of(tenant)}: full reading of {invoices} invoices",
        len(list_read_kinds(tenant, mark)),
        "calls",
        bound=whole(tenant, invoices, invoices // 20),
    ).holds


@pytest.mark.parametrize("invoices", SIZES)
def test_memory_of_a_full_reading(tenant: Tenant, invoices: int) -> None:
    """Measured by the reading above where that ran in this process."""
    key = (tenant.connection.provider, invoices)
    if key not in found:
        fill_ledger(tenant, invoices=invoices, contacts=invoices // 20)
        found[key] = sync_whole(tenant)
    name = f"{name_of(tenant)}: full reading of {invoices} invoices: memory above idle"
    assert record_measurement(name, found[key], "MiB", bound=MEMORY).holds


def test_statements_of_a_page(tenant: Tenant) -> None:
    """With the payments of a hundred of them, the cursor, and what listens to the mirror."""
    fill_ledger(tenant, invoices=1000, contacts=50)
    schedule_mirror_syncs(now=timezone.now())
    MirrorCursor.objects.exclude(kind="invoices").update(due_at=timezone.now() + timedelta(days=1))
    with CaptureQueriesContext(connection) as seen:
        deliver_outbox()
    assert LedgerInvoice.objects.count() == 1000
    about = ("accounting_ledger", "accounting_mirrorcursor", "payers_")
    assert record_measurement(
        f"{name_of(tenant)}: a page of 1,000 invoices",
        sum(any(name in query["sql"] for name in about) for query in seen.captured_queries),
        "statements",
        bound=16,
    ).holds


@pytest.mark.parametrize("notified", [0, 1])
def test_a_quiet_day(tenant: Tenant, notified: int) -> None:
    """From the last change on; the periodic task runs every minute, and only then is anything read."""
    fill_ledger(tenant, invoices=20, contacts=3)
    sync_whole(tenant)
    if notified:
        send_webhook(
            tenant, *(build_event(tenant, kind, "no-such-document") for kind in ("invoices", "credits", "contacts"))
        )
        deliver_outbox()
    mark, begin = get_next_index(tenant), timezone.now()
    for minute in range(1, 24 * 60 + 1):
        at = begin + timedelta(minutes=minute)
        if MirrorCursor.objects.filter(due_at__lte=at, kind__in=("contacts", "invoices", "credits")).exists():
            tenant.world.post("/_control/clock", {"at": at.isoformat()})
            schedule_mirror_syncs(now=at)
            deliver_outbox(at=at)
    name = f"{name_of(tenant)}: 24 quiet hours (webhooks: {notified})"
    assert record_measurement(name, len(list_read_kinds(tenant, mark)), "calls", bound=24).holds


def measure_mirror_delay(tenant: Tenant, words: str, *, patience: float) -> float:
    """Seconds from an edit in the ledger until the mirror has it."""
    act_in_ledger(tenant, "edit", invoice="INV-BENCH", reference=words)
    begin = time.perf_counter()
    while time.perf_counter() - begin < patience:
        if LedgerInvoice.objects.filter(number="INV-BENCH", remark=words).exists():
            return time.perf_counter() - begin
        time.sleep(0.01)
    raise AssertionError("the change was never seen")


def subscribe_web_server(tenant: Tenant, web: str) -> None:
    """Let the accounting package send webhooks to the web server; Xero first checks its signatures."""
    package = get_package(tenant)
    url = f"{web}{package.webhook}"
    if tenant.connection.provider == "quickbooks":
        tenant.world.post(package.control, {"webhook": {"url": url, "token": package.key}})
        return
    tenant.world.post(package.control, {"subscribe": {"client": "sandbox-client", "url": url, "key": package.key}})
    limit = time.monotonic() + PATIENCE
    while tenant.world.get(package.control).json()["webhooks"][0]["state"] != "ok":
        assert time.monotonic() < limit, "the web server did not prove that it checks signatures"
        time.sleep(0.1)


def test_a_change_is_seen_soon(transactional_db: None, tenant: Tenant, web: str, worker: None) -> None:
    """Webhook, web server, outbox, worker, mirror: the processes run as in the demo."""
    make_invoice(tenant, "INV-BENCH", "1")
    sync_whole(tenant)
    subscribe_web_server(tenant, web)
    measure_mirror_delay(tenant, "the first one", patience=PATIENCE)
    assert record_measurement(
        f"{name_of(tenant)}: a change in the ledger is mirrored: p99",
        p99([measure_mirror_delay(tenant, f"change {n}", patience=PATIENCE) for n in range(CHANGES)]),
        "s",
        bound=5,
    ).holds
