"""Rows about the mirror of the books: calls of a full reading and of a quiet day, memory, how soon a change is seen."""

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

from accounting.mirror_orders import arm_due
from accounting.models import LedgerInvoice, MirrorCursor
from sandbox.launch import Running
from tests.accounting.mirror_stage import by_hand, event, fill, make, next_index, package, reads, tell
from tests.bench.rows import p99, row
from tests.people import House, build_house, drain_outbox

MINUTE = 61
CHANGES = 40
PATIENCE = 30.0
SIZES = (10_000, 100_000)
MEMORY = 150  # MiB
NAMES = {"xero": "Xero", "quickbooks": "QuickBooks"}
found: dict[tuple[str, int], float] = {}


@pytest.fixture(params=NAMES)
def house(request: pytest.FixtureRequest, db: None, world: Running) -> House:
    """A merchant of each accounting package; what setting up left to do is done."""
    house = build_house(world, provider=request.param)
    drain_outbox()
    return house


def name_of(house: House) -> str:
    """The accounting package."""
    return NAMES[house.connection.provider]


def whole(house: House, invoices: int, contacts: int) -> int:
    """The fewest calls that read everything.

    A call is a thousand documents: in Xero with what was put to them, in QuickBooks two thousand without, and one call
    more for that. Of contacts, to which nothing is put, QuickBooks answers two thousand. One call finds no credits.
    """
    page = {"xero": 1000, "quickbooks": 2000}[house.connection.provider]
    return math.ceil(invoices / 1000) + math.ceil(contacts / page) + 1


def sync_whole(house: House) -> float:
    """Read everything, minute after minute of the call budget; answers the MiB above the beginning at the worst."""
    now = timezone.now()
    with watched_memory() as seen:
        while MirrorCursor.objects.filter(since=None).exists() or not MirrorCursor.objects.exists():
            arm_due(now=now)
            drain_outbox(at=now)
            now += timedelta(seconds=MINUTE)
            house.world.advance(MINUTE)
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
def test_full_reading(house: House, invoices: int) -> None:
    """No probing page, none twice."""
    mark = next_index(house)
    fill(house, invoices=invoices, contacts=invoices // 20)
    found[house.connection.provider, invoices] = sync_whole(house)
    assert LedgerInvoice.objects.count() == invoices
    assert row(
        f"{name_of(house)}: full reading of {invoices} invoices",
        len(reads(house, mark)),
        "calls",
        bound=whole(house, invoices, invoices // 20),
    ).holds


@pytest.mark.parametrize("invoices", SIZES)
def test_memory_of_a_full_reading(house: House, invoices: int) -> None:
    """Measured by the reading above where that ran in this process."""
    key = (house.connection.provider, invoices)
    if key not in found:
        fill(house, invoices=invoices, contacts=invoices // 20)
        found[key] = sync_whole(house)
    name = f"{name_of(house)}: full reading of {invoices} invoices: memory above idle"
    assert row(name, found[key], "MiB", bound=MEMORY).holds


def test_statements_of_a_page(house: House) -> None:
    """With the payments of a hundred of them, the cursor, and what listens to the mirror."""
    fill(house, invoices=1000, contacts=50)
    arm_due(now=timezone.now())
    MirrorCursor.objects.exclude(kind="invoices").update(due_at=timezone.now() + timedelta(days=1))
    with CaptureQueriesContext(connection) as seen:
        drain_outbox()
    assert LedgerInvoice.objects.count() == 1000
    about = ("accounting_ledger", "accounting_mirrorcursor", "payers_")
    assert row(
        f"{name_of(house)}: a page of 1,000 invoices",
        sum(any(name in query["sql"] for name in about) for query in seen.captured_queries),
        "statements",
        bound=16,
    ).holds


@pytest.mark.parametrize("told", [0, 1])
def test_a_quiet_day(house: House, told: int) -> None:
    """From the last change on; beat looks every minute, and only then is anything done."""
    fill(house, invoices=20, contacts=3)
    sync_whole(house)
    if told:
        tell(house, *(event(house, kind, "no-such-document") for kind in ("invoices", "credits", "contacts")))
        drain_outbox()
    mark, begin = next_index(house), timezone.now()
    for minute in range(1, 24 * 60 + 1):
        at = begin + timedelta(minutes=minute)
        if MirrorCursor.objects.filter(due_at__lte=at, kind__in=("contacts", "invoices", "credits")).exists():
            house.world.post("/_control/clock", {"at": at.isoformat()})
            arm_due(now=at)
            drain_outbox(at=at)
    name = f"{name_of(house)}: 24 quiet hours (told of changes: {told})"
    assert row(name, len(reads(house, mark)), "calls", bound=24).holds


def seen_after(house: House, words: str, *, patience: float) -> float:
    """Seconds from an edit in the books until the mirror holds it."""
    by_hand(house, "edit", invoice="INV-BENCH", reference=words)
    begin = time.perf_counter()
    while time.perf_counter() - begin < patience:
        if LedgerInvoice.objects.filter(number="INV-BENCH", remark=words).exists():
            return time.perf_counter() - begin
        time.sleep(0.01)
    raise AssertionError("the change was never seen")


def listen(house: House, web: str) -> None:
    """Let the package tell the web server of its changes; Xero first proves that it checks signatures."""
    books = package(house)
    url = f"{web}{books.webhook}"
    if house.connection.provider == "quickbooks":
        house.world.post(books.control, {"webhook": {"url": url, "token": books.key}})
        return
    house.world.post(books.control, {"subscribe": {"client": "sandbox-client", "url": url, "key": books.key}})
    limit = time.monotonic() + PATIENCE
    while house.world.get(books.control).json()["webhooks"][0]["state"] != "ok":
        assert time.monotonic() < limit, "the web server did not prove that it checks signatures"
        time.sleep(0.1)


def test_a_change_is_seen_soon(transactional_db: None, house: House, web: str, worker: None) -> None:
    """Books, webhook, web server, outbox, worker, reading, row: each a process of its own, as in the demo."""
    make(house, "INV-BENCH", "1")
    sync_whole(house)
    listen(house, web)
    seen_after(house, "the first one", patience=PATIENCE)
    assert row(
        f"{name_of(house)}: a change in the books is mirrored: p99",
        p99([seen_after(house, f"change {n}", patience=PATIENCE) for n in range(CHANGES)]),
        "s",
        bound=5,
    ).holds
