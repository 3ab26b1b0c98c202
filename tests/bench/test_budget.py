"""Rows of the call budget: what a storm of three connections uses of Xero's limits, and what people wait in it."""

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from connections import governor
from connections.budget import Lane, Limits
from connections.governor import SCRIPT
from sandbox.launch import Running
from tests.bench.rows import p99, row
from tests.bench.storm import Storm, three_apps
from tests.connections.xero_windows import START, Window, Xero
from tests.connections.xero_windows import Storm as ModelledStorm

LANES: tuple[Lane, ...] = ("company", "company", "service")  # Wise-Pay posts payments; people come besides
WORKERS, PEOPLE, A_MINUTE = 4, 200, 6
LEARNING = 6 * 60  # seconds of a storm until the phase of an organisation's minutes is known well
DAY = 86_400.0


class Measured:
    """One storm of three connections with `apps` client ids, and its figures."""

    def __init__(self, world: Running, apps: int) -> None:
        self.storm = storm = Storm(world)
        governor.clock = storm.now
        names = three_apps(world)[:apps]
        self.apps = [storm.app(name) for name in names]
        begin = storm.now()
        for tier, lane in enumerate(LANES):
            for _ in range(WORKERS):
                storm.wish(self.apps[tier % apps], lane, at=begin)
        self.known = begin + LEARNING
        when, chance = self.known, random.Random(5)
        for _ in range(PEOPLE):
            when += chance.expovariate(A_MINUTE / 60)
            storm.wish(self.apps[0], "interactive", at=when, is_worker=False)
        self.slept = count_sleep(lambda: storm.run(when + 90))

    def a_minute(self) -> float:
        """Calls in an average minute of Xero's, of all apps."""
        return sum(statistics.mean(self.storm.minutes(app, after=self.known)) for app in self.apps)


def count_sleep(work: Any) -> float:
    """Seconds that anybody slept in `time.sleep` meanwhile: what a worker would do who waits for a limit."""
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
def storms(sandbox_process: Running) -> Iterator[dict[int, Measured]]:
    """The storm with one client id and with three, run once for all rows."""
    found = {}
    for apps in (1, 3):
        sandbox_process.reset(config=True)
        governor.keyspace = f"storm{apps}:{time.time()}"
        found[apps] = Measured(sandbox_process, apps)
    yield found
    governor.clock = governor.valkeys_clock


@pytest.mark.parametrize("apps", [1, 3])
def test_no_answer_is_429(storms: dict[int, Measured], apps: int) -> None:
    statuses = storms[apps].storm.statuses
    assert set(statuses) <= {200, 429}
    assert len(statuses) > 1000
    assert row(f"Xero storm, {apps} client ids: answers 429", statuses.count(429), "answers", bound=0).holds


@pytest.mark.parametrize("apps", [1, 3])
def test_minutes_are_used_up(storms: dict[int, Measured], apps: int) -> None:
    calls = 60 - storms[apps].a_minute() / apps
    assert row(f"Xero storm, {apps} client ids: calls of 60 a minute left unused, mean", calls, "calls", bound=2).holds


@pytest.mark.parametrize("apps", [1, 3])
def test_people_do_not_wait(storms: dict[int, Measured], apps: int) -> None:
    waits = storms[apps].storm.waits()
    assert len(waits) == PEOPLE
    assert row(f"Xero storm, {apps} client ids: 200 people wait, p99", p99(waits), "s", bound=1.0).holds


@pytest.mark.parametrize("apps", [1, 3])
def test_no_worker_waits(storms: dict[int, Measured], apps: int) -> None:
    """Asked to sleep; a refusal itself takes a round trip to Valkey."""
    assert statistics.median(storms[apps].storm.held) < 0.1
    assert row(f"Xero storm, {apps} client ids: worker seconds spent waiting", storms[apps].slept, "s", bound=0).holds


def test_three_client_ids_are_three_budgets(storms: dict[int, Measured]) -> None:
    short = 3 - storms[3].a_minute() / storms[1].a_minute()
    assert row("Xero storm: throughput of three client ids, short of threefold", short, "x", bound=0.1).holds


def test_days_are_used_up() -> None:
    """The script on Valkey against a model of Xero's windows: a day of calls over HTTP would take minutes."""
    day = Window(5000, DAY, 7_200.0)
    xero = Xero({"minute": Window(60, 60, 17.3), "day": day})
    ask = Redis.from_url(settings.REDIS_URL).register_script(SCRIPT)
    storm = ModelledStorm(ask, xero, Limits(minute=60, day=5000, in_flight=5), seed=1)
    for lane in LANES:
        for _ in range(WORKERS):
            storm.worker(lane, START)
    storm.run(START + 3.5 * DAY)
    assert xero.refused == []
    whole = [used for began, used in day.history if began > START]
    assert len(whole) >= 2
    calls = 5000 - min(whole)
    assert row("Xero's day, modelled: calls of 5,000 left unused, worst of 2 days", calls, "calls", bound=50).holds
