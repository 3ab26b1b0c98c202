"""Rows of the call budget: what a storm of three connections uses of Xero's limits, and what people wait in it."""

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from connections.rate_limiter import limiter
from connections.rate_limiter.limiter import SCRIPT, Priority, RateLimits
from sandbox.harness.sandbox_process import SandboxProcess
from tests.bench.rate_limit_simulation import RateLimitSimulation, create_three_apps
from tests.bench.results import p99, record_measurement
from tests.connections.rate_limiter.simulation import START, LimiterSimulation, LimitWindow, XeroLimitsModel

PRIORITIES: tuple[Priority, ...] = ("company", "company", "service")  # Wise-Pay posts payments; people come besides
WORKERS, PEOPLE, A_MINUTE = 4, 200, 6
LEARNING = 6 * 60  # seconds of a storm until the phase of an organisation's minutes is known well
DAY = 86_400.0


class MeasuredSimulation:
    """One storm of three connections with `apps` client ids, and its figures."""

    def __init__(self, world: SandboxProcess, apps: int) -> None:
        self.simulation = storm = RateLimitSimulation(world)
        limiter.shared_clock = storm.now
        names = create_three_apps(world)[:apps]
        self.apps = [storm.app(name) for name in names]
        begin = storm.now()
        for tier, priority in enumerate(PRIORITIES):
            for _ in range(WORKERS):
                storm.add_request(self.apps[tier % apps], priority, at=begin)
        self.known = begin + LEARNING
        when, chance = self.known, random.Random(5)
        for _ in range(PEOPLE):
            when += chance.expovariate(A_MINUTE / 60)
            storm.add_request(self.apps[0], "interactive", at=when, is_worker=False)
        self.slept = count_sleep(lambda: storm.run(when + 90))

    def calls_per_minute(self) -> float:
        """Calls in an average minute of Xero's, summed over all apps."""
        return sum(statistics.mean(self.simulation.minutes(app, after=self.known)) for app in self.apps)


def count_sleep(work: Any) -> float:
    """Seconds that were slept in `time.sleep` meanwhile, as a worker would that waits for a limit."""
    slept: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        real(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", sleep)
        work()
    return sum(slept)


@pytest.fixture(scope="module")
def simulations(sandbox_process: SandboxProcess) -> Iterator[dict[int, MeasuredSimulation]]:
    """The storm with one client id and with three, run once for all rows."""
    found = {}
    for apps in (1, 3):
        sandbox_process.reset(config=True)
        limiter.keyspace = f"storm{apps}:{time.time()}"
        found[apps] = MeasuredSimulation(sandbox_process, apps)
    yield found
    limiter.shared_clock = limiter.get_valkey_time


@pytest.mark.parametrize("apps", [1, 3])
def test_no_answer_is_429(simulations: dict[int, MeasuredSimulation], apps: int) -> None:
    statuses = simulations[apps].simulation.statuses
    assert set(statuses) <= {200, 429}
    assert len(statuses) > 1000
    assert record_measurement(
        f"Xero storm, {apps} client ids: answers 429", statuses.count(429), "answers", bound=0
    ).holds


@pytest.mark.parametrize("apps", [1, 3])
def test_minutes_are_used_up(simulations: dict[int, MeasuredSimulation], apps: int) -> None:
    calls = 60 - simulations[apps].calls_per_minute() / apps
    assert record_measurement(
        f"Xero storm, {apps} client ids: calls of 60 a minute left unused, mean", calls, "calls", bound=2
    ).holds


@pytest.mark.parametrize("apps", [1, 3])
def test_people_do_not_wait(simulations: dict[int, MeasuredSimulation], apps: int) -> None:
    waits = simulations[apps].simulation.waits()
    assert len(waits) == PEOPLE
    assert record_measurement(f"Xero storm, {apps} client ids: 200 people wait, p99", p99(waits), "s", bound=1.0).holds


@pytest.mark.parametrize("apps", [1, 3])
def test_no_worker_waits(simulations: dict[int, MeasuredSimulation], apps: int) -> None:
    """No worker sleeps; a refusal itself takes a round trip to Valkey."""
    assert statistics.median(simulations[apps].simulation.seconds) < 0.1
    assert record_measurement(
        f"Xero storm, {apps} client ids: worker seconds spent waiting", simulations[apps].slept, "s", bound=0
    ).holds


def test_three_client_ids_are_three_budgets(simulations: dict[int, MeasuredSimulation]) -> None:
    short = 3 - simulations[3].calls_per_minute() / simulations[1].calls_per_minute()
    assert record_measurement(
        "Xero storm: throughput of three client ids, short of threefold", short, "x", bound=0.1
    ).holds


def test_days_are_used_up() -> None:
    """The script on Valkey against a model of Xero's windows: a day of calls over HTTP would take minutes."""
    day = LimitWindow(5000, DAY, 7_200.0)
    xero = XeroLimitsModel({"minute": LimitWindow(60, 60, 17.3), "day": day})
    ask = Redis.from_url(settings.REDIS_URL).register_script(SCRIPT)
    storm = LimiterSimulation(ask, xero, RateLimits(minute=60, day=5000, in_flight=5), seed=1)
    for priority in PRIORITIES:
        for _ in range(WORKERS):
            storm.worker(priority, START)
    storm.run(START + 3.5 * DAY)
    assert xero.refused == []
    whole = [used for began, used in day.history if began > START]
    assert len(whole) >= 2
    calls = 5000 - min(whole)
    assert record_measurement(
        "Xero's day, modelled: calls of 5,000 left unused, worst of 2 days", calls, "calls", bound=50
    ).holds
