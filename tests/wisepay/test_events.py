"""Events: what a floor announces reaches every floor that subscribed, and nothing has an unknown name."""

import pytest

from tests.wisepay.test_outbox import Notebook
from wisepay import clock, events
from wisepay.events import add_once
from wisepay.models import OutboxMessage
from wisepay.outbox import HANDLERS, deliver_message

EVENT = "tests.thing.happened"


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> dict[str, Notebook]:
    """A declared event with two registered handlers that have not subscribed yet."""
    handlers = {"tests.first": Notebook(), "tests.second": Notebook()}
    for name, notebook in handlers.items():
        monkeypatch.setitem(HANDLERS, name, notebook)
    monkeypatch.setattr(events, "SUBSCRIPTIONS", {})
    events.declare(EVENT)
    return handlers


def test_every_subscriber_gets_one_message_however_often_it_is_announced(
    db: None, happened: dict[str, Notebook]
) -> None:
    for name in happened:
        events.subscribe(EVENT, name, key="thing:{thing_id}:" + name)
    events.announce(EVENT, thing_id=7)
    events.announce(EVENT, thing_id=7)
    now = clock.now()
    assert sorted(OutboxMessage.objects.values_list("key", flat=True)) == [
        "thing:7:tests.first",
        "thing:7:tests.second",
    ]
    for key in OutboxMessage.objects.values_list("key", flat=True):
        assert deliver_message(key, now=now)
    assert [notebook.calls for notebook in happened.values()] == [[{"thing_id": 7, "now": now}]] * 2


def test_a_standing_message_is_due_again_after_every_event(db: None, happened: dict[str, Notebook]) -> None:
    events.subscribe(EVENT, "tests.first", key="thing:{thing_id}", is_standing=True)
    for _ in range(2):
        events.announce(EVENT, thing_id=7)
        assert deliver_message("thing:7", now=clock.now())
    assert len(happened["tests.first"].calls) == 2


def test_an_event_without_subscribers_enqueues_nothing(db: None, happened: dict[str, Notebook]) -> None:
    events.announce(EVENT, thing_id=7)
    assert not OutboxMessage.objects.exists()


def test_unknown_names_are_refused_at_once(happened: dict[str, Notebook]) -> None:
    with pytest.raises(ValueError, match=r"the event tests\.unknown is not declared"):
        events.announce("tests.unknown", thing_id=7)
    with pytest.raises(ValueError, match=r"the event tests\.unknown is not declared"):
        events.subscribe("tests.unknown", "tests.first", key="thing:{thing_id}")
    with pytest.raises(ValueError, match=r"no outbox handler is called tests\.nobody"):
        events.subscribe(EVENT, "tests.nobody", key="thing:{thing_id}")


def test_second_registrations_are_refused(happened: dict[str, Notebook]) -> None:
    events.subscribe(EVENT, "tests.first", key="thing:{thing_id}")
    with pytest.raises(ValueError, match=r"subscribes to tests\.thing\.happened already"):
        events.subscribe(EVENT, "tests.first", key="thing:{thing_id}")
    with pytest.raises(ValueError, match="is declared already"):
        events.declare(EVENT)
    registry = [test_second_registrations_are_refused]
    with pytest.raises(ValueError, match="test_second_registrations_are_refused is registered already"):
        add_once(registry, test_second_registrations_are_refused)
