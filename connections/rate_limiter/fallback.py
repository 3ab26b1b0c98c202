"""The rate limiter without Valkey: few calls, counted in PostgreSQL, slow enough for every limit."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from connections.rate_limiter.budget import BudgetOwner, OutOfBudget, RemainingCalls
from wisepay import clock
from wisepay.http import record_rate_limited_use

FIRST_MINUTE = 62.0  # seconds until a minute whose calls may all be used up is certainly over
CALL_INTERVAL = timedelta(seconds=20)  # 4,320 a day, and never more than two of the longest calls at once
LOW_MINUTE_BUDGET, LOW_DAY_BUDGET = 5, 50


class FallbackLimiter:
    """What this process knows while the shared count is away."""

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
