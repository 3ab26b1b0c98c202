"""Who calls, and how often: addresses behind proxies, and counting that holds when many count at once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory
from pytest_django import Settings

from merchants.models import Terms
from merchants.terms.services import get_current_terms
from tests.concurrency import run_concurrently
from tests.tenants import PASSWORD, Checkout, Tenant
from wisepay.checks import check_proxies
from wisepay.health_checks import check_proxy_count
from wisepay.http import (
    PROXY_PROBLEM_KEY,
    find_proxy_problem,
    get_client_ip,
    get_network,
    parse_page_number,
    record_rate_limited_use,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FORWARDED = [
    (0, "", "10.0.0.1"),
    (0, "6.6.6.6", "10.0.0.1"),
    (1, "", "10.0.0.1"),
    (1, "203.0.113.7", "203.0.113.7"),
    (1, "6.6.6.6, 203.0.113.7", "203.0.113.7"),
    (2, "6.6.6.6, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
    (2, "203.0.113.7", "10.0.0.1"),
    (1, " , 203.0.113.7 ,", "203.0.113.7"),
    (1, "2001:db8::7", "2001:db8::7"),
    (1, "203.0.113.7:5555", "203.0.113.7"),
    (1, "[2001:db8::7]:5555", "2001:db8::7"),
    (1, "[2001:db8::7]", "2001:db8::7"),
    (1, '"[2001:db8::7]:1"', "2001:db8::7"),
    (1, "fe80::1%eth0", "fe80::1"),
    (1, "::ffff:203.0.113.7", "203.0.113.7"),
    (1, "[::ffff:203.0.113.7]:80", "203.0.113.7"),
    (1, "unknown", "10.0.0.1"),
    (1, "_hidden", "10.0.0.1"),
    (1, "999.1.1.1", "10.0.0.1"),
    (1, "1.2.3.4:x", "10.0.0.1"),
    (1, "[2001:db8::7", "10.0.0.1"),
    (1, "1.2.3", "10.0.0.1"),
    (1, "٣.٣.٣.٣", "10.0.0.1"),
    (1, "'; DROP TABLE x; --", "10.0.0.1"),
    (1, "a" * 8000, "10.0.0.1"),
    (2, "unknown, 203.0.113.7", "10.0.0.1"),
    (2, "203.0.113.9, unknown", "203.0.113.9"),
]
# What a proxy or a stranger may write there; no page may fail over it.
UNREADABLE = [
    "",
    ",",
    "unknown",
    "1.2.3.4:5555",
    "[::1]:80",
    "[",
    "]",
    "::",
    "\u0663.1.1.1",
    "%",
    "1.2.3.4, unknown",
    "a" * 4000,
]


@pytest.mark.parametrize(("proxies", "forwarded", "expected"), FORWARDED)
def test_a_forwarded_address_is_believed_only_from_our_own_proxies(
    settings: Settings, proxies: int, forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.1")
    assert get_client_ip(request) == expected


@pytest.mark.parametrize("remote", ["", "unix:", "/run/web.sock", "garbage"])
def test_a_server_that_knows_no_address_still_gives_one_that_can_be_stored(remote: str) -> None:
    assert get_client_ip(RequestFactory().get("/", REMOTE_ADDR=remote)) == "0.0.0.0"


@pytest.mark.parametrize(
    ("ip", "prefix", "network"),
    [
        ("203.0.113.9", 64, "203.0.113.9/32"),
        ("203.0.113.9", 48, "203.0.113.9/32"),
        ("::ffff:203.0.113.9", 64, "203.0.113.9/32"),
        ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64"),
        ("2001:db8:1:2ff::9", 56, "2001:db8:1:200::/56"),
        ("2001:db8:1:2ff::9", 48, "2001:db8:1::/48"),
    ],
)
def test_what_counts_as_one_network(ip: str, prefix: int, network: str) -> None:
    assert get_network(ip, v6_prefix=prefix) == network


@pytest.mark.parametrize("forwarded", UNREADABLE)
def test_no_page_that_keeps_an_address_fails_over_what_is_forwarded(
    tenant: Tenant, checkout: Checkout, settings: Settings, forwarded: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    settings.SECURE_PROXY_SSL_HEADER = None
    client = Client(headers={"X-Forwarded-For": forwarded})
    assert checkout.pay(client=client).status_code == 200
    form = {"login": tenant.user.email, "password": PASSWORD}
    assert client.post("/accounts/login/", form).status_code == 302
    client.force_login(tenant.user)
    changed = client.post(tenant.url("configure/event-notifications"), {"events": ["prepayment_processed"]})
    assert changed.status_code == 302
    terms = get_current_terms(tenant.merchant, Terms.Kind.USER_ACCOUNT).pk
    typed = {"name": "Ada", "email": "ada@example.com", "accepted_terms": terms}
    other = tenant.open_checkout()
    assert client.post(f"{other.path}/register", typed).status_code in (200, 302, 422)


def test_a_limit_lets_so_many_pass_and_then_names_the_seconds(db: None) -> None:
    waits = [record_rate_limited_use("k", limit=2, per=MINUTE, now=NOW + timedelta(seconds=s)) for s in (0, 1, 10)]
    assert waits == [0, 0, 51]
    assert record_rate_limited_use("k", limit=2, per=MINUTE, now=NOW + timedelta(seconds=60)) == 0
    assert record_rate_limited_use("other", limit=2, per=MINUTE, now=NOW) == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_exactly_the_limit_passes() -> None:
    waits = run_concurrently(16, lambda _: record_rate_limited_use("k", limit=5, per=MINUTE, now=NOW))
    assert waits.count(0) == 5
    assert set(waits) == {0, 61}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("x", 1),
        ("-1", 1),
        ("0", 1),
        ("²", 1),
        ("٣", 1),
        ("7", 7),
        ("400", 400),
        ("401", 400),
        ("9" * 5000, 400),
    ],
)
def test_a_page_number_is_within_its_bounds_whatever_is_asked(text: str, expected: int) -> None:
    assert parse_page_number(text, last=400) == expected


@pytest.mark.parametrize(
    ("count", "forwarded", "is_noticed"), [(1, "10.9.9.9", True), (1, "8.8.8.8", False), (0, "", True)]
)
def test_a_count_of_proxies_that_cannot_be_right_is_noticed_once_and_told_by_the_doctor(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, count: int, forwarded: str, is_noticed: bool
) -> None:
    monkeypatch.setattr("wisepay.http._unnoticed", {"proxies"})
    settings.TRUSTED_PROXY_COUNT, settings.SECURE = count, True
    cache.delete(PROXY_PROBLEM_KEY)
    for _ in range(2):
        get_client_ip(RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="10.0.0.1"))
    assert bool(find_proxy_problem()) is is_noticed
    [found] = check_proxy_count()
    assert found.ok is (False if count == 0 else None if is_noticed else True)
    assert bool(check_proxies()) is (count == 0)
