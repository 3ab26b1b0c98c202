"""A load on the clock of the sandbox's Xero: workers that always call again, and people who call now and then.

Nothing waits in real time for a minute to end: a refused request is repeated when the clock says so, as the outbox
would do, and where no request is due the clocks of the sandbox and of the rate limiter are moved on.
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

from connections.rate_limiter.limiter import BudgetAccount, OutOfBudget, Priority, acquire
from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.xero.app import XeroApp

POLL_INTERVAL = 0.05  # seconds between two looks of a person
TOKEN_LIFE = 20 * 60
AT_ONCE = 16
order = itertools.count()


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One call that somebody wants, since `since`; a worker wants another one afterwards."""

    app: XeroApp
    account: BudgetAccount
    priority: Priority
    since: float
    is_worker: bool


@dataclass(slots=True)
class CallResult:
    """What became of one try."""

    request: CallRequest
    status: int = 0
    again: float | None = None
    seconds: float = 0.0  # real seconds that a refusal took


@dataclass
class RateLimitSimulation:
    """The clock, who is due, and what happened."""

    world: SandboxProcess
    offset: float = 0.0
    due: list[tuple[float, int, CallRequest]] = field(default_factory=list)
    done: list[tuple[CallRequest, float]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    signed_in: dict[str, float] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE))

    def now(self) -> float:
        """The time of the sandbox."""
        return time.time() + self.offset

    def app(self, client: str) -> XeroApp:
        """Connect an app to the Australian organisation."""
        app = XeroApp(self.world, client, f"{client}-secret").connect()
        self.signed_in[client] = self.now()
        return app

    def add_request(self, app: XeroApp, priority: Priority, *, at: float, is_worker: bool = True) -> None:
        """Somebody will want a call."""
        wish = CallRequest(app, BudgetAccount("xero", app.client, app.tenant), priority, at, is_worker)
        heapq.heappush(self.due, (at, next(order), wish))

    def run(self, until: float) -> None:
        """Run until the sandbox's clock shows that time, or no request is left."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            flying: set[Future[CallResult]] = set()
            while self.now() < until:
                flying |= {pool.submit(self.attempt, wish) for wish in self.pop_due()}
                if not flying and not self.skip(until):
                    break
                over, flying = wait(flying, timeout=POLL_INTERVAL, return_when=FIRST_COMPLETED)
                for future in over:
                    self.record_result(future.result())
            for future in flying:
                self.record_result(future.result())

    def pop_due(self) -> list[CallRequest]:
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

    def attempt(self, request: CallRequest) -> CallResult:
        """Try once to call the sandbox's Xero."""
        self.refresh_sign_in(request.app)
        began = time.perf_counter()
        try:
            with acquire(request.account, priority=request.priority) as slot:
                allowed = self.now()
                answer = self.session.get(
                    f"{self.world.url}/xero/api.xro/2.0/Organisation", headers=build_headers(request.app), timeout=10
                )
                slot.record_response(answer.headers, status=answer.status_code)
        except OutOfBudget as refusal:
            spent = time.perf_counter() - began
            return CallResult(request, again=self.now() + float(refusal.retry_after or 0), seconds=spent)
        self.done.append((request, allowed))
        return CallResult(request, status=answer.status_code)

    def refresh_sign_in(self, app: XeroApp) -> None:
        """Refresh an app's token, which expires before the simulation ends."""
        if self.now() - self.signed_in[app.client] > TOKEN_LIFE:
            self.signed_in[app.client] = self.now()
            app.tokens = app.refresh(app.tokens["refresh_token"]).json()

    def record_result(self, result: CallResult) -> None:
        """Let them come back."""
        wish = result.request
        if result.again is None:
            self.statuses.append(result.status)
            if wish.is_worker:
                self.add_request(wish.app, wish.priority, at=self.now())
            return
        if wish.is_worker:
            self.seconds.append(result.seconds)
        again = result.again if wish.is_worker else self.now() + POLL_INTERVAL
        heapq.heappush(self.due, (again, next(order), wish))

    def waits(self) -> list[float]:
        """Seconds that each person waited."""
        return [allowed - wish.since for wish, allowed in self.done if not wish.is_worker]

    def minutes(self, app: XeroApp, *, after: float) -> list[int]:
        """Calls of an app in each of Xero's minutes that began after `after` and is over."""
        phase = zlib.crc32(app.tenant.encode()) % 60  # of the practice Xero
        begins = [allowed + phase for wish, allowed in self.done if wish.app is app]
        counts = Counter(int(at // 60) for at in begins)
        first, last = int((after + phase) // 60) + 1, max(counts)
        return [counts[number] for number in range(first, last)]


def build_headers(app: XeroApp) -> dict[str, str]:
    """Of a bare call."""
    return {
        "Authorization": f"Bearer {app.tokens['access_token']}",
        "xero-tenant-id": app.tenant,
        "Accept": "application/json",
    }


def create_three_apps(world: SandboxProcess) -> list[str]:
    """Register three apps at the sandbox's Xero; answers their client ids."""
    names = [f"app-{number}" for number in range(3)]
    world.config(xero_clients={name: f"{name}-secret" for name in names}, xero_latency=0.01)
    return names
