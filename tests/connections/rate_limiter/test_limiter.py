"""The rate limiter in the product: what it learns from answers, what it refuses before sending, without Valkey."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledger_session import open_ledger
from accounting.models import Posting
from accounting.posting.services import get_waiting_reason
from accounting.tasks import sweep_postings
from connections.rate_limiter import limiter
from connections.rate_limiter.limiter import (
    FIRST_MINUTE,
    BudgetAccount,
    FallbackLimiter,
    OutOfBudget,
    Priority,
    RemainingCalls,
    acquire,
    check_budget,
    get_budget_usage,
)
from sandbox.harness.sandbox_process import SandboxProcess
from sandbox.harness.valkey import Valkey
from tests.concurrency import run_concurrently
from tests.tenants import Checkout, Tenant, create_tenant

FULL = {"X-MinLimit-Remaining": "59", "X-DayLimit-Remaining": "4999", "X-AppMinLimit-Remaining": "9999"}
ACCOUNT = BudgetAccount("xero", "app", "organisation")
Deliver = Callable[..., int]


def use_call(account: BudgetAccount, *, left: int, day: int = 4000, priority: Priority = "interactive") -> None:
    """Make one call whose answer says how many calls are left."""
    with acquire(account, priority=priority) as permit:
        permit.record_response({"X-MinLimit-Remaining": str(left), "X-DayLimit-Remaining": str(day)})


def get_refusal(account: BudgetAccount, priority: Priority = "interactive") -> OutOfBudget | None:
    """Why the priority gets no permit; None when it got one."""
    try:
        with acquire(account, priority=priority) as permit:
            permit.mark_unsent()
    except OutOfBudget as error:
        return error
    return None


def test_the_screen_shows_what_the_last_answer_said(db: None, world: SandboxProcess) -> None:
    tenant = create_tenant(world)
    usage = get_budget_usage(tenant.connection)
    assert (usage.minute_left, usage.day_left, usage.in_flight) == (57, 4997, 0)
    open_ledger(tenant.connection, priority="company", now=timezone.now()).read_accounts()
    usage = get_budget_usage(tenant.connection)
    assert (usage.minute_left, usage.minute_limit, usage.day_left, usage.day_limit) == (56, 60, 4996, 5000)


def test_no_ledger_is_opened_without_a_priority(tenant: Tenant) -> None:
    with pytest.raises(TypeError, match="priority"):
        open_ledger(tenant.connection, now=timezone.now())  # type: ignore[call-arg]


def test_what_others_used_with_the_same_app_is_learned_from_the_answers() -> None:
    use_call(ACCOUNT, left=59)
    assert get_refusal(ACCOUNT) is None
    use_call(ACCOUNT, left=1)
    found = get_refusal(ACCOUNT)
    assert found is not None
    assert (found.reason, found.maybe_done) == ("minute", False)
    assert 0 < (found.retry_after or 0) <= 62


def test_background_work_leaves_calls_and_a_place_to_people() -> None:
    use_call(ACCOUNT, left=59)
    use_call(ACCOUNT, left=5)
    assert get_refusal(ACCOUNT, "company") is not None
    assert get_refusal(ACCOUNT, "service") is not None
    assert get_refusal(ACCOUNT) is None
    other = BudgetAccount("xero", "app", "second")
    use_call(other, left=59)
    with (
        acquire(other, priority="company"),
        acquire(other, priority="company"),
        acquire(other, priority="service"),
        acquire(other, priority="service"),
    ):
        found = get_refusal(other, "company")
        assert found is not None
        assert found.reason == "concurrent"
        with acquire(other, priority="interactive"):
            assert get_refusal(other) is not None


def test_documents_leave_half_of_a_minute_and_of_a_day_four_of_ten_calls_to_posting() -> None:
    use_call(ACCOUNT, left=59)
    use_call(ACCOUNT, left=50, day=4500)
    assert get_refusal(ACCOUNT, "document") is None
    use_call(ACCOUNT, left=30)
    assert get_refusal(ACCOUNT, "document") is not None
    assert get_refusal(ACCOUNT, "company") is None
    other = BudgetAccount("xero", "app", "second")
    use_call(other, left=59, day=1900)
    assert get_refusal(other, "document") is not None
    assert get_refusal(other, "company") is None


def test_each_app_and_each_organisation_has_a_budget_of_its_own() -> None:
    use_call(ACCOUNT, left=59)
    use_call(ACCOUNT, left=0)
    assert get_refusal(ACCOUNT) is not None
    assert get_refusal(BudgetAccount("xero", "second app", "organisation")) is None
    assert get_refusal(BudgetAccount("xero", "app", "another organisation")) is None


def test_a_starter_organisation_has_a_thousand_calls_a_day(settings: Any) -> None:
    settings.XERO_DAY_LIMIT = 1000
    use_call(ACCOUNT, left=59, day=999)
    use_call(ACCOUNT, left=58, day=10)
    found = get_refusal(ACCOUNT)
    assert found is not None
    assert (found.reason, get_budget_usage(ACCOUNT).day_left, get_budget_usage(ACCOUNT).day_limit) == ("day", 10, 1000)
    assert (found.retry_after or 0) <= 3600


def test_nobody_knows_a_new_budget_so_the_first_call_goes_alone() -> None:
    with acquire(ACCOUNT, priority="interactive") as permit:
        assert get_refusal(ACCOUNT) is not None
        assert get_budget_usage(ACCOUNT).minute_left is None
        permit.record_response(FULL)
    assert get_refusal(ACCOUNT) is None


def test_a_call_that_never_left_costs_nothing() -> None:
    use_call(ACCOUNT, left=59)
    for _ in range(100):
        assert get_refusal(ACCOUNT) is None
    assert get_budget_usage(ACCOUNT).minute_left == 59


def test_a_limit_that_was_hit_all_the_same_is_heeded_by_everybody() -> None:
    with acquire(ACCOUNT, priority="interactive") as permit:
        permit.record_response({"X-Rate-Limit-Problem": "day", "Retry-After": "40000"}, status=429)
    found = get_refusal(ACCOUNT, "service")
    assert found is not None
    assert (found.reason, round(found.retry_after or 0, -3)) == ("day", 40000)
    assert "wait for" in get_budget_usage(ACCOUNT).queue_note


def test_many_at_once_get_no_more_places_than_there_are() -> None:
    use_call(ACCOUNT, left=59)

    def hold(_: int) -> bool:
        try:
            with acquire(ACCOUNT, priority="interactive") as permit:
                time.sleep(0.15)
                permit.mark_unsent()
        except OutOfBudget:
            return False
        return True

    assert sum(run_concurrently(12, hold)) == 5


def test_a_worker_is_told_at_once_and_a_page_waits_a_second_at_most() -> None:
    use_call(ACCOUNT, left=59)
    use_call(ACCOUNT, left=0)
    began = time.perf_counter()
    assert get_refusal(ACCOUNT, "company") is not None
    assert time.perf_counter() - began < 0.1
    with pytest.raises(OutOfBudget), acquire(ACCOUNT, priority="interactive", max_wait=0.3):
        pass
    assert 0.2 < time.perf_counter() - began < 1


def test_a_page_gets_the_place_that_becomes_free_while_it_waits() -> None:
    with acquire(ACCOUNT, priority="interactive") as first:
        first.record_response(FULL)

    def work(index: int) -> float:
        began = time.perf_counter()
        with acquire(ACCOUNT, priority="interactive", max_wait=1.0) as permit:
            waited = time.perf_counter() - began
            time.sleep(0.05)
            permit.mark_unsent()
        return waited

    waits = run_concurrently(10, work)
    assert len(waits) == 10
    assert max(waits) > 0.04, "ten are more than fit in at once"


def test_documents_wait_for_the_next_minute_without_a_call(
    tenant: Tenant, checkout: Checkout, deliver: Deliver
) -> None:
    deliver()
    checkout.pay()
    tenant.world.config(xero_limits={"minute": 2})
    with acquire(BudgetAccount.from_owner(tenant.connection), priority="interactive") as permit:
        permit.record_response({"X-MinLimit-Remaining": "0", "X-DayLimit-Remaining": "4990"})
    asked = len(tenant.world.journal("xero"))
    deliver()
    sweep_postings()
    deliver()
    assert len(tenant.world.journal("xero")) == asked
    assert {p.state for p in Posting.objects.all()} == {"pending"}
    assert "calls of this minute" in get_waiting_reason(tenant.merchant, now=timezone.now())
    assert tenant.connection.failures == 0
    tenant.world.config(xero_limits={"minute": 60})
    deliver(at=timezone.now() + timedelta(seconds=130))
    assert {p.state for p in Posting.objects.all()} == {"posted"}
    assert {e["status"] for e in tenant.world.journal("xero")} == {200}


# ---- without Valkey -------------------------------------------------------------------------------


@pytest.fixture
def valkey(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    """A Valkey of this test alone."""
    own = Valkey(tmp_path)
    own.start()
    settings.REDIS_URL = own.url
    monkeypatch.setattr(limiter, "fallback_limiter", FallbackLimiter())
    yield own
    own.stop()


def test_a_lost_valkey_makes_calls_slow_and_never_too_many(db: None, valkey: Valkey, settings: Any) -> None:
    later = [1000.0]
    limiter.fallback_limiter.clock = lambda: later[0]
    use_call(ACCOUNT, left=59)
    valkey.stop()
    found = get_refusal(ACCOUNT)
    assert found is not None
    assert (found.reason, found.retry_after) == ("outage", FIRST_MINUTE)
    assert get_budget_usage(ACCOUNT).minute_left is None
    check_budget(ACCOUNT, priority="company")
    later[0] += FIRST_MINUTE
    assert get_refusal(ACCOUNT) is None
    assert get_refusal(ACCOUNT) is not None
    assert get_refusal(BudgetAccount("xero", "app", "other")) is None
    valkey.start()
    settings.REDIS_URL = valkey.url
    use_call(ACCOUNT, left=50)
    assert get_refusal(ACCOUNT) is None
    assert limiter.fallback_limiter.outage_began is None
    assert get_budget_usage(ACCOUNT).minute_left == 50


def test_a_call_on_its_way_when_valkey_goes_ends_well(db: None, valkey: Valkey) -> None:
    with acquire(ACCOUNT, priority="company") as permit:
        valkey.stop()
        permit.record_response(FULL)
    assert limiter.fallback_limiter.outage_began is not None


def test_the_trickle_stops_when_others_have_used_nearly_everything(db: None) -> None:
    later = [0.0]
    outage = FallbackLimiter(clock=lambda: later[0])
    outage.start_outage()
    later[0] = FIRST_MINUTE
    outage.acquire(ACCOUNT)
    outage.record_remaining(ACCOUNT, RemainingCalls(minute=4))
    later[0] += 30
    with pytest.raises(OutOfBudget) as caught:
        outage.acquire(ACCOUNT)
    assert caught.value.retry_after == FIRST_MINUTE - 30


def test_the_quiet_stop_for_a_day_is_longer(db: None) -> None:
    later = [FIRST_MINUTE]
    outage = FallbackLimiter(clock=lambda: later[0])
    outage.record_remaining(ACCOUNT, RemainingCalls(minute=50, day=20))
    outage.outage_began = 0.0
    with pytest.raises(OutOfBudget) as caught:
        outage.acquire(ACCOUNT)
    assert caught.value.retry_after == 3600
