"""The governor in the product: what answers teach it, what it refuses before anything is sent, life without Valkey."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledgers import open_ledger
from accounting.models import Posting
from accounting.tasks import sweep_postings
from accounting.views import why_waiting
from connections import governor
from connections.budget import Account, Lane, OutOfBudget, Remaining
from connections.governor import require_room, take_call, usage_of
from connections.governor_outage import FIRST, Outage
from sandbox.valkey import Valkey
from tests.people import Checkout, House
from tests.together import together

FULL = {"X-MinLimit-Remaining": "59", "X-DayLimit-Remaining": "4999", "X-AppMinLimit-Remaining": "9999"}
ME = Account("xero", "app", "organisation")
Drain = Callable[..., int]


def spend(account: Account, *, left: int, day: int = 4000, lane: Lane = "interactive") -> None:
    """One call whose answer says what is left."""
    with take_call(account, lane=lane) as slot:
        slot.learn({"X-MinLimit-Remaining": str(left), "X-DayLimit-Remaining": str(day)})


def refusal(account: Account, lane: Lane = "interactive") -> OutOfBudget | None:
    """Why `lane` gets no call; None when it got one."""
    try:
        with take_call(account, lane=lane) as slot:
            slot.unsent()
    except OutOfBudget as error:
        return error
    return None


def test_the_screen_shows_what_the_last_answer_said(house: House) -> None:
    usage = usage_of(house.connection)
    assert (usage.minute_left, usage.day_left, usage.in_flight) == (58, 4998, 0)
    open_ledger(house.connection, lane="company", now=timezone.now()).read_accounts()
    usage = usage_of(house.connection)
    assert (usage.minute_left, usage.minute_limit, usage.day_left, usage.day_limit) == (57, 60, 4997, 5000)


def test_no_ledger_is_opened_without_a_lane(house: House) -> None:
    with pytest.raises(TypeError, match="lane"):
        open_ledger(house.connection, now=timezone.now())  # type: ignore[call-arg]


def test_what_others_used_with_the_same_app_is_learned_from_the_answers() -> None:
    spend(ME, left=59)
    assert refusal(ME) is None
    spend(ME, left=1)
    found = refusal(ME)
    assert found is not None
    assert (found.reason, found.maybe_done) == ("minute", False)
    assert 0 < (found.retry_after or 0) <= 62


def test_background_work_leaves_calls_and_a_place_to_people() -> None:
    spend(ME, left=59)
    spend(ME, left=5)
    assert refusal(ME, "company") is not None
    assert refusal(ME, "service") is not None
    assert refusal(ME) is None
    other = Account("xero", "app", "second")
    spend(other, left=59)
    with (
        take_call(other, lane="company"),
        take_call(other, lane="company"),
        take_call(other, lane="service"),
        take_call(other, lane="service"),
    ):
        found = refusal(other, "company")
        assert found is not None
        assert found.reason == "concurrent"
        with take_call(other, lane="interactive"):
            assert refusal(other) is not None


def test_each_app_and_each_organisation_has_a_budget_of_its_own() -> None:
    spend(ME, left=59)
    spend(ME, left=0)
    assert refusal(ME) is not None
    assert refusal(Account("xero", "second app", "organisation")) is None
    assert refusal(Account("xero", "app", "another organisation")) is None


def test_a_starter_organisation_has_a_thousand_calls_a_day(settings: Any) -> None:
    settings.XERO_DAY_LIMIT = 1000
    spend(ME, left=59, day=999)
    spend(ME, left=58, day=10)
    found = refusal(ME)
    assert found is not None
    assert (found.reason, usage_of(ME).day_left, usage_of(ME).day_limit) == ("day", 10, 1000)
    assert (found.retry_after or 0) <= 3600


def test_nobody_knows_a_new_budget_so_the_first_call_goes_alone() -> None:
    with take_call(ME, lane="interactive") as slot:
        assert refusal(ME) is not None
        assert usage_of(ME).minute_left is None
        slot.learn(FULL)
    assert refusal(ME) is None


def test_a_call_that_never_left_costs_nothing() -> None:
    spend(ME, left=59)
    for _ in range(100):
        assert refusal(ME) is None
    assert usage_of(ME).minute_left == 59


def test_a_limit_that_was_hit_all_the_same_is_heeded_by_everybody() -> None:
    with take_call(ME, lane="interactive") as slot:
        slot.learn({"X-Rate-Limit-Problem": "day", "Retry-After": "40000"}, status=429)
    found = refusal(ME, "service")
    assert found is not None
    assert (found.reason, round(found.retry_after or 0, -3)) == ("day", 40000)
    assert "wait for" in usage_of(ME).queue_note


def test_many_at_once_get_no_more_places_than_there_are() -> None:
    spend(ME, left=59)

    def hold(_: int) -> bool:
        try:
            with take_call(ME, lane="interactive") as slot:
                time.sleep(0.15)
                slot.unsent()
        except OutOfBudget:
            return False
        return True

    assert sum(together(12, hold)) == 5


def test_a_worker_is_told_at_once_and_a_page_waits_a_second_at_most() -> None:
    spend(ME, left=59)
    spend(ME, left=0)
    began = time.perf_counter()
    assert refusal(ME, "company") is not None
    assert time.perf_counter() - began < 0.1
    with pytest.raises(OutOfBudget), take_call(ME, lane="interactive", patience=0.3):
        pass
    assert 0.2 < time.perf_counter() - began < 1


def test_a_page_gets_the_place_that_becomes_free_while_it_waits() -> None:
    with take_call(ME, lane="interactive") as first:
        first.learn(FULL)

    def work(index: int) -> float:
        began = time.perf_counter()
        with take_call(ME, lane="interactive", patience=1.0) as slot:
            waited = time.perf_counter() - began
            time.sleep(0.05)
            slot.unsent()
        return waited

    waits = together(10, work)
    assert len(waits) == 10
    assert max(waits) > 0.04, "ten are more than fit in at once"


def test_documents_wait_for_the_next_minute_without_a_call(house: House, checkout: Checkout, drain: Drain) -> None:
    drain()
    checkout.pay()
    house.world.config(xero_limits={"minute": 2})
    with take_call(Account.of(house.connection), lane="interactive") as slot:
        slot.learn({"X-MinLimit-Remaining": "0", "X-DayLimit-Remaining": "4990"})
    asked = len(house.world.journal("xero"))
    drain()
    sweep_postings()
    drain()
    assert len(house.world.journal("xero")) == asked
    assert {p.state for p in Posting.objects.all()} == {"pending"}
    assert "calls of this minute" in why_waiting(house.merchant, now=timezone.now())
    assert house.connection.failures == 0
    house.world.config(xero_limits={"minute": 60})
    drain(at=timezone.now() + timedelta(seconds=130))
    assert {p.state for p in Posting.objects.all()} == {"posted"}
    assert {e["status"] for e in house.world.journal("xero")} == {200}


# ---- without Valkey -------------------------------------------------------------------------------


@pytest.fixture
def valkey(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Valkey]:
    """A Valkey of this test alone."""
    own = Valkey(tmp_path)
    own.start()
    settings.REDIS_URL = own.url
    monkeypatch.setattr(governor, "outage", Outage())
    yield own
    own.stop()


def test_a_lost_valkey_makes_calls_slow_and_never_too_many(db: None, valkey: Valkey, settings: Any) -> None:
    later = [1000.0]
    governor.outage.clock = lambda: later[0]
    spend(ME, left=59)
    valkey.stop()
    found = refusal(ME)
    assert found is not None
    assert (found.reason, found.retry_after) == ("outage", FIRST)
    assert usage_of(ME).minute_left is None
    require_room(ME, lane="company")
    later[0] += FIRST
    assert refusal(ME) is None
    assert refusal(ME) is not None
    assert refusal(Account("xero", "app", "other")) is None
    valkey.start()
    settings.REDIS_URL = valkey.url
    spend(ME, left=50)
    assert refusal(ME) is None
    assert governor.outage.since is None
    assert usage_of(ME).minute_left == 50


def test_a_call_on_its_way_when_valkey_goes_ends_well(db: None, valkey: Valkey) -> None:
    with take_call(ME, lane="company") as slot:
        valkey.stop()
        slot.learn(FULL)
    assert governor.outage.since is not None


def test_the_trickle_stops_when_others_have_used_nearly_everything(db: None) -> None:
    later = [0.0]
    outage = Outage(clock=lambda: later[0])
    outage.notice()
    later[0] = FIRST
    outage.take(ME)
    outage.learn(ME, Remaining(minute=4))
    later[0] += 30
    with pytest.raises(OutOfBudget) as caught:
        outage.take(ME)
    assert caught.value.retry_after == FIRST - 30


def test_the_quiet_stop_for_a_day_is_longer(db: None) -> None:
    later = [FIRST]
    outage = Outage(clock=lambda: later[0])
    outage.learn(ME, Remaining(minute=50, day=20))
    outage.since = 0.0
    with pytest.raises(OutOfBudget) as caught:
        outage.take(ME)
    assert caught.value.retry_after == 3600
