"""The rate limiter: a call to a provider acquires a permit first, and records what its answer said is left.

One budget per app and organisation, shared by all workers; `lua/rate_limiter.lua` decides, atomically in Valkey, and
PostgreSQL counts while Valkey is away.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import structlog
from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from wisepay import clock
from wisepay.errors import Unavailable
from wisepay.http import parse_retry_after, record_rate_limited_use

Priority = Literal["interactive", "company", "service", "document"]
REFUSAL_MESSAGES = {
    "minute": "The calls of this minute are used up",
    "day": "The calls of this day are used up",
    "appminute": "Too many calls of all organisations in this minute",
    "second": "The calls of this second are used up",
    "concurrent": "As many calls as allowed are on their way",
    "company": "Work that people wait for goes first",
    "outage": "Calls are counted slowly, because the shared count is not reachable",
}
log = structlog.get_logger(__name__)
DEFAULT_PAUSE = 60.0  # seconds after a refusal that does not say when to come again
POLL_INTERVAL = 0.05  # seconds between two tries of a request that may wait
# Without Valkey few calls are made, counted in PostgreSQL, slowly enough for every limit.
FIRST_MINUTE = 62.0  # seconds until a minute whose calls may all be used up is certainly over
CALL_INTERVAL = timedelta(seconds=20)  # 4,320 a day, and never more than two of the longest calls at once
LOW_MINUTE_BUDGET, LOW_DAY_BUDGET = 5, 50
keyspace = ""  # sandboxes that share a Valkey have one each


class BudgetOwner(Protocol):
    """One app at one organisation, whose calls are counted together. A Connection is one."""

    @property
    def provider(self) -> str: ...

    @property
    def client_id(self) -> str: ...

    @property
    def organisation_id(self) -> str: ...


@dataclass(slots=True)
class BudgetAccount:
    """A budget owner without a database, for adapters. `was_accepted` once the provider accepted its credentials."""

    provider: str
    client_id: str
    organisation_id: str
    was_accepted: bool = False

    @classmethod
    def from_owner(cls, owner: BudgetOwner) -> Self:
        """The account on which a connection's calls are counted."""
        return cls(owner.provider, owner.client_id, owner.organisation_id)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What a provider allows one app at one organisation; 0 means that there is no such limit.

    The margins stay unused until a window is expected to turn: the first call of the next window is tried with them.
    """

    minute: int
    day: int
    in_flight: int
    second: int = 0
    app_minute: int = 0
    minute_margin: int = 1
    day_margin: int = 30
    reserve: int = 10  # calls of a minute that only interactive work may use
    headers: int = 1  # whether answers say how many calls are left
    lease: int = 30  # seconds after which the worker of a call counts as dead


@dataclass(frozen=True, slots=True)
class RemainingCalls:
    """The calls that an answer says are left of each budget; None where it says nothing."""

    minute: int | None = None
    day: int | None = None
    app_minute: int | None = None
    problem: str = "minute"
    retry_after: float = 60.0


@dataclass(frozen=True, slots=True)
class BudgetUsage:
    """What is left of a budget, for a page; None where it is not known."""

    minute_left: int | None
    minute_limit: int
    day_left: int | None
    day_limit: int
    in_flight: int | None = None
    resets_in_seconds: int | None = None
    queue_note: str = ""


class OutOfBudget(Unavailable):
    """Nothing was sent: the budget has no call for this priority now. The provider itself is available."""

    def __init__(self, reason: str, *, retry_after: float) -> None:
        message = REFUSAL_MESSAGES.get(reason, f"The {reason} limit is reached")
        super().__init__(message, retry_after=retry_after, maybe_done=False)
        self.reason = reason


def get_rate_limits(provider: str) -> RateLimits:
    """Get the limits of a provider. Raises KeyError for an unknown one."""
    a_second = settings.QUICKBOOKS_A_SECOND
    table = {
        "xero": RateLimits(minute=60, day=settings.XERO_DAY_LIMIT, in_flight=5, app_minute=10_000),
        "quickbooks": RateLimits(minute=500, day=0, in_flight=10, second=a_second, reserve=40, headers=0),
        # The vendor names no limit: these are what we hold ourselves to.
        "cpq": RateLimits(
            minute=settings.CPQ_CALLS_PER_MINUTE, day=0, in_flight=settings.CPQ_CALLS_IN_FLIGHT, reserve=20, headers=0
        ),
        # Each of its batches is one of the calls above as well.
        "quickbooks-batches": RateLimits(minute=40, day=0, in_flight=10, reserve=4, headers=0),
        # It refuses beyond about 1,000, whoever makes them.
        "psa": RateLimits(minute=settings.PSA_MINUTE_LIMIT, day=0, in_flight=10, reserve=60, headers=0),
    }
    return table[provider]


def render_rate_limits(limits: RateLimits) -> str:
    """Render the limits as JSON for the script."""
    return json.dumps(asdict(limits))


def parse_remaining_calls(headers: Mapping[str, str]) -> RemainingCalls:
    """Parse an answer's headers; None for what is missing or no number."""
    found = {name.lower(): value for name, value in headers.items()}
    return RemainingCalls(
        minute=_parse_integer(found.get("x-minlimit-remaining")),
        day=_parse_integer(found.get("x-daylimit-remaining")),
        app_minute=_parse_integer(found.get("x-appminlimit-remaining")),
        problem=found.get("x-rate-limit-problem", "minute").lower(),
        retry_after=parse_retry_after(found.get("retry-after"), now=clock.now()) or DEFAULT_PAUSE,
    )


def _parse_integer(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() and len(text) < 12 else None


SCRIPT = (Path(__file__).parent / "lua" / "rate_limiter.lua").read_text()


class FallbackLimiter:
    """The rate limiter without Valkey, and what this process knows while the shared count is away."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.outage_began: float | None = None
        self.pauses: dict[tuple[str, str], float] = {}

    def start_outage(self) -> float:
        """Note that the shared count is away; answer for how many seconds already."""
        with self.lock:
            self.outage_began = self.clock() if self.outage_began is None else self.outage_began
            return self.clock() - self.outage_began

    def end_outage(self) -> None:
        """Note that the shared count is back."""
        if self.outage_began is not None:
            with self.lock:
                self.outage_began = None
                self.pauses.clear()

    def acquire(self, account: BudgetOwner) -> None:
        """Count one call for all processes. Raises OutOfBudget when it comes too early."""
        seconds = self.start_outage()
        if seconds < FIRST_MINUTE:
            raise OutOfBudget("outage", retry_after=FIRST_MINUTE - seconds)
        remaining = self.pauses.get(_key(account), 0.0) - self.clock()
        if remaining > 0:
            raise OutOfBudget("outage", retry_after=remaining)
        name = f"calls:{account.client_id}:{account.organisation_id}"[:120]
        wait = record_rate_limited_use(name, limit=1, per=CALL_INTERVAL, now=clock.now())
        if wait:
            raise OutOfBudget("outage", retry_after=wait)

    def record_remaining(self, account: BudgetOwner, remaining: RemainingCalls) -> None:
        """Pause when an answer says that few calls are left."""
        pause = 0.0
        if remaining.minute is not None and remaining.minute < LOW_MINUTE_BUDGET:
            pause = FIRST_MINUTE
        if remaining.day is not None and remaining.day < LOW_DAY_BUDGET:
            pause = 3600.0
        if pause:
            self.pauses[_key(account)] = self.clock() + pause


def _key(account: BudgetOwner) -> tuple[str, str]:
    return account.client_id, account.organisation_id


fallback_limiter = FallbackLimiter()


def get_valkey_time() -> float | None:
    """The clock that all workers share: Valkey's own (None)."""
    return None


shared_clock: Callable[[], float | None] = get_valkey_time  # seconds; the sandbox replaces it to move the time


class Permit:
    """The permit of one call; record its response, or mark it as never sent."""

    def __init__(self) -> None:
        self.outcome = "no_response"
        self.status = 0
        self.remaining = RemainingCalls()

    def record_response(self, headers: Mapping[str, str], *, status: int = 200) -> None:
        """Record the answer's headers and status; after a 429 nobody calls until the provider allows it."""
        self.outcome, self.status, self.remaining = "answered", status, parse_remaining_calls(headers)

    @property
    def was_accepted(self) -> bool:
        """Whether the provider accepted our credentials, whatever it answered to the call itself."""
        return self.outcome == "answered" and self.status < 500 and self.status not in (401, 403, 429)

    def mark_unsent(self) -> None:
        """The call certainly never reached the provider, so the provider did not count it."""
        self.outcome = "unsent"


@contextmanager
def acquire(account: BudgetAccount, *, priority: Priority, max_wait: float = 0.0) -> Iterator[Permit]:
    """Hold a permit around one call. Raises OutOfBudget when there is none for `priority`.

    Web requests may wait `max_wait` seconds for one; a worker is told at once when to try again.
    """
    permit_id = uuid.uuid4().hex
    permit = Permit()
    is_shared = _acquire(account, permit_id, priority, max_wait=max_wait)
    try:
        yield permit
    finally:
        account.was_accepted |= permit.was_accepted
        if is_shared:
            release(account, permit_id, permit)
        else:
            fallback_limiter.record_remaining(account, permit.remaining)


def check_budget(account: BudgetOwner, *, priority: Priority) -> None:
    """Raise OutOfBudget when `priority` would get no permit now; acquires none."""
    try:
        _check_answer(_run_script(account, "check", priority))
    except RedisError:
        return


def get_budget_usage(account: BudgetOwner) -> BudgetUsage:
    """What is left of the account's budget, as far as it is known."""
    limits = get_rate_limits(account.provider)
    try:
        usage = json.loads(_run_script(account, "usage"))
    except RedisError:
        return BudgetUsage(None, limits.minute, None, limits.day, queue_note=f"{REFUSAL_MESSAGES['outage']}.")
    is_known = bool(usage["known"])
    return BudgetUsage(
        minute_left=int(usage["m"]) if is_known else None,
        minute_limit=limits.minute,
        day_left=int(usage["d"]) if is_known and "d" in usage else None,
        day_limit=limits.day,
        in_flight=int(usage["in_flight"]),
        resets_in_seconds=max(0, round(usage["mturns"])) if is_known else None,
        queue_note=_describe_queue(usage),
    )


def release(account: BudgetOwner, permit_id: str, permit: Permit) -> None:
    """Release a permit with what its answer said; one that nobody releases ends with its lease."""
    remaining = permit.remaining
    counts = ["" if n is None else n for n in (remaining.minute, remaining.day, remaining.app_minute)]
    problem: list[str | float] = [remaining.problem, remaining.retry_after]
    try:
        _run_script(account, "release", permit_id, permit.outcome, permit.status, *counts, *problem)
    except RedisError as error:
        fallback_limiter.start_outage()
        log.warning("rate_limiter.valkey_unreachable", error=type(error).__name__)


def _acquire(account: BudgetOwner, permit_id: str, priority: Priority, *, max_wait: float) -> bool:
    """Acquire a permit; False when Valkey is away and PostgreSQL counted it. Raises OutOfBudget."""
    began = time.monotonic()
    while True:
        try:
            _check_answer(_run_script(account, "acquire", permit_id, priority))
        except RedisError as error:
            log.warning("rate_limiter.valkey_unreachable", error=type(error).__name__)
            fallback_limiter.acquire(account)
            return False
        except OutOfBudget as refusal:
            if time.monotonic() + min(refusal.retry_after or POLL_INTERVAL, POLL_INTERVAL) > began + max_wait:
                raise
            time.sleep(POLL_INTERVAL)
        else:
            fallback_limiter.end_outage()
            return True


def _check_answer(answer: list[Any]) -> None:
    """Raise OutOfBudget if the script refused."""
    if not answer[0]:
        raise OutOfBudget(answer[1].decode(), retry_after=float(answer[2]))


def _run_script(account: BudgetOwner, order: str, *arguments: str | float) -> Any:
    """Run the script with one round trip. Raises RedisError."""
    limits = render_rate_limits(get_rate_limits(account.provider))
    now = shared_clock()
    seconds = "" if now is None else f"{now:.6f}"
    return _script(settings.REDIS_URL)(keys=_keys(account), args=[order, seconds, limits, *arguments])


def _keys(account: BudgetOwner) -> list[str]:
    """The keys of one budget; the braces keep them on one node of a cluster."""
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    tag = f"{prefix}calls{keyspace}:{{{account.client_id}:{account.organisation_id}}}"
    return [tag, f"{tag}:in_flight", f"{tag}:ended"]


@cache
def _script(url: str) -> Any:
    """The script, on a connection that gives up soon and never retries."""
    valkey = Redis.from_url(url, socket_connect_timeout=0.3, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))
    return valkey.register_script(SCRIPT)


def _describe_queue(usage: dict[str, Any]) -> str:
    """Say for people which work waits for what; empty when none does."""
    if usage["blocked"] > 0:
        return f"The accounting package asked us to wait for {round(usage['blocked'])} seconds."
    reason = usage.get("refused")
    return f"{REFUSAL_MESSAGES.get(reason, reason)}: {usage['refused_priority']} work waits." if reason else ""
