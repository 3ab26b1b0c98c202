"""Rows of the merchant's lists: what a page, its totals and its files cost at a million payments."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from payments.models import Payment
from tests.bench.list_data import PAYMENTS, create_many_rows
from tests.bench.results import p99, record_measurement
from tests.bench.test_counts import statements
from tests.bench.test_latency import calmest
from tests.bench.test_mirror import watched_memory
from tests.tenants import Tenant

REPEATS = 12
EXPORTED = 100_000
PAGES: list[dict[str, str]] = [
    {},
    {"after": str(PAYMENTS // 2)},
    {"sort": "created"},
    {"sort": "-amount"},
    {"sort": "-date"},
    {"standing": "succeeded"},
    {"standing": "failed"},
    {"standing": "expired"},
    {"standing": "disputed"},
    {"standing": "settling"},
    {"standing": "reversed"},
    {"standing": "part_refunded"},
    {"method": "bank_debit"},
    {"currency": "USD"},
    {"currency": "NZD"},
    {"since": "2025-01-01", "until": "2025-01-31"},
    {"at_least": "900", "at_most": "901"},
    {"company": "Company 17 "},
    {"standing": "succeeded", "method": "card", "since": "2025-06-01"},
]
SEARCHES = [
    "Company 1 Pty",
    "company",
    "managed",
    "Ada Lind",
    "nothinglikeit",
    "4242",
    "1,234.44",
    "person4711@big.example",
    "pi_bench777777",
    "PO-123456",
    "INV-300000",
    "Quote 424242",
    "424242",
]
COLUMNS = "purpose company standing method dated amount fee settled_on payout refunded reference order staff pf_numbers"


def milliseconds(client: Client, path: str) -> float:
    """One page in this process, from the request to the last byte."""
    begin = time.perf_counter()
    assert client.get(path).status_code == 200
    return 1000 * (time.perf_counter() - begin)


def slowest(client: Client, path: str, repeats: int = REPEATS) -> float:
    """The p99 of one page, asked for again and again."""
    return p99([milliseconds(client, path) for _ in range(repeats)])


def measure_worst(client: Client, paths: list[str], *, repeats: int = REPEATS) -> float:
    """The worst of these pages; of each the best of three rounds: what else the machine does only ever adds."""
    worst = 0.0
    for path in paths:
        milliseconds(client, path)
        found = calmest(partial(slowest, client, path, repeats))
        print(f"{found:8.1f} ms {path.partition('?')[2]}")  # noqa: T201 (the table only has the worst)
        worst = max(worst, found)
    return worst


def read_file(client: Client, path: str) -> int:
    """Take a file to its end; answer its size."""
    answer: Any = client.get(path)
    assert answer.status_code == 200
    return sum(len(part) for part in answer.streaming_content)


@pytest.fixture
def many(transactional_db: None, tenant: Tenant) -> Tenant:
    """A merchant with a million payments, two hundred thousand invoices and four thousand clients."""
    create_many_rows(tenant)
    return tenant


def test_lists_at_a_million_payments(many: Tenant) -> None:
    """One test, since making the rows takes longer than any of its measurements."""
    client, path = many.admin, many.url("payments/")
    measure_pages(client, path)
    measure_totals(client, many.url("payments/totals"))
    measure_files(client, many.url("payments/export/"))


def measure_pages(client: Client, path: str) -> None:
    """The pages of payments."""
    worst = measure_worst(client, [f"{path}?{urlencode(query)}" for query in PAGES])
    assert record_measurement("Lists: a page of a million payments, p99 one at a time", worst, "ms", bound=80).holds
    worst = measure_worst(client, [f"{path}?{urlencode({'q': q})}" for q in SEARCHES])
    assert record_measurement("Lists: a search of a million payments, p99 one at a time", worst, "ms", bound=80).holds
    wide = urlencode({"columns": COLUMNS.split()}, doseq=True)
    worst = measure_worst(client, [f"{path}?{wide}"])
    assert record_measurement("Lists: a page with every column, p99 one at a time", worst, "ms", bound=80).holds
    most = max(count(partial(client.get, address)) for address in (path, f"{path}?q=ada&{wide}"))
    assert record_measurement("Lists: a page or a search, everything included", most, "statements", bound=6).holds


def measure_totals(client: Client, path: str) -> None:
    """The panel of totals."""
    worst = measure_worst(client, [path, f"{path}?standing=succeeded&method=card", f"{path}?q=4242"], repeats=4)
    assert record_measurement("Lists: totals of a million payments", worst, "ms", bound=600).holds


def measure_files(client: Client, path: str) -> None:
    """Files of a hundred thousand rows."""
    newest = Payment.objects.order_by("-pk").values_list("paid_at", flat=True)
    since = newest.filter(paid_at__isnull=False)[EXPORTED * 4 // 5]
    for name, label in (("csv", "CSV"), ("xlsx", "Excel")):
        with watched_memory() as seen:
            begin = time.perf_counter()
            size = read_file(client, f"{path}{name}?since={since:%Y-%m-%d}")
            took = time.perf_counter() - begin
        grown = (max(seen) - seen[0]) / 2**20
        print(f"{name}: {size} bytes in {took:.1f} s, {grown:.0f} MiB")  # noqa: T201
        assert record_measurement(f"Lists: {label} of 100,000 payments", took, "s", bound=20).holds
        assert record_measurement(f"Lists: {label} of 100,000 payments, memory on top", grown, "MiB", bound=50).holds


def count(ask: Callable[[], Any]) -> int:
    """Statements of one page."""
    ask()
    with CaptureQueriesContext(connection) as seen:
        ask()
    return statements(seen)
