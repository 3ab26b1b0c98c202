"""A model of Xero's call limits in simulated time, and workers whom only the script limits."""

import heapq
import itertools
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from connections.rate_limiter.limiter import Priority, RateLimits

Script = Callable[..., Any]
numbers = itertools.count(1)
START = 1_790_000_000.0


@dataclass
class LimitWindow:
    """A fixed window: of a phase of its own, or (`phase` None) begun by the first call after the last one ended."""

    limit: int
    span: float
    phase: float | None
    began: float = -1e18
    used: int = 0
    history: list[tuple[float, int]] = field(default_factory=list)

    def turn(self, at: float) -> None:
        """Begin a new window if the last is over."""
        if self.phase is None:
            is_over, began = at >= self.began + self.span, at
        else:
            began = (at - self.phase) // self.span * self.span + self.phase
            is_over = began > self.began
        if is_over:
            self.history.append((self.began, self.used))
            self.began, self.used = began, 0


@dataclass
class XeroLimitsModel:
    """What the vendor counts; `refused` are its 429s."""

    windows: dict[str, LimitWindow]
    in_flight: int = 5
    in_flight_count: int = 0
    refused: list[str] = field(default_factory=list)

    def count(self, at: float) -> dict[str, int] | None:
        """Count one call; what is left of each window, or None for a 429."""
        for name, window in self.windows.items():
            window.turn(at)
            if window.used >= window.limit:
                self.refused.append(name)
                return None
        if self.in_flight_count >= self.in_flight:
            self.refused.append("concurrent")
            return None
        self.in_flight_count += 1
        for window in self.windows.values():
            window.used += 1
        return {name: window.limit - window.used for name, window in self.windows.items()}


@dataclass(frozen=True)
class NetworkConditions:
    """What may go wrong: probabilities of a lost answer and of a dead worker, seconds of latency and of clock error."""

    lost: float = 0.0
    dies: float = 0.0
    latency: tuple[float, float] = (0.05, 0.3)
    slow: float = 0.0
    clocks: float = 0.0


@dataclass
class AllowedCall:
    """One call: its priority, when it was first tried, and when it was allowed."""

    priority: Priority
    requested_at: float
    allowed_at: float


class LimiterSimulation:
    """Workers that call again and again, each when the script allows it, and people with one call each."""

    def __init__(
        self,
        ask: Script,
        xero: XeroLimitsModel,
        limits: RateLimits,
        *,
        seed: int,
        conditions: NetworkConditions | None = None,
    ) -> None:
        self.ask, self.xero, self.limits = ask, xero, json.dumps(asdict(limits))
        self.lease = limits.lease
        self.conditions = conditions or NetworkConditions()
        self.random = random.Random(seed)
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        tag = f"simulation:{{{uuid.uuid4().hex}}}"  # tests in other processes share the Valkey
        self.keys = [f"{tag}{part}" for part in ("", ":in_flight", ":ended")]
        self.calls: list[AllowedCall] = []
        self.refusals = 0

    def schedule(self, when: float, act: Callable[[float], None]) -> None:
        """Add an event at this time."""
        heapq.heappush(self.events, (when, next(numbers), act))

    def run(self, until: float) -> None:
        """Run the events in their order."""
        while self.events and self.events[0][0] <= until:
            when, _, act = heapq.heappop(self.events)
            act(when)

    def script(self, order: str, now: float, *words: Any) -> Any:
        """Run the script for a process whose clock is wrong by a little."""
        shown = now + self.random.uniform(0, self.conditions.clocks)
        return self.ask(keys=self.keys, args=[order, f"{shown:.6f}", self.limits, *words])

    def worker(self, priority: Priority, start: float, pause: float = 0.0) -> None:
        """Add a worker that makes one call after the other."""

        def call(now: float, since: float | None = None) -> None:
            self.request_call(
                priority, now, now if since is None else since, lambda done: self.schedule(done + pause, call)
            )

        self.schedule(start, call)

    def person(self, when: float) -> None:
        """Add a person whose one call is tried every 50 ms until it is allowed."""
        self.schedule(when, lambda now: self.request_call("interactive", now, now, lambda _: None, step=0.05))

    def request_call(
        self, priority: Priority, now: float, since: float, done: Callable[[float], None], step: float | None = None
    ) -> None:
        """Acquire a permit, or try again later."""
        permit_id = str(next(numbers))
        answer = self.script("acquire", now, permit_id, priority)
        if not answer[0]:
            self.refusals += 1
            again = now + (step or float(answer[2]))
            self.schedule(again, lambda at: self.request_call(priority, at, since, done, step))
            return
        self.calls.append(AllowedCall(priority, since, now))
        low, high = self.conditions.latency
        arrives = now + self.random.uniform(low, high) / 2
        self.schedule(arrives, lambda at: self.reach_vendor(permit_id, at, done))

    def reach_vendor(self, permit_id: str, now: float, done: Callable[[float], None]) -> None:
        """Let the call reach the vendor."""
        left = self.xero.count(now)
        is_slow = self.random.random() < self.conditions.slow
        low, high = (1.0, 20.0) if is_slow else self.conditions.latency
        back = now + self.random.uniform(low, high) / (1 if is_slow else 2)
        if left is not None:
            self.schedule(back, self.leave_vendor)
        luck = self.random.random()
        if luck < self.conditions.dies:
            self.schedule(now + self.lease, done)  # nobody releases the permit; another worker comes instead
            return
        if luck < self.conditions.dies + self.conditions.lost:
            self.schedule(back, lambda at: self.release(permit_id, at, "no_response", None, done))
            return
        self.schedule(back, lambda at: self.release(permit_id, at, "answered", left, done))

    def leave_vendor(self, now: float) -> None:
        """End one call at the vendor."""
        self.xero.in_flight_count -= 1

    def release(
        self, permit_id: str, now: float, outcome: str, left: dict[str, int] | None, done: Callable[[float], None]
    ) -> None:
        """Release the permit when the answer arrives."""
        status = 429 if outcome == "answered" and left is None else 200
        found = left or {}
        words = (outcome, status, found.get("minute", ""), found.get("day", ""), "", "minute", 60)
        self.script("release", now, permit_id, *words)
        done(now)

    def list_waits(self, priority: Priority) -> list[float]:
        """Seconds from the first try to the permit."""
        return [call.allowed_at - call.requested_at for call in self.calls if call.priority == priority]
