"""What every list of the console keeps: orders, columns, filters, the same rows as a file, few statements."""

import csv
import io
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse

from merchants.listings import MerchantListing
from merchants.saved_queries import LIST_PAGES
from payments.models import Dispute
from tests.bad_input.scene import Scene
from tests.bench.test_counts import statements
from tests.tenants import Tenant
from wisepay.lists.filters import AmountFilter, ChoiceFilter, DayFilter
from wisepay.lists.listings import Listing

assert get_resolver().url_patterns  # every list is there once the pages are
LISTINGS: dict[str, type[Listing[Any]]] = {listing.name: listing for listing in MerchantListing.__subclasses__()}
MOST_STATEMENTS = 6
# What is asked for so that the scene has a row of it.
EVERYTHING: dict[str, dict[str, str]] = {"scheduled": {"show": "all"}}


@pytest.fixture
def scene(tenant: Tenant) -> Scene:
    """A merchant with a row of everything."""
    found = Scene(tenant, "ours")
    Dispute.objects.create(
        attempt=found.attempt, stripe_dispute_id="dp_scene", amount=100, state="open", state_at=found.now
    )
    return found


def get_path(tenant: Tenant, name: str, tail: str = "") -> str:
    """The page of a list, or what is beside it."""
    path = reverse(LIST_PAGES[name], args=[tenant.merchant.reference])
    return path.rstrip("/") + tail if tail else path


def list_row_keys(page: str) -> list[str]:
    """The rows of the page, by the text of their first cell."""
    return re.findall(r'<th scope="row"[^>]*>(.*?)</th>', page, re.DOTALL)


def test_every_list_has_a_page_and_every_page_a_list() -> None:
    assert sorted(LISTINGS) == sorted(LIST_PAGES)
    for listing in LISTINGS.values():
        labels = [column.label for column in listing.table_class.base_columns.values()]
        assert len(set(labels)) == len(labels), listing.name
        offered = {column.sort for column in listing.table_class.base_columns.values() if column.sort}
        assert {name for sort in offered for name in (sort, f"-{sort}")} <= {sort.name for sort in listing.sorts}


@pytest.mark.parametrize("name", sorted(LIST_PAGES))
def test_a_list_shows_every_order_and_column_in_few_statements(scene: Scene, name: str) -> None:
    listing, client = LISTINGS[name], scene.tenant.admin
    every: dict[str, Any] = {"columns": list(listing.table_class.base_columns), **EVERYTHING.get(name, {})}
    client.get(get_path(scene.tenant, name), every)
    orders: list[dict[str, Any]] = [{"sort": sort.name, **every} for sort in listing.sorts]
    asked: list[dict[str, Any]] = [{}, {"q": "harbour"}, every, *orders]
    for query in asked:
        with CaptureQueriesContext(connection) as seen:
            answer = client.get(get_path(scene.tenant, name), query)
        found = "\n".join(row["sql"][:160] for row in seen.captured_queries)
        assert (answer.status_code, statements(seen) <= MOST_STATEMENTS) == (200, True), f"{query}\n{found}"
    page = answer.content.decode()
    assert list_row_keys(page), "the scene has no row of it"
    assert all(
        f">{column.label}<" in re.sub(r">\s+|\s+<", lambda m: m[0].strip(), page)
        for column in listing.table_class.base_columns.values()
    )


@pytest.mark.parametrize("name", sorted(LIST_PAGES))
def test_a_file_holds_the_rows_of_the_page(scene: Scene, name: str) -> None:
    query = EVERYTHING.get(name, {})
    page = scene.tenant.admin.get(get_path(scene.tenant, name), query).content.decode()
    files = {
        kind: scene.tenant.admin.get(get_path(scene.tenant, name, f"/export/{kind}"), query) for kind in ("csv", "xlsx")
    }
    rows = list(csv.DictReader(io.StringIO(files["csv"].getvalue().decode().removeprefix("\ufeff"))))
    assert len(rows) == len(list_row_keys(page))
    assert list(rows[0]) == [column.label for column in LISTINGS[name].table_class.base_columns.values()]
    assert files["xlsx"].getvalue()[:2] == b"PK"


@pytest.mark.parametrize("name", sorted(LIST_PAGES))
def test_each_filter_takes_what_it_offers_and_says_what_it_does_not_take(scene: Scene, name: str) -> None:
    path = get_path(scene.tenant, name)
    for field, one in LISTINGS[name].filters_class.base_filters.items():
        good = (
            [key for key, _ in one.extra["choices"]]
            if isinstance(one, ChoiceFilter)
            else ["2026-11-01"]
            if isinstance(one, DayFilter)
            else ["12.50"]
        )
        for value in good:
            assert scene.tenant.admin.get(path, {field: value}).status_code == 200, f"{field}={value}"
        if isinstance(one, ChoiceFilter | DayFilter | AmountFilter):
            answer = scene.tenant.admin.get(path, {field: "none of these"})
            assert (answer.status_code, "errorlist" in answer.content.decode()) == (422, True), field


@pytest.mark.parametrize("name", sorted(LIST_PAGES))
def test_nothing_of_a_list_is_another_merchants(scene: Scene, stranger: Tenant, name: str) -> None:
    for query in (EVERYTHING.get(name, {}), {"q": "harbour", **EVERYTHING.get(name, {})}):
        page = stranger.admin.get(get_path(stranger, name), query)
        assert (page.status_code, list_row_keys(page.content.decode())) == (200, [])
    for tail in ("", "/export/csv"):
        assert stranger.admin.get(get_path(scene.tenant, name, tail)).status_code == 404
