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

from connections.budget import (
    REASONS,
    Account,
    Budgeted,
    Lane,
    OutOfBudget,
    Remaining,
    Usage,
    as_json,
    limits_of,
    remaining_of,
)
from connections.governor_outage import Outage

log = structlog.get_logger(__name__)

SCRIPT = (Path(__file__).parent / "lua" / "budget.lua").read_text()
STEP = 0.05  # seconds between two looks of somebody who may wait
outage = Outage()


def valkeys_clock() -> float | None:
    """The time that everybody shares: Valkey's own (None)."""
    return None


clock: Callable[[], float | None] = valkeys_clock  # seconds; a practice world that moves its time puts its own here
keyspace = ""  # practice worlds that share a Valkey have one each


class Slot:
    """One call's place. `learn` what the answer's headers say, or say that nothing was sent."""

    def __init__(self) -> None:
        self.outcome = "silent"
        self.status = 0
        self.left = Remaining()

    def learn(self, headers: Mapping[str, str], *, status: int = 200) -> None:
        """The answer's headers and status; a 429 is heeded by everybody."""
        self.outcome, self.status, self.left = "answered", status, remaining_of(headers)

    @property
    def was_accepted(self) -> bool:
        """Whether the provider took the call for ours, whatever it said to what was asked."""
        return self.outcome == "answered" and self.status < 500 and self.status not in (401, 403, 429)

    def unsent(self) -> None:
        """The provider certainly never heard of this call, so it did not count it."""
        self.outcome = "unsent"


@contextmanager
def take_call(account: Account, *, lane: Lane, patience: float = 0.0) -> Iterator[Slot]:
    """Hold one place around one call. Raises OutOfBudget when there is none for `lane`.

    `patience` seconds may be waited for one, by web requests only: a worker is told at once when to come back.
    """
    place = uuid.uuid4().hex
    slot = Slot()
    if not _take(account, place, lane, patience=patience):
        try:
            yield slot  # counted by PostgreSQL: nobody shares a count at the moment
        finally:
            account.was_accepted |= slot.was_accepted
            outage.learn(account, slot.left)
        return
    try:
        yield slot
    finally:
        account.was_accepted |= slot.was_accepted
        give_back(account, place, slot)


def require_room(account: Budgeted, *, lane: Lane) -> None:
    """Raise OutOfBudget when `lane` would get no call now, before anything is prepared for one; takes none."""
    try:
        _judge(_ask(account, "room", lane))
    except RedisError:
        return


def usage_of(account: Budgeted) -> Usage:
    """What is left of the account's budget, as far as anybody knows."""
    limits = limits_of(account.provider)
    try:
        seen = json.loads(_ask(account, "look"))
    except RedisError:
        return Usage(None, limits.minute, None, limits.day, queue_note=f"{REASONS['outage']}.")
    is_known = bool(seen["known"])
    return Usage(
        minute_left=int(seen["m"]) if is_known else None,
        minute_limit=limits.minute,
        day_left=int(seen["d"]) if is_known and "d" in seen else None,
        day_limit=limits.day,
        in_flight=int(seen["flying"]),
        resets_in_seconds=max(0, round(seen["mturns"])) if is_known else None,
        queue_note=_note(seen),
    )


def give_back(account: Budgeted, place: str, slot: Slot) -> None:
    """End a call's place; one that nobody ends is free after its lease."""
    left = slot.left
    known = ("" if value is None else value for value in (left.minute, left.day, left.app_minute))
    try:
        _ask(account, "end", place, slot.outcome, slot.status, *known, left.problem, left.retry_after)
    except RedisError as error:
        outage.notice()
        log.warning("budget.unreachable", error=type(error).__name__)


def _take(account: Budgeted, place: str, lane: Lane, *, patience: float) -> bool:
    """Take a place; False when it was counted without Valkey. Raises OutOfBudget."""
    began = time.monotonic()
    while True:
        try:
            _judge(_ask(account, "take", place, lane))
        except RedisError as error:
            log.warning("budget.unreachable", error=type(error).__name__)
            outage.take(account)
            return False
        except OutOfBudget as refusal:
            if time.monotonic() + min(refusal.retry_after or STEP, STEP) > began + patience:
                raise
            time.sleep(STEP)
        else:
            outage.end()
            return True


def _judge(answer: list[Any]) -> None:
    """Raise OutOfBudget if the script said no."""
    if not answer[0]:
        raise OutOfBudget(answer[1].decode(), retry_after=float(answer[2]))


def _ask(account: Budgeted, order: str, *words: str | float) -> Any:
    """One round trip. Raises RedisError."""
    limits = as_json(limits_of(account.provider))
    now = clock()
    seconds = "" if now is None else f"{now:.6f}"
    return _script(settings.REDIS_URL)(keys=_keys(account), args=[order, seconds, limits, *words])


def _keys(account: Budgeted) -> list[str]:
    """The keys of one budget; the braces keep them on one node of a cluster."""
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    tag = f"{prefix}calls{keyspace}:{{{account.client_id}:{account.organisation_id}}}"
    return [tag, f"{tag}:flights", f"{tag}:ended"]


@cache
def _script(url: str) -> Any:
    """The script, on a connection that gives up soon and never tries again by itself."""
    valkey = Redis.from_url(url, socket_connect_timeout=0.3, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))
    return valkey.register_script(SCRIPT)


def _note(seen: dict[str, Any]) -> str:
    """In words, who waits for what; empty when nobody does."""
    if seen["blocked"] > 0:
        return f"The accounting package asked us to wait for {round(seen['blocked'])} seconds."
    reason = seen.get("refused")
    return f"{REASONS.get(reason, reason)}: {seen['refused_lane']} work waits." if reason else ""
