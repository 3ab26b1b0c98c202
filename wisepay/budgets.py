"""Budgets: how many mails and vendor calls a stranger may cause, in one table, and the middleware that counts calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from django.conf import settings
from django.db.models import F
from django.http import HttpRequest, HttpResponse

from wisepay import clock
from wisepay.errors import Unavailable
from wisepay.http import get_client_ip, get_network, record_rate_limited_use
from wisepay.models import RateWindow

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NETWORK_PREFIXES = (64, 56, 48)


class Budget(StrEnum):
    """What is counted, for one key each; the value is the setting that holds the number."""

    MAILS_TO_ADDRESS = "MAILS_PER_ADDRESS_HOUR"
    MAILS_FROM_NETWORK = "MAILS_PER_NETWORK_HOUR"
    MAILS_FROM_LINK = "MAILS_PER_LINK_HOUR"
    INVITATIONS_OF_PERSON = "INVITATIONS_PER_PERSON_HOUR"
    INVITATIONS_OF_MERCHANT = "MEMBER_INVITATIONS_PER_MERCHANT_HOUR"
    SIGN_IN_FAILURES = "SIGN_IN_FAILURES_PER_ADDRESS_HOUR"
    SIGN_IN_FAILURES_OF_NETWORK = "SIGN_IN_FAILURES_PER_NETWORK_HOUR"
    DOCUMENTS_OF_PERSON = "DOCUMENTS_PER_PERSON_HOUR"
    FILES_OF_PERSON = "FILES_PER_PERSON_HOUR"
    STATUS_CHECKS = "STATUS_CHECKS_PER_TEN_SECONDS"
    LINKS_OF_NETWORK = "QUOTE_LINKS_PER_NETWORK_MINUTE"
    LINKS_OF_MERCHANT = "QUOTE_LINKS_PER_MERCHANT_MINUTE"
    READINGS_OF_QUOTE = "QUOTE_READINGS_PER_MINUTE"
    PAYNOW_LINKS_OF_NETWORK = "PAYNOW_LINKS_PER_NETWORK_MINUTE"
    GUESSES_OF_NETWORK = "INVOICE_GUESSES_PER_NETWORK_HOUR"
    GUESSES_OF_MERCHANT = "INVOICE_GUESSES_PER_MERCHANT_HOUR"
    READINGS_OF_INVOICE = "INVOICE_READINGS_PER_MINUTE"
    CALLS_OF_PERSON = "VENDOR_CALLS_PER_PERSON_MINUTE"
    CALLS_OF_NETWORK = "VENDOR_CALLS_PER_NETWORK_MINUTE"


PERIODS = {
    Budget.STATUS_CHECKS: timedelta(seconds=10),
    Budget.LINKS_OF_NETWORK: MINUTE,
    Budget.LINKS_OF_MERCHANT: MINUTE,
    Budget.READINGS_OF_QUOTE: MINUTE,
    Budget.PAYNOW_LINKS_OF_NETWORK: MINUTE,
    Budget.READINGS_OF_INVOICE: MINUTE,
    Budget.CALLS_OF_PERSON: MINUTE,
    Budget.CALLS_OF_NETWORK: MINUTE,
}


class CallRefused(Unavailable):
    """No vendor was called: whoever asks has asked too often. `retry_after` seconds until it may be asked again."""


def spend(budget: Budget, key: object, *, now: datetime) -> int:
    """Count one use by `key`; return 0 within the budget, else the seconds until the next one."""
    limit = int(getattr(settings, budget.value))
    return record_rate_limited_use(_build_key(budget, key), limit=limit, per=PERIODS.get(budget, HOUR), now=now)


def give_back(budget: Budget, key: object) -> None:
    """Take back one use that was counted before it was known to be none."""
    RateWindow.objects.filter(key=_build_key(budget, key), count__gt=0).update(count=F("count") - 1)


def give_back_for_network(budget: Budget, ip: str) -> None:
    """The same for the network of `ip`, of IPv6 also for the wider ones."""
    for network in list_networks(ip):
        give_back(budget, network)


def count(budget: Budget, key: object, *, now: datetime) -> int:
    """Return how often `key` was counted in the window that is open now; counts nothing."""
    window = RateWindow.objects.filter(key=_build_key(budget, key), started_at__gt=now - PERIODS.get(budget, HOUR))
    return window.values_list("count", flat=True).first() or 0


def _build_key(budget: Budget, key: object) -> str:
    # An address may be as long as a key may be: a digest is always short, and tells nobody who it was.
    return f"{budget.name}:{sha256(str(key).lower().encode()).hexdigest()[:40]}"


def spend_for_network(budget: Budget, ip: str, *, now: datetime) -> int:
    """Count one use by the network of `ip`, of IPv6 also by the wider ones; return the seconds to wait, or 0."""
    return max(spend(budget, network, now=now) for network in list_networks(ip))


def count_for_network(budget: Budget, ip: str, *, now: datetime) -> int:
    """Return how often the network of `ip`, or the busiest of the wider ones, was counted; counts nothing."""
    return max(count(budget, network, now=now) for network in list_networks(ip))


def list_networks(ip: str) -> list[str]:
    """The network of an address, of IPv6 also the wider ones that one subscriber may have."""
    return sorted({get_network(ip, v6_prefix=length) for length in NETWORK_PREFIXES})


@dataclass
class Asker:
    """Who makes the request that is served now; `wait` is more than 0 once a call was refused."""

    request: HttpRequest
    wait: int = 0

    def spend_call(self) -> None:
        """Count a vendor call. Raises CallRefused."""
        now = clock.now()
        user = getattr(self.request, "user", None)
        if user is not None and user.is_authenticated:
            self.wait = spend(Budget.CALLS_OF_PERSON, user.pk, now=now)
        else:
            self.wait = spend_for_network(Budget.CALLS_OF_NETWORK, get_client_ip(self.request), now=now)
        if self.wait:
            raise CallRefused("Too many requests in a short time.", retry_after=float(self.wait), maybe_done=False)


_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)


def count_vendor_call() -> None:
    """Count a call that is about to be made for a page; workers have budgets of their own. Raises CallRefused.

    Everything that opens a vendor asks here, so that no page can cause calls without end.
    """
    asker = _asker.get()
    if asker is not None:
        asker.spend_call()


@contextmanager
def uncounted_calls() -> Iterator[None]:
    """Let the calls of the block pass: what was committed must be sent, and another limit has let it in."""
    token = _asker.set(None)
    try:
        yield
    finally:
        _asker.reset(token)


class VendorCallMiddleware:
    """Counts the vendor calls of each page; one that was refused is answered with 429 and the seconds to wait."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asker = Asker(request)
        token = _asker.set(asker)
        try:
            response = self.get_response(request)
        finally:
            _asker.reset(token)
        if asker.wait and (response.status_code >= 400):
            response.status_code = 429
            response["Retry-After"] = str(asker.wait)
        return response
