"""Who calls, and how often: addresses behind proxies, and counting that holds when many count at once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from tests.concurrency import run_concurrently
from wisepay.http import get_client_ip, never_cached, parse_page_number, record_rate_limited_use

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
]


@pytest.mark.parametrize(("proxies", "forwarded", "expected"), FORWARDED)
def test_a_forwarded_address_is_believed_only_from_our_own_proxies(
    settings: Settings, proxies: int, forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.1")
    assert get_client_ip(request) == expected


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


def test_no_cache_may_keep_an_answer() -> None:
    answer = never_cached(lambda: HttpResponse("now"))()
    assert {"no-store", "private", "no-cache"} <= set(answer["Cache-Control"].replace(" ", "").split(","))


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
