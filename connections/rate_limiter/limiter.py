"""The governor: every call to a ledger takes a place here first, and teaches it what the answer said.

One budget per (app, organisation), shared by all workers; `lua/budget.lua` decides, in one step of Valkey's.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from connections.rate_limiter.budget import (
    REFUSAL_MESSAGES,
    BudgetAccount,
    BudgetOwner,
    BudgetUsage,
    OutOfBudget,
    Priority,
    RemainingCalls,
    get_rate_limits,
    parse_remaining_calls,
    render_rate_limits,
)
from connections.rate_limiter.fallback import FallbackLimiter

log = structlog.get_logger(__name__)

SCRIPT = (Path(__file__).parent / "lua" / "rate_limiter.lua").read_text()
POLL_INTERVAL = 0.05  # seconds between two looks of somebody who may wait
fallback_limiter = FallbackLimiter()


def get_valkey_time() -> float | None:
    """The time that everybody shares: Valkey's own (None)."""
    return None


clock: Callable[[], float | None] = get_valkey_time  # seconds; a practice world that moves its time puts its own here
keyspace = ""  # practice worlds that share a Valkey have one each


class Permit:
    """One call's place. `learn` what the answer's headers say, or say that nothing was sent."""

    def __init__(self) -> None:
        self.outcome = "silent"
        self.status = 0
        self.remaining = RemainingCalls()

    def record_response(self, headers: Mapping[str, str], *, status: int = 200) -> None:
        """The answer's headers and status; a 429 is heeded by everybody."""
        self.outcome, self.status, self.remaining = "answered", status, parse_remaining_calls(headers)

    @property
    def was_accepted(self) -> bool:
        """Whether the provider took the call for ours, whatever it said to what was asked."""
        return self.outcome == "answered" and self.status < 500 and self.status not in (401, 403, 429)

    def mark_unsent(self) -> None:
        """The provider certainly never heard of this call, so it did not count it."""
        self.outcome = "unsent"


@contextmanager
def acquire(account: BudgetAccount, *, priority: Priority, max_wait: float = 0.0) -> Iterator[Permit]:
    """Hold one place around one call. Raises OutOfBudget when there is none for `lane`.

    `patience` seconds may be waited for one, by web requests only: a worker is told at once when to come back.
    """
    place = uuid.uuid4().hex
    slot = Permit()
    if not _acquire(account, place, priority, max_wait=max_wait):
        try:
            yield slot  # counted by PostgreSQL: nobody shares a count at the moment
        finally:
            account.was_accepted |= slot.was_accepted
            fallback_limiter.record_remaining(account, slot.remaining)
        return
    try:
        yield slot
    finally:
        account.was_accepted |= slot.was_accepted
        release(account, place, slot)


def check_budget(account: BudgetOwner, *, priority: Priority) -> None:
    """Raise OutOfBudget when `lane` would get no call now, before anything is prepared for one; takes none."""
    try:
        _check_answer(_run_script(account, "room", priority))
    except RedisError:
        return


def get_budget_usage(account: BudgetOwner) -> BudgetUsage:
    """What is left of the account's budget, as far as anybody knows."""
    limits = get_rate_limits(account.provider)
    try:
        seen = json.loads(_run_script(account, "look"))
    except RedisError:
        return BudgetUsage(None, limits.minute, None, limits.day, queue_note=f"{REFUSAL_MESSAGES['outage']}.")
    is_known = bool(seen["known"])
    return BudgetUsage(
        minute_left=int(seen["m"]) if is_known else None,
        minute_limit=limits.minute,
        day_left=int(seen["d"]) if is_known and "d" in seen else None,
        day_limit=limits.day,
        in_flight=int(seen["flying"]),
        resets_in_seconds=max(0, round(seen["mturns"])) if is_known else None,
        queue_note=_describe_queue(seen),
    )


def release(account: BudgetOwner, permit_id: str, permit: Permit) -> None:
    """End a call's place; one that nobody ends is free after its lease."""
    left = permit.remaining
    known = ("" if value is None else value for value in (left.minute, left.day, left.app_minute))
    try:
        _run_script(account, "end", permit_id, permit.outcome, permit.status, *known, left.problem, left.retry_after)
    except RedisError as error:
        fallback_limiter.start_outage()
        log.warning("budget.unreachable", error=type(error).__name__)


def _acquire(account: BudgetOwner, permit_id: str, priority: Priority, *, max_wait: float) -> bool:
    """Take a place; False when it was counted without Valkey. Raises OutOfBudget."""
    began = time.monotonic()
    while True:
        try:
            _check_answer(_run_script(account, "take", permit_id, priority))
        except RedisError as error:
            log.warning("budget.unreachable", error=type(error).__name__)
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
    """Raise OutOfBudget if the script said no."""
    if not answer[0]:
        raise OutOfBudget(answer[1].decode(), retry_after=float(answer[2]))


def _run_script(account: BudgetOwner, order: str, *words: str | float) -> Any:
    """One round trip. Raises RedisError."""
    limits = render_rate_limits(get_rate_limits(account.provider))
    now = clock()
    seconds = "" if now is None else f"{now:.6f}"
    return _script(settings.REDIS_URL)(keys=_keys(account), args=[order, seconds, limits, *words])


def _keys(account: BudgetOwner) -> list[str]:
    """The keys of one budget; the braces keep them on one node of a cluster."""
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    tag = f"{prefix}calls{keyspace}:{{{account.client_id}:{account.organisation_id}}}"
    return [tag, f"{tag}:flights", f"{tag}:ended"]


@cache
def _script(url: str) -> Any:
    """The script, on a connection that gives up soon and never tries again by itself."""
    valkey = Redis.from_url(url, socket_connect_timeout=0.3, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))
    return valkey.register_script(SCRIPT)


def _describe_queue(seen: dict[str, Any]) -> str:
    """In words, who waits for what; empty when nobody does."""
    if seen["blocked"] > 0:
        return f"The accounting package asked us to wait for {round(seen['blocked'])} seconds."
    reason = seen.get("refused")
    return f"{REFUSAL_MESSAGES.get(reason, reason)}: {seen['refused_lane']} work waits." if reason else ""
