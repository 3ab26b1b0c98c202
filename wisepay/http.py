"""What views of every floor need: the client's address, its network, and rate limits."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from wisepay.models import RateWindow, User


class SignedInRequest(HttpRequest):
    """A request of a signed-in user (what `login_required` lets through)."""

    user: User


logger = structlog.get_logger(__name__)
_unnoticed = {"proxies"}  # what this process has not logged yet
UNKNOWN_IP = "0.0.0.0"  # noqa: S104 # nosec B104 - whoever has no address that can be read, and shares one budget
FORWARDED_ADDRESS = re.compile(
    r'^"?(?:\[(?P<v6>[^\]]+)\](?::\d+)?|(?P<v4>[\d.]+)(?::\d+)?|(?P<bare>[0-9a-fA-F:.]+))"?$'
)


def parse_ip(text: str) -> str:
    """The IP address in what a proxy or a server wrote: without port, brackets and zone, IPv4-mapped as IPv4.

    Empty when there is none: proxies also write "unknown", and strangers anything.
    """
    found = FORWARDED_ADDRESS.match(text.strip().partition("%")[0] if "[" not in text else text.strip())
    if found is None:
        return ""
    try:
        address = ip_address((found["v6"] or found["v4"] or found["bare"]).partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def get_client_ip(request: HttpRequest) -> str:
    """The client's IP address; X-Forwarded-For counts only as far as TRUSTED_PROXY_COUNT proxies wrote it.

    Always an address that the database takes; what our own proxy could not name is counted as the proxy.
    """
    hops = [h.strip() for h in request.headers.get("X-Forwarded-For", "").split(",") if h.strip()]
    count = settings.TRUSTED_PROXY_COUNT
    forwarded = parse_ip(hops[-count]) if count and len(hops) >= count else ""
    found = forwarded or parse_ip(str(request.META.get("REMOTE_ADDR", ""))) or UNKNOWN_IP
    if settings.SECURE:
        _notice_proxies(found, hops)
    return found


PROXY_PROBLEM_KEY, PROXY_PROBLEM_SECONDS = "proxy_problem", 86_400


def _notice_proxies(found: str, hops: list[str]) -> None:
    """Log once a process, and keep for the doctor, that visitors seem to come from inside: the count is wrong."""
    if ip_address(found).is_global or not _unnoticed:
        return
    _unnoticed.clear()
    named = "X-Forwarded-For named no address" if not hops else f"X-Forwarded-For named {len(hops)}"
    problem = f"a visitor's address is read as {found}, which is inside; {named}. Is TRUSTED_PROXY_COUNT right?"
    logger.warning("proxy_count_seems_wrong", problem=problem)
    with suppress(Exception):  # whatever the cache's client raises: a page must not fail over a notice
        cache.set(PROXY_PROBLEM_KEY, problem, PROXY_PROBLEM_SECONDS)


def find_proxy_problem() -> str:
    """What a web process noticed about proxies in the last day; empty when nothing."""
    try:
        return str(cache.get(PROXY_PROBLEM_KEY) or "")
    except Exception:  # the broker has a check of its own
        return ""


def get_network(ip: str, *, v6_prefix: int = 64) -> str:
    """What counts as one network: an IPv4 address, or so much of an IPv6 one. Raises ValueError for no address."""
    address = ip_address(parse_ip(ip) or ip)
    return str(ip_network((address, v6_prefix if address.version == 6 else 32), strict=False))


def prefers_page(request: HttpRequest) -> bool:
    """Whether a browser's form asks, which shows what it is answered as a page; scripts ask for JSON."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def parse_page_number(text: str, *, last: int) -> int:
    """The page that a query asks for, `last` at most; 1 for everything that is no number."""
    return max(1, min(int(text[:9]), last)) if text.isascii() and text.isdigit() else 1


LONGEST_RETRY_AFTER = timedelta(days=1)


def parse_retry_after(text: str | None, *, now: datetime) -> float | None:
    """The seconds that a Retry-After header asks for; it names a number or a date (RFC 9110).

    None for a header that is missing or makes no sense, for an instant that has passed, and for more than a day.
    """
    text = (text or "").strip()[:60]
    try:
        seconds = float(text) if text[:1].isdigit() else (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):  # a date without a zone cannot be compared
        return None
    return seconds if 0 < seconds <= LONGEST_RETRY_AFTER.total_seconds() else None


LONGEST_WINDOW = timedelta(days=2)  # more than any window that is counted
COUNT_SQL = """
INSERT INTO wisepay_ratewindow AS w (key, started_at, count) VALUES (%(key)s, %(now)s, 1)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN w.started_at <= %(begin)s THEN 1 ELSE w.count + 1 END,
    started_at = CASE WHEN w.started_at <= %(begin)s THEN EXCLUDED.started_at ELSE w.started_at END
RETURNING count, started_at
"""


def record_rate_limited_use(key: str, *, limit: int, per: timedelta, now: datetime) -> int:
    """Count one use of `key`; answer 0 within `limit` uses a window, else the seconds until the next window."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SQL, {"key": key, "now": now, "begin": now - per})
        row: tuple[Any, ...] = cursor.fetchone()
    count, started_at = row
    return 0 if count <= limit else max(1, int((started_at + per - now).total_seconds()) + 1)


def delete_old_rate_windows(*, now: datetime) -> int:
    """Delete counts whose window is over; the longest is a day. Answer how many."""
    return RateWindow.objects.filter(started_at__lt=now - LONGEST_WINDOW).delete()[0]


def too_many_requests(
    request: HttpRequest, exception: Exception | None = None, *, message: str = "", wait: int = 60
) -> HttpResponse:
    """The page after too many attempts, with the seconds to wait."""
    title = message or _("Too many attempts. Wait a while, then try again")
    response = render(request, "error.html", {"title": title}, status=429)
    response["Retry-After"] = str(wait)
    return response
