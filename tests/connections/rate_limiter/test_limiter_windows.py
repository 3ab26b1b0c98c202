"""The rate limiter's script against a model of Xero's windows: never over a limit, and hardly a call unused."""

import statistics
from typing import Any

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as some
from redis import Redis

from connections.rate_limiter.limiter import SCRIPT, Priority, RateLimits
from tests.connections.rate_limiter.simulation import (
    START,
    LimiterSimulation,
    LimitWindow,
    NetworkConditions,
    XeroLimitsModel,
)

LIMITS = RateLimits(minute=60, day=5000, in_flight=5)
MINUTE, DAY = 60.0, 86_400.0
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@pytest.fixture
def ask() -> Any:
    """The script on the tests' Valkey."""
    return Redis.from_url(settings.REDIS_URL).register_script(SCRIPT)


def build_vendor(phase: float | None = 17.3, *, day_phase: float | None = 4_321.0, **limits: int) -> XeroLimitsModel:
    """A vendor whose windows begin where they like."""
    minute = LimitWindow(limits.get("minute", 60), MINUTE, phase)
    return XeroLimitsModel({"minute": minute, "day": LimitWindow(limits.get("day", 5000), DAY, day_phase)})


def add_workers(simulation: LimiterSimulation, *, people: int = 0) -> None:
    """Three connections of four workers each."""
    priorities: list[Priority] = ["company", "company", "service"]
    for priority in priorities:
        for number in range(4):
            simulation.worker(priority, START + 0.01 * number)
    for number in range(people):
        simulation.worker("interactive", START + 0.3 * number)


def full_windows(window: LimitWindow, *, after: int = 5) -> list[int]:
    """How many calls each window had, without the first ones and the one that still runs."""
    return [used for began, used in window.history if began > 0][after:]


@pytest.mark.parametrize("phase", [0.0, 0.05, 17.3, 31.0, 59.5, None])
def test_busy_workers_use_nearly_every_call_and_never_one_too_many(ask: Any, phase: float | None) -> None:
    simulation = LimiterSimulation(ask, build_vendor(phase), LIMITS, seed=1)
    add_workers(simulation)
    simulation.run(START + 16 * MINUTE)
    windows = full_windows(simulation.xero.windows["minute"])
    assert simulation.xero.refused == []
    assert len(windows) >= 8
    assert statistics.mean(windows) >= 58
    assert max(windows) <= 60


@pytest.mark.thorough
@how(max_examples=40, deadline=None, suppress_health_check=SUPPRESSED, derandomize=True)
@given(
    seed=some.integers(0, 10**6),
    phase=some.one_of(some.none(), some.floats(0, 60)),
    workers=some.integers(1, 12),
    people=some.integers(0, 4),
    slowest=some.floats(0.05, 4),
    slow=some.sampled_from([0.0, 0.02, 0.2]),
    lost=some.sampled_from([0.0, 0.02, 0.3]),
    clocks=some.sampled_from([0.0, 0.5, 2.0]),
    minutes=some.integers(2, 5),
)
def test_no_outage_and_no_clock_makes_it_ask_for_one_call_too_many(
    ask: Any,
    seed: int,
    phase: float | None,
    workers: int,
    people: int,
    slowest: float,
    slow: float,
    lost: float,
    clocks: float,
    minutes: int,
) -> None:
    conditions = NetworkConditions(lost=lost, latency=(0.02, slowest), slow=slow, clocks=clocks)
    simulation = LimiterSimulation(ask, build_vendor(phase), LIMITS, seed=seed, conditions=conditions)
    priorities: list[Priority] = ["company", "service"]
    for number in range(workers):
        simulation.worker(
            priorities[number % 2], START + simulation.random.uniform(0, 70), pause=simulation.random.choice([0, 0, 5])
        )
    for _ in range(people):
        simulation.worker("interactive", START + simulation.random.uniform(0, 70), pause=1)
    simulation.run(START + minutes * MINUTE)
    assert simulation.xero.refused == []


def test_permits_of_workers_that_die_end_with_their_lease(ask: Any) -> None:
    simulation = LimiterSimulation(ask, build_vendor(), LIMITS, seed=4, conditions=NetworkConditions(dies=0.05))
    add_workers(simulation)
    simulation.run(START + 10 * MINUTE)
    assert simulation.xero.refused == []
    assert statistics.mean(full_windows(simulation.xero.windows["minute"])) > 20


@pytest.mark.parametrize("seed", range(6))
def test_a_count_that_was_lost_is_learned_again_from_the_first_answer(ask: Any, seed: int) -> None:
    simulation = LimiterSimulation(ask, build_vendor(), LIMITS, seed=seed)
    add_workers(simulation)
    for minute in range(1, 6):
        simulation.schedule(
            START + minute * MINUTE + simulation.random.uniform(0, 50), lambda _: clear_valkey(simulation)
        )
    simulation.run(START + 8 * MINUTE)
    assert [problem for problem in simulation.xero.refused if problem != "concurrent"] == []
    assert simulation.xero.refused.count("concurrent") <= 5


def clear_valkey(simulation: LimiterSimulation) -> None:
    """Valkey came back empty."""
    Redis.from_url(settings.REDIS_URL).delete(*simulation.keys)


def test_calls_that_others_make_with_the_same_app_are_left_to_them(ask: Any) -> None:
    simulation = LimiterSimulation(ask, build_vendor(), LIMITS, seed=9)
    add_workers(simulation)

    def other(now: float) -> None:
        left = simulation.xero.count(now)
        if left is None:
            simulation.xero.refused.pop()  # theirs
        else:
            simulation.schedule(now + 0.1, simulation.leave_vendor)
        simulation.schedule(now + 4, other)

    simulation.schedule(START + 2, other)
    simulation.run(START + 10 * MINUTE)
    assert len(simulation.xero.refused) <= 10  # one a minute: what they took since our last answer, nobody can know
    assert max(full_windows(simulation.xero.windows["minute"])) <= 60


@pytest.mark.thorough
def test_people_do_not_wait_for_busy_workers(ask: Any) -> None:
    simulation = LimiterSimulation(
        ask, build_vendor(day=50_000), RateLimits(minute=60, day=50_000, in_flight=5), seed=5
    )
    add_workers(simulation)
    when = START + 3 * MINUTE
    for _ in range(200):
        simulation.person(when)
        when += simulation.random.expovariate(3 / MINUTE)
    simulation.run(when + MINUTE)
    waits = sorted(simulation.list_waits("interactive"))
    assert len(waits) == 200
    assert waits[197] <= 1.0
    assert simulation.xero.refused == []
    assert statistics.mean(full_windows(simulation.xero.windows["minute"])) >= 58


def test_company_work_goes_before_service_work_which_still_gets_its_share(ask: Any) -> None:
    simulation = LimiterSimulation(ask, build_vendor(), LIMITS, seed=6)
    add_workers(simulation)
    simulation.run(START + 10 * MINUTE)
    company, service = (len(simulation.list_waits(priority)) for priority in ("company", "service"))
    assert company > 5 * service
    assert service >= 5 * 9


@pytest.mark.thorough
def test_a_day_is_used_up_and_not_overdrawn(ask: Any) -> None:
    xero = build_vendor(day=400)
    simulation = LimiterSimulation(ask, xero, RateLimits(minute=60, day=400, in_flight=5, day_margin=30), seed=7)
    add_workers(simulation)
    simulation.run(START + 3 * DAY)
    days = full_windows(xero.windows["day"], after=1)
    assert xero.refused == []
    assert len(days) >= 1
    assert min(days) >= 365


def test_the_rate_of_a_second_holds_without_a_word_from_the_vendor(ask: Any) -> None:
    second = LimitWindow(10, 1.0, 0.37)
    xero = XeroLimitsModel({"second": second, "minute": LimitWindow(500, MINUTE, 5.0)}, in_flight=10)
    simulation = LimiterSimulation(
        ask, xero, RateLimits(minute=500, day=0, in_flight=10, second=10, headers=0, reserve=40), seed=8
    )
    for number in range(12):
        simulation.worker("company", START + 0.01 * number)
    simulation.run(START + 3 * MINUTE)
    assert xero.refused == []
    assert statistics.mean(full_windows(xero.windows["minute"], after=1)) > 300
