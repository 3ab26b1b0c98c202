"""The governor without Valkey: a trickle that PostgreSQL counts, slow enough for every limit."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from connections.budget import Budgeted, OutOfBudget, Remaining
from wisepay.http import seconds_over_limit

FIRST = 62.0  # seconds until the minute in which others may still have used every call is certainly over
EVERY = timedelta(seconds=20)  # 4,320 a day, and never more than two of the longest calls at once
FEW_A_MINUTE, FEW_A_DAY = 5, 50


class Outage:
    """What this process knows of the time without a shared count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.since: float | None = None
        self.pauses: dict[tuple[str, str], float] = {}

    def notice(self) -> float:
        """The shared count is gone; answers for how many seconds already."""
        with self.lock:
            self.since = self.clock() if self.since is None else self.since
            return self.clock() - self.since

    def end(self) -> None:
        """The shared count is back."""
        if self.since is not None:
            with self.lock:
                self.since = None
                self.pauses.clear()

    def take(self, account: Budgeted) -> None:
        """One call of the trickle, counted for all processes. Raises OutOfBudget."""
        past = self.notice()
        if past < FIRST:
            raise OutOfBudget("outage", retry_after=FIRST - past)
        left = self.pauses.get(_key(account), 0.0) - self.clock()
        if left > 0:
            raise OutOfBudget("outage", retry_after=left)
        name = f"calls:{account.client_id}:{account.organisation_id}"[:120]
        wait = seconds_over_limit(name, limit=1, per=EVERY, now=timezone.now())
        if wait:
            raise OutOfBudget("outage", retry_after=wait)

    def learn(self, account: Budgeted, left: Remaining) -> None:
        """Stop when others have used nearly everything."""
        pause = 0.0
        if left.minute is not None and left.minute < FEW_A_MINUTE:
            pause = FIRST
        if left.day is not None and left.day < FEW_A_DAY:
            pause = 3600.0
        if pause:
            self.pauses[_key(account)] = self.clock() + pause


def _key(account: Budgeted) -> tuple[str, str]:
    return account.client_id, account.organisation_id
