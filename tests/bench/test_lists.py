"""Rows of the merchant's lists: what a page, its totals and its files cost at a million payments."""

import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from payments.models import Payment
from payments.standings import STANDINGS
from tests.bench.list_data import PAYMENTS, create_many_rows
from tests.bench.results import Measurement, p99, record_measurement
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
    *({"standing": standing} for standing in STANDINGS),
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
INVOICE_PAGES: list[dict[str, str]] = [
    {},
    {"status": "open"},
    {"status": "overdue"},
    {"status": "voided"},
    {"sort": "due", "status": "open"},
    {"sort": "-total"},
    {"company": "Company 17 "},
    {"q": "INV-12345"},
    {"q": "company 17"},
    {"q": "company"},
    {"q": "1,234.44"},
    {"q": "nothinglikeit"},
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
    found = [*measure_pages(client, path), *measure_invoices(client, many.url("invoices/"))]
    found += [
        *measure_totals(client, many.url("payments/totals")),
        *measure_files(client, many.url("payments/export/")),
    ]
    assert [row for row in found if not row.holds] == []


def measure_pages(client: Client, path: str) -> Iterator[Measurement]:
    """The pages of payments."""
    of = "of a million payments, p99 one at a time"
    yield record_measurement(f"Lists: a page {of}", measure_worst(client, list_paths(path, PAGES)), "ms", bound=80)
    searches = [{"q": text} for text in SEARCHES]
    yield record_measurement(f"Lists: a search {of}", measure_worst(client, list_paths(path, searches)), "ms", bound=80)
    wide = urlencode({"columns": COLUMNS.split()}, doseq=True)
    worst = measure_worst(client, [f"{path}?{wide}"])
    yield record_measurement(f"Lists: a page with every column {of}", worst, "ms", bound=80)
    most = max(count(partial(client.get, address)) for address in (path, f"{path}?q=ada&{wide}"))
    yield record_measurement("Lists: a page or a search, everything included", most, "statements", bound=6)


def measure_invoices(client: Client, path: str) -> Iterator[Measurement]:
    """The pages of invoices."""
    worst = measure_worst(client, list_paths(path, INVOICE_PAGES))
    yield record_measurement("Lists: a page of 200,000 invoices, p99 one at a time", worst, "ms", bound=80)
    most = max(count(partial(client.get, address)) for address in (path, f"{path}?q=company"))
    yield record_measurement("Lists: a page of invoices, everything included", most, "statements", bound=6)


def measure_totals(client: Client, path: str) -> Iterator[Measurement]:
    """The panel of totals."""
    asked: list[dict[str, str]] = [{}, {"standing": "succeeded", "method": "card"}, {"q": "4242"}]
    worst = measure_worst(client, list_paths(path, asked), repeats=4)
    yield record_measurement("Lists: totals of a million payments", worst, "ms", bound=600)


def measure_files(client: Client, path: str) -> Iterator[Measurement]:
    """Files of a hundred thousand rows."""
    newest = Payment.objects.order_by("-pk").values_list("paid_at", flat=True)
    since = newest.filter(paid_at__isnull=False)[EXPORTED * 4 // 5]
    for name, label in (("csv", "CSV"), ("xlsx", "Excel")):
        gc.collect()
        with watched_memory() as seen:
            begin = time.perf_counter()
            size = read_file(client, f"{path}{name}?since={since:%Y-%m-%d}")
            took = time.perf_counter() - begin
        grown = (max(seen) - seen[0]) / 2**20
        print(f"{name}: {size} bytes in {took:.1f} s, {grown:.0f} MiB")  # noqa: T201
        yield record_measurement(f"Lists: {label} of 100,000 payments", took, "s", bound=20)
        yield record_measurement(f"Lists: {label} of 100,000 payments, memory on top", grown, "MiB", bound=50)


def list_paths(path: str, queries: list[dict[str, str]]) -> list[str]:
    """The addresses of a page that ask for these."""
    return [f"{path}?{urlencode(query)}" for query in queries]


def count(ask: Callable[[], Any]) -> int:
    """Statements of one page."""
    ask()
    with CaptureQueriesContext(connection) as seen:
        ask()
    return statements(seen)
