"""The outbox: what commits is delivered, once at a time, until it is done or dead."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone
from kombu import pools

from tests.concurrency import run_concurrently
from wisepay import outbox
from wisepay.celery import app
from wisepay.errors import Unavailable
from wisepay.models import OutboxMessage
from wisepay.outbox import HANDLERS, LEASE, Retry, deliver_message, enqueue
from wisepay.tasks import delete_done_messages, sweep_outbox

NAME = "tests.note"
Work = Callable[..., None]


class Notebook:
    """A handler that records its calls and then runs `then`."""

    def __init__(self) -> None:
        self.calls: list[dict[str, object]] = []
        self.then: Work = lambda **_: None

    def __call__(self, **kwargs: object) -> None:
        self.calls.append(kwargs)
        self.then(**kwargs)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A registered handler called `tests.note`."""
    notebook = Notebook()
    monkeypatch.setitem(HANDLERS, NAME, notebook)
    return notebook


def message(key: str = "k") -> OutboxMessage:
    """The row, read afresh."""
    return OutboxMessage.objects.get(key=key)


def raising(error: BaseException) -> Work:
    """Work that ends with `error`."""

    def work(**_: object) -> None:
        raise error

    return work


@pytest.mark.django_db(transaction=True)
def test_a_message_commits_or_vanishes_with_its_cause(notes: Notebook) -> None:
    with transaction.atomic():
        enqueue("gone", NAME)
        transaction.set_rollback(True)
    with transaction.atomic():
        enqueue("kept", NAME, some_id=7)
    assert outbox.list_due_keys(now=timezone.now()) == ["kept"]
    now = timezone.now()
    assert deliver_message("kept", now=now) is True
    assert notes.calls == [{"some_id": 7, "now": now}]
    assert deliver_message("gone", now=now) is False


def test_the_same_key_is_stored_once(db: None, notes: Notebook) -> None:
    enqueue("k", NAME, some_id=1)
    enqueue("k", NAME, some_id=2)
    assert deliver_message("k", now=timezone.now())
    enqueue("k", NAME, some_id=3)
    assert not deliver_message("k", now=timezone.now())
    assert [call["some_id"] for call in notes.calls] == [1]


def test_nothing_is_delivered_before_its_time(db: None, notes: Notebook) -> None:
    now = timezone.now()
    enqueue("k", NAME, run_after=now + timedelta(seconds=10))
    assert not deliver_message("k", now=now + timedelta(seconds=9))
    assert deliver_message("k", now=now + timedelta(seconds=10))


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_delivers(notes: Notebook) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    assert sum(run_concurrently(8, lambda _: deliver_message("k", now=now))) == 1
    assert len(notes.calls) == 1
    assert message().state == "done"


@pytest.mark.django_db(transaction=True)
def test_a_message_under_way_is_left_alone_until_its_lease_ends(notes: Notebook) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    busy, over = Event(), Event()

    def slow(**_: object) -> None:
        if len(notes.calls) == 1:
            busy.set()
            assert over.wait(10)
            raise ValueError("the first worker comes too late")

    notes.then = slow

    def first(_: int) -> bool:
        return deliver_message("k", now=now)

    def second(_: int) -> list[bool]:
        assert busy.wait(10)
        try:
            early = deliver_message("k", now=now + LEASE - timedelta(seconds=1))
            return [early, deliver_message("k", now=now + LEASE)]
        finally:
            over.set()

    answers = run_concurrently(2, lambda index: [first, second][index](index))
    assert answers == [True, [False, True]]
    # The late worker's word on a lease that it lost does not count.
    assert (message().state, message().last_error) == ("done", "")


def test_a_dead_workers_message_is_delivered_after_its_lease(db: None, notes: Notebook) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    notes.then = raising(SystemExit())
    with pytest.raises(SystemExit):
        deliver_message("k", now=now)
    notes.then = lambda **_: None
    assert not deliver_message("k", now=now + LEASE - timedelta(seconds=1))
    assert deliver_message("k", now=now + LEASE)
    assert message().state == "done"


@pytest.mark.parametrize("error", [Retry("not yet", after=42), Unavailable("away", retry_after=42)])
def test_an_outage_pauses_a_message_as_long_as_it_asks(db: None, notes: Notebook, error: Exception) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    notes.then = raising(error)
    assert deliver_message("k", now=now)
    saved = message()
    assert (saved.state, saved.run_after, saved.attempts, saved.claim) == (
        "pending",
        now + timedelta(seconds=42),
        1,
        None,
    )
    assert saved.last_error == str(error)


@pytest.mark.parametrize("error", [Retry("not yet"), Unavailable("away"), OperationalError("gone")])
def test_pauses_grow_to_an_hour_when_nobody_names_one(db: None, notes: Notebook, error: Exception) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    notes.then = raising(error)
    pauses = []
    for _ in range(15):
        assert deliver_message("k", now=now)
        pauses.append((message().run_after - now).total_seconds())
        now = message().run_after
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses[-1] == 3600
    assert pauses == sorted(pauses)


def test_what_succeeds_after_an_outage_is_done_and_shows_no_error(db: None, notes: Notebook) -> None:
    enqueue("k", NAME)
    notes.then = raising(Retry("not yet", after=1))
    deliver_message("k", now=timezone.now())
    notes.then = lambda **_: None
    deliver_message("k", now=timezone.now() + timedelta(seconds=2))
    assert (message().state, message().last_error, message().attempts) == ("done", "", 2)


def test_any_other_error_is_death_and_tells_no_secret(db: None, notes: Notebook) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    notes.then = raising(ValueError("refused sk_test_abcdefgh"))
    deliver_message("k", now=now)
    dead = message()
    assert (dead.state, dead.last_error, dead.finished_at) == ("dead", "ValueError: refused [redacted]", now)
    assert not deliver_message("k", now=now + timedelta(days=1))


def test_a_handler_that_nobody_registered_is_death_too(db: None) -> None:
    now = timezone.now()
    OutboxMessage.objects.create(key="k", handler="tests.nobody", run_after=now)
    deliver_message("k", now=now)
    assert (message().state, message().last_error) == ("dead", "KeyError: 'tests.nobody'")


def test_an_unknown_handler_is_refused_at_once(db: None) -> None:
    with pytest.raises(ValueError, match=r"no outbox handler is called tests\.nobody"):
        enqueue("k", "tests.nobody")
    with pytest.raises(ValueError, match=r"no outbox handler is called tests\.nobody"):
        outbox.schedule("k", "tests.nobody", now=timezone.now())
    assert not OutboxMessage.objects.exists()


def test_the_dead_can_be_revived(db: None, notes: Notebook) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    notes.then = raising(ValueError("once"))
    deliver_message("k", now=now)
    notes.then = lambda **_: None
    outbox.retry_message(message(), now=now)
    assert deliver_message("k", now=now)
    assert message().state == "done"


def test_what_is_done_is_not_revived(db: None, notes: Notebook) -> None:
    enqueue("k", NAME)
    now = timezone.now()
    deliver_message("k", now=now)
    outbox.retry_message(message(), now=now)
    assert not deliver_message("k", now=now)


def test_a_standing_message_that_is_armed_while_it_runs_is_run_once_more(db: None, notes: Notebook) -> None:
    now = timezone.now()

    def arm_again(**_: object) -> None:
        if len(notes.calls) == 1:
            outbox.schedule("k", NAME, now=now, some_id=2)

    notes.then = arm_again
    outbox.schedule("k", NAME, now=now, some_id=1)
    assert [deliver_message("k", now=now) for _ in range(3)] == [True, True, False]
    assert [call["some_id"] for call in notes.calls] == [1, 2]


@pytest.mark.parametrize("end", [None, ValueError("dead")])
def test_a_standing_message_can_be_armed_again_after_its_end(db: None, notes: Notebook, end: Exception | None) -> None:
    now = timezone.now()
    notes.then = raising(end) if end else notes.then
    outbox.schedule("k", NAME, now=now)
    deliver_message("k", now=now)
    outbox.schedule("k", NAME, now=now)
    assert (message().state, message().attempts, message().finished_at) == ("pending", 0, None)
    assert deliver_message("k", now=now)


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody listens where the broker should be."""

    def forget() -> None:
        pools.reset()  # type: ignore[no-untyped-call]
        app.pool.force_close_all()
        app._pool = app.amqp._producer_pool = None

    forget()
    monkeypatch.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/0")
    yield
    forget()


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_nothing_raises_and_nothing_is_lost(notes: Notebook, no_broker: None) -> None:
    begun = time.monotonic()
    with transaction.atomic():
        enqueue("k", NAME)
    outbox.schedule("standing", NAME, now=timezone.now())
    sweep_outbox()
    now = timezone.now()
    assert time.monotonic() - begun < 2, "a payer waits for wake-ups that nobody receives"
    assert outbox.list_due_keys(now=now) == ["k", "standing"]
    assert deliver_message("k", now=now)


@pytest.mark.django_db(transaction=True)
def test_a_wakeup_reaches_the_broker_only_after_the_commit(notes: Notebook) -> None:
    with app.connection_for_write() as wire:
        client = wire.default_channel.client
        prefix = app.conf.broker_transport_options["global_keyprefix"]

        def has_woken() -> bool:
            bodies = (json.loads(m)["body"] for m in client.lrange(f"{prefix}celery", 0, -1))
            return any(b"wake-after-commit" in base64.b64decode(body) for body in bodies)

        client.delete("celery")
        with transaction.atomic():
            enqueue("wake-after-commit", NAME)
            assert not has_woken()
        limit = time.monotonic() + 5
        while not has_woken():
            assert time.monotonic() < limit, "no wake-up came"
            time.sleep(0.01)
        client.delete("celery")


def test_long_done_messages_are_pruned_and_others_stay(db: None, notes: Notebook) -> None:
    for key in ("old", "young", "waiting"):
        enqueue(key, NAME)
    now = timezone.now()
    for key in ("old", "young"):
        deliver_message(key, now=now)
    OutboxMessage.objects.filter(key="old").update(finished_at=now - timedelta(days=31))
    OutboxMessage.objects.filter(key="waiting").update(created_at=now - timedelta(days=99))
    delete_done_messages()
    assert set(OutboxMessage.objects.values_list("key", flat=True)) == {"young", "waiting"}


def test_two_handlers_may_not_share_a_name(notes: Notebook) -> None:
    with pytest.raises(ValueError, match="two outbox handlers"):
        outbox.handler(NAME)(lambda **_: None)
