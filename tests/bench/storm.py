"""A storm on the practice Xero's own clock: workers who always want the next call, people who want one now and then.

Nobody waits in real time for a minute to end: whoever was sent away comes back when the clock says so, as the
outbox would bring them back, and where nobody is due the clock of the practice world and of the governor is moved on.
"""

import heapq
import itertools
import time
import zlib
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import requests
from requests.adapters import HTTPAdapter

from connections.budget import Account, Lane, OutOfBudget
from connections.governor import take_call
from sandbox.launch import Running
from tests.sandbox.xero_app import App

LOOK = 0.05  # seconds between two looks of a person
TOKEN_LIFE = 20 * 60
AT_ONCE = 16
order = itertools.count()


@dataclass(frozen=True, slots=True)
class Wish:
    """One call that somebody wants, since `since`; a worker wants another one afterwards."""

    app: App
    account: Account
    lane: Lane
    since: float
    is_worker: bool


@dataclass(slots=True)
class Outcome:
    """What became of one try."""

    wish: Wish
    status: int = 0
    again: float | None = None
    held: float = 0.0  # real seconds that a refusal took


@dataclass
class Storm:
    """The clock, who is due, and what happened."""

    world: Running
    offset: float = 0.0
    due: list[tuple[float, int, Wish]] = field(default_factory=list)
    done: list[tuple[Wish, float]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    signed_in: dict[str, float] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE))

    def now(self) -> float:
        """The time of the practice world."""
        return time.time() + self.offset

    def app(self, client: str) -> App:
        """An app that is connected to the Australian practice organisation."""
        app = App(self.world, client, f"{client}-secret").connect()
        self.signed_in[client] = self.now()
        return app

    def wish(self, app: App, lane: Lane, *, at: float, is_worker: bool = True) -> None:
        """Somebody will want a call."""
        wish = Wish(app, Account("xero", app.client, app.tenant), lane, at, is_worker)
        heapq.heappush(self.due, (at, next(order), wish))

    def run(self, until: float) -> None:
        """Until the practice world's clock says so, or nobody wants anything."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            flying: set[Future[Outcome]] = set()
            while self.now() < until:
                flying |= {pool.submit(self.attempt, wish) for wish in self.pop_due()}
                if not flying and not self.skip(until):
                    break
                over, flying = wait(flying, timeout=LOOK, return_when=FIRST_COMPLETED)
                for future in over:
                    self.note(future.result())
            for future in flying:
                self.note(future.result())

    def pop_due(self) -> list[Wish]:
        """Who may come now."""
        found = []
        while self.due and self.due[0][0] <= self.now():
            found.append(heapq.heappop(self.due)[2])
        return found

    def skip(self, until: float) -> bool:
        """Move the clock to the next who is due; False when nobody is."""
        if not self.due:
            return False
        seconds = min(self.due[0][0], until) - self.now()
        if seconds > 0:
            self.world.advance(seconds)
            self.offset += seconds
        return True

    def attempt(self, wish: Wish) -> Outcome:
        """One try to call the practice Xero."""
        self.keep_signed_in(wish.app)
        began = time.perf_counter()
        try:
            with take_call(wish.account, lane=wish.lane) as slot:
                allowed = self.now()
                answer = self.session.get(
                    f"{self.world.url}/xero/api.xro/2.0/Organisation", headers=headers(wish.app), timeout=10
                )
                slot.learn(answer.headers, status=answer.status_code)
        except OutOfBudget as refusal:
            held = time.perf_counter() - began
            return Outcome(wish, again=self.now() + float(refusal.retry_after or 0), held=held)
        self.done.append((wish, allowed))
        return Outcome(wish, status=answer.status_code)

    def keep_signed_in(self, app: App) -> None:
        """A storm outlives a token."""
        if self.now() - self.signed_in[app.client] > TOKEN_LIFE:
            self.signed_in[app.client] = self.now()
            app.tokens = app.refresh(app.tokens["refresh_token"]).json()

    def note(self, outcome: Outcome) -> None:
        """Let them come back."""
        wish = outcome.wish
        if outcome.again is None:
            self.statuses.append(outcome.status)
            if wish.is_worker:
                self.wish(wish.app, wish.lane, at=self.now())
            return
        if wish.is_worker:
            self.held.append(outcome.held)
        again = outcome.again if wish.is_worker else self.now() + LOOK
        heapq.heappush(self.due, (again, next(order), wish))

    def waits(self) -> list[float]:
        """Seconds that each person waited."""
        return [allowed - wish.since for wish, allowed in self.done if not wish.is_worker]

    def minutes(self, app: App, *, after: float) -> list[int]:
        """Calls of an app in each of Xero's minutes that began after `after` and is over."""
        phase = zlib.crc32(app.tenant.encode()) % 60  # of the practice Xero
        begins = [allowed + phase for wish, allowed in self.done if wish.app is app]
        counts = Counter(int(at // 60) for at in begins)
        first, last = int((after + phase) // 60) + 1, max(counts)
        return [counts[number] for number in range(first, last)]


def headers(app: App) -> dict[str, str]:
    """Of a bare call."""
    return {
        "Authorization": f"Bearer {app.tokens['access_token']}",
        "xero-tenant-id": app.tenant,
        "Accept": "application/json",
    }


def three_apps(world: Running) -> list[str]:
    """Client ids of three apps that the practice Xero knows from now on."""
    names = [f"app-{number}" for number in range(3)]
    world.config(xero_clients={name: f"{name}-secret" for name in names}, xero_latency=0.01)
    return names
