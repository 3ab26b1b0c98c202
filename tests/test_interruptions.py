"""Stopped before and after every commit and foreign call, then swept: charged once at most, posted exactly once."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from connections import governor
from sandbox.launch import Running
from tests.interruptions import PARTS, SPARSE, STRIDE, Stopper, stops
from tests.journeys import Journey, SecureJourney
from tests.journeys_of_people import (
    DebitJourney,
    RefundJourney,
    RegisterJourney,
    ReinstatedJourney,
    RejectedJourney,
    ReversedJourney,
    SavingJourney,
    SetupJourney,
)
from tests.journeys_of_settings import AdditionJourney, BankAdditionJourney
from tests.people import House, build_house, drain_outbox
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

JOURNEYS = [
    Journey,
    SecureJourney,
    SavingJourney,
    RegisterJourney,
    SetupJourney,
    AdditionJourney,
    BankAdditionJourney,
    DebitJourney,
    RejectedJourney,
    ReversedJourney,
    ReinstatedJourney,
    RefundJourney,
]
# Those whose documents differ from book to book.
JOURNEYS_OF_BOOKS = [Journey, RefundJourney, DebitJourney, RejectedJourney, ReversedJourney, ReinstatedJourney]


@pytest.fixture
def cpq() -> Iterator[Receiver]:
    """CPQ's callback address."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def busy_house(db: None, world: Running, settings: Any) -> House:
    """A merchant whose practice world has no limits on calls, since hundreds of journeys go through it."""
    return unlimited_house(world, settings)


def unlimited_house(world: Running, settings: Any, provider: str = "xero") -> House:
    """The same, with either accounting package."""
    none = {"minute": 10**6, "day": 10**7, "appminute": 10**6, "concurrent": 50, "second": 10**6, "batch": 10**6}
    world.config(xero_limits=none, intuit_limits=none, stripe_rate_limit=10**6)
    settings.GUEST_ATTEMPTS_PER_IP_HOUR = 10**6
    house = build_house(world, provider=provider)
    drain_outbox(at=timezone.now())
    return house


def journeys(
    kind: type[Journey], house: House, cpq: Receiver, patch: pytest.MonkeyPatch, *, part: int, stride: int
) -> Iterator[tuple[int | None, Journey]]:
    """Two undisturbed journeys, then one for every point that the second passed and that no other kind shares.

    The first of all makes what is made once, such as the first version of the terms.
    """
    for _ in range(2):
        clean = Stopper()
        with patch.context() as scope:
            clean.install(scope)
            undisturbed = kind(house, cpq, clean)
            yield None, undisturbed
    begin = undisturbed.begun.get(kind.stops_from, 0)
    end = undisturbed.begun.get(kind.stops_until, undisturbed.length)
    for stop_at in sorted(stops(begin, end, part=part, stride=stride)):
        stopper = Stopper(stop_at)
        with patch.context() as scope:
            stopper.install(scope)
            yield stop_at, kind(house, cpq, stopper)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", JOURNEYS, ids=lambda kind: kind.__name__)
def test_interruptions(
    busy_house: House, cpq: Receiver, monkeypatch: pytest.MonkeyPatch, kind: type[Journey], part: int
) -> None:
    assert stop_everywhere(busy_house, cpq, monkeypatch, kind, part) > 0


@pytest.mark.parametrize("kind", JOURNEYS_OF_BOOKS, ids=lambda kind: kind.__name__)
def test_interruptions_with_quickbooks(
    world: Running,
    settings: Any,
    cpq: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Journey],
) -> None:
    """A debit is booked when it settles there, and deleted when it comes back. Few of the stops are enough: the
    payment's are those of Xero's journeys, and the books' own ways are stopped everywhere in tests/accounting.
    """
    house = unlimited_house(world, settings, "quickbooks")
    assert stop_everywhere(house, cpq, monkeypatch, kind, 0, stride=SPARSE) > 0


def stop_everywhere(
    house: House,
    cpq: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Journey],
    part: int,
    *,
    stride: int = STRIDE,
) -> int:
    """Every stop of this part ends as if nothing had happened; answers how many there were."""
    count = 0
    for stop_at, journey in journeys(kind, house, cpq, monkeypatch, part=part, stride=stride):
        governor.keyspace = uuid.uuid4().hex  # where answers do not say what is left, our own count would stop hundreds
        was_stopped = journey.run()
        # A journey may end a step earlier than the one that was counted, never without having passed its points.
        is_over = stop_at is not None and len(journey.stopper.points) in (stop_at, stop_at - 1)
        assert was_stopped == (stop_at is not None) or is_over, "a point was skipped"
        journey.stopper.stop_at = None
        journey.recover()
        try:
            journey.verify()
        except AssertionError as error:
            where = journey.stopper.points[stop_at] if was_stopped and stop_at is not None else "nowhere"
            raise AssertionError(f"stopped at {stop_at}, {where}: {error}") from error
        count += was_stopped
    return count


def test_the_interruptions_cover_every_foreign_call(
    busy_house: House, cpq: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopper = Stopper()
    stopper.install(monkeypatch)
    assert not SecureJourney(busy_house, cpq, stopper).run()
    calls = {re.sub(r"(pi_)\w+", r"\1*", p) for p in stopper.points if "COMMIT" not in p and "/" in p}
    expected = {
        "POST /stripe/v1/payment_intents",
        "GET /stripe/v1/payment_intents/pi_*",
        "POST /xero/identity/connect/token",
        "PUT /Contacts",
        "PUT /Invoices",
        "PUT /CreditNotes",
        "PUT /Payments",
        "POST /callback",
    }
    assert calls == {f"{when} {name}" for when in ("before", "after") for name in expected}
    assert stopper.points.count("before mail") == stopper.points.count("after mail") == 2
    assert stopper.points.count("before COMMIT") == stopper.points.count("after COMMIT") > 15
