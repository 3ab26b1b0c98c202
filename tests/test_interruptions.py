"""Stopped before and after every commit and foreign call, then swept: charged once at most, posted exactly once."""

import uuid
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledgers.words import Ledger
from accounting.ledgers.xero import XeroLedger
from connections import governor
from payments.gateways import Gateway
from payments.gateways.stripe import StripeGateway
from sandbox.launch import Running
from tests.flows import JOURNEYS, JOURNEYS_OF_BOOKS, UNSTOPPED
from tests.interruptions import SPARSE, STRIDE, Stopper, stops
from tests.journeys import Journey
from tests.people import House, build_house, drain_outbox
from tests.sandbox.receiver import Receiver
from wisepay.outbox import HANDLERS

pytestmark = pytest.mark.django_db(transaction=True)
CASES = [(kind, part) for kind in JOURNEYS for part in range(kind.parts)]


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
    for name, size in kind.pages.items():
        module, constant = name.rsplit(".", 1)
        patch.setattr(import_module(module), constant, size)
    for _ in range(2):
        clean = Stopper()
        with patch.context() as scope:
            clean.install(scope)
            undisturbed = kind(house, cpq, clean)
            yield None, undisturbed
    begin = undisturbed.begun.get(kind.stops_from, 0)
    end = undisturbed.begun.get(kind.stops_until, undisturbed.length)
    for stop_at in stops(clean.points, begin, end, stride=stride, part=part, parts=kind.parts):
        stopper = Stopper(stop_at)
        with patch.context() as scope:
            stopper.install(scope)
            yield stop_at, kind(house, cpq, stopper)


@pytest.mark.parametrize(("kind", "part"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_interruptions(
    busy_house: House, cpq: Receiver, monkeypatch: pytest.MonkeyPatch, kind: type[Journey], part: int
) -> None:
    assert stop_everywhere(busy_house, cpq, monkeypatch, kind, part, stride=STRIDE) > 0


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
    assert stop_everywhere(house, cpq, monkeypatch, kind, 0, stride=1 if STRIDE == 1 else SPARSE) > 0


def stop_everywhere(
    house: House,
    cpq: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Journey],
    part: int,
    *,
    stride: int,
) -> int:
    """Every stop of this part ends as if nothing had happened; answers how many there were."""
    count = missed = 0
    for stop_at, journey in journeys(kind, house, cpq, monkeypatch, part=part, stride=stride):
        governor.keyspace = uuid.uuid4().hex  # where answers do not say what is left, our own count would stop hundreds
        was_stopped = journey.run()
        journey.stopper.stop_at = None
        journey.recover()
        try:
            journey.verify()
        except AssertionError as error:
            where = journey.stopper.points[stop_at] if was_stopped and stop_at is not None else "nowhere"
            raise AssertionError(f"stopped at {stop_at}, {where}: {error}") from error
        missed += was_stopped != (stop_at is not None)
        count += was_stopped
    # Some things are read again only now and then, so a journey may end before its stop; most do not.
    assert missed <= 2 + count // 2, "points were skipped"
    return count


@pytest.mark.thorough
def test_every_handler_and_every_foreign_call_is_passed_by_a_journey(
    busy_house: House, cpq: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: set[str] = set()
    for kind in sorted(JOURNEYS, key=lambda kind: not kind.pages):  # first those that want empty books
        stopper = Stopper()
        with monkeypatch.context() as scope:
            stopper.install(scope)
            for owner, name, label in crossings():
                note_passing(scope, owner, name, label, stopper, passed)
            journey = kind(busy_house, cpq, stopper)
            assert not journey.run()
    missed = {label for _, _, label in crossings()} - passed
    assert missed - UNSTOPPED.keys() == set(), "let a journey pass there, or say in tests/flows.py why none needs to"
    assert UNSTOPPED.keys() - missed == set(), "a journey passes there by now"


def crossings() -> Iterator[tuple[Any, str, str]]:
    """(owner, name, label) of every handler of the outbox, and of every verb of the two doors."""
    for name in HANDLERS:
        yield HANDLERS, name, name
    for door, protocol in ((XeroLedger, Ledger), (StripeGateway, Gateway)):
        for name in dir(protocol):
            if not name.startswith("_") and callable(getattr(protocol, name, None)):
                yield door, name, f"{protocol.__name__}.{name}"


def note_passing(
    patch: pytest.MonkeyPatch, owner: Any, name: str, label: str, stopper: Stopper, passed: set[str]
) -> None:
    """Write down that a process which can be stopped came by."""
    real = owner[name] if isinstance(owner, dict) else getattr(owner, name)

    def noted(*args: Any, **kwargs: Any) -> Any:
        if stopper.is_running:
            passed.add(label)
        return real(*args, **kwargs)

    if isinstance(owner, dict):
        patch.setitem(owner, name, noted)
    else:
        patch.setattr(owner, name, noted)
