"""A model of Xero's call limits in simulated time, and a storm of workers whom only the script holds back."""

import heapq
import itertools
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from connections.budget import Lane, Limits

Script = Callable[..., Any]
numbers = itertools.count(1)
START = 1_790_000_000.0


@dataclass
class Window:
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
class Xero:
    """What the vendor counts; `refused` are its 429s."""

    windows: dict[str, Window]
    in_flight: int = 5
    flying: int = 0
    refused: list[str] = field(default_factory=list)

    def count(self, at: float) -> dict[str, int] | None:
        """Count one call; what is left of each window, or None for a 429."""
        for name, window in self.windows.items():
            window.turn(at)
            if window.used >= window.limit:
                self.refused.append(name)
                return None
        if self.flying >= self.in_flight:
            self.refused.append("concurrent")
            return None
        self.flying += 1
        for window in self.windows.values():
            window.used += 1
        return {name: window.limit - window.used for name, window in self.windows.items()}


@dataclass(frozen=True)
class Weather:
    """What may go wrong: probabilities of a lost answer and of a dead worker, seconds of latency and of clock error."""

    lost: float = 0.0
    dies: float = 0.0
    latency: tuple[float, float] = (0.05, 0.3)
    slow: float = 0.0
    clocks: float = 0.0


@dataclass
class Waited:
    """One call: in which lane, when it was wanted, and when it was allowed."""

    lane: Lane
    wanted: float
    allowed: float


class Storm:
    """Workers who call again and again, each coming back when the script said so, and people who come by."""

    def __init__(self, ask: Script, xero: Xero, limits: Limits, *, seed: int, weather: Weather | None = None) -> None:
        self.ask, self.xero, self.limits = ask, xero, json.dumps(asdict(limits))
        self.lease = limits.lease
        self.weather = weather or Weather()
        self.random = random.Random(seed)
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        tag = f"storm:{{{uuid.uuid4().hex}}}"  # tests in other processes share the Valkey
        self.keys = [f"{tag}{part}" for part in ("", ":flights", ":ended")]
        self.calls: list[Waited] = []
        self.refusals = 0

    def at(self, when: float, act: Callable[[float], None]) -> None:
        """Do something then."""
        heapq.heappush(self.events, (when, next(numbers), act))

    def run(self, until: float) -> None:
        """Let everything happen in its order."""
        while self.events and self.events[0][0] <= until:
            when, _, act = heapq.heappop(self.events)
            act(when)

    def script(self, order: str, now: float, *words: Any) -> Any:
        """The script, asked by a process whose clock is wrong by a little."""
        shown = now + self.random.uniform(0, self.weather.clocks)
        return self.ask(keys=self.keys, args=[order, f"{shown:.6f}", self.limits, *words])

    def worker(self, lane: Lane, start: float, pause: float = 0.0) -> None:
        """Somebody who always wants the next call."""

        def want(now: float, since: float | None = None) -> None:
            self.want(lane, now, now if since is None else since, lambda done: self.at(done + pause, want))

        self.at(start, want)

    def person(self, when: float) -> None:
        """Somebody who wants one call and looks every 50 ms until it is allowed."""
        self.at(when, lambda now: self.want("interactive", now, now, lambda _: None, step=0.05))

    def want(
        self, lane: Lane, now: float, since: float, done: Callable[[float], None], step: float | None = None
    ) -> None:
        """Take a place, or come back."""
        place = str(next(numbers))
        answer = self.script("take", now, place, lane)
        if not answer[0]:
            self.refusals += 1
            again = now + (step or float(answer[2]))
            self.at(again, lambda at: self.want(lane, at, since, done, step))
            return
        self.calls.append(Waited(lane, since, now))
        low, high = self.weather.latency
        arrives = now + self.random.uniform(low, high) / 2
        self.at(arrives, lambda at: self.arrive(place, at, done))

    def arrive(self, place: str, now: float, done: Callable[[float], None]) -> None:
        """The call is at the vendor's."""
        left = self.xero.count(now)
        is_slow = self.random.random() < self.weather.slow
        low, high = (1.0, 20.0) if is_slow else self.weather.latency
        back = now + self.random.uniform(low, high) / (1 if is_slow else 2)
        if left is not None:
            self.at(back, self.landed)
        luck = self.random.random()
        if luck < self.weather.dies:
            self.at(now + self.lease, done)  # nobody gives the place back; another worker comes instead
            return
        if luck < self.weather.dies + self.weather.lost:
            self.at(back, lambda at: self.end(place, at, "silent", None, done))
            return
        self.at(back, lambda at: self.end(place, at, "answered", left, done))

    def landed(self, now: float) -> None:
        """The vendor is done with one call."""
        self.xero.flying -= 1

    def end(
        self, place: str, now: float, outcome: str, left: dict[str, int] | None, done: Callable[[float], None]
    ) -> None:
        """The answer is here."""
        status = 429 if outcome == "answered" and left is None else 200
        found = left or {}
        words = (outcome, status, found.get("minute", ""), found.get("day", ""), "", "minute", 60)
        self.script("end", now, place, *words)
        done(now)

    def waits(self, lane: Lane) -> list[float]:
        """Seconds from wanting to being allowed."""
        return [call.allowed - call.wanted for call in self.calls if call.lane == lane]
