"""The outbox: consequences are rows that commit with their cause and are delivered at least once.

A handler is called with its ids and `now`; it returns, or raises Retry or Unavailable to be called again later.
Any other exception leaves the message dead: visible in the admin, logged, and retriable.
A Celery message only wakes a worker for a row that is due; the sweeper finds every due row.
"""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from queue import SimpleQueue

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django_subatomic.db import transaction_if_not_already

from wisepay import clock
from wisepay.celery import app
from wisepay.errors import Unavailable
from wisepay.logs import redact_text
from wisepay.models import OutboxMessage

GATHER_TIME = 0.005  # seconds in which the keys of one transaction come together


SEND_INTERVAL = 0.1  # seconds between two messages of a process: a broker costs more than a query


def wake(*keys: str, after: float = 0.0) -> None:
    """Send the workers a message that `keys` are due, or will be in `after` seconds."""
    try:
        app.send_task(
            "wisepay.tasks.deliver_messages", kwargs={"keys": keys}, countdown=after, ignore_result=True, retry=False
        )
    except Exception as error:  # whatever the broker's client raises
        log.warning("outbox.wakeup_lost", messages=keys, error=type(error).__name__)


def wake_on_commit(key: str) -> None:
    """Wake a worker for `key` soon after the open transaction has committed, or soon if there is none."""
    transaction.on_commit(partial(wake_up_sender.enqueue, key))


class WakeUpSender:
    """The thread that sends; each process starts its own with its first wake-up."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[str] = SimpleQueue()
        self.thread: threading.Thread | None = None

    def enqueue(self, key: str) -> None:
        """Send a wake-up for `key` soon."""
        self.queue.put(key)
        if self.thread is None or not self.thread.is_alive():  # a forked process has the object, not the thread
            self.thread = threading.Thread(target=self.run, name="wake-ups", daemon=True)
            self.thread.start()

    def run(self) -> None:
        """Send forever; keys that come within a few milliseconds, or between two messages, share one message."""
        while True:
            keys = [self.queue.get()]
            time.sleep(GATHER_TIME)
            while not self.queue.empty():
                keys.append(self.queue.get())
            wake(*keys)
            time.sleep(SEND_INTERVAL)


wake_up_sender = WakeUpSender()


log = structlog.get_logger(__name__)

Handler = Callable[..., None]
HANDLERS: dict[str, Handler] = {}
LEASE = timedelta(seconds=150)  # longer than a worker may live on one task
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
SWEEP_INTERVAL = timedelta(seconds=5)  # a message that is due before the next sweep wakes a worker itself
DONE_RETENTION = timedelta(days=30)


class Retry(Exception):
    """The work could not be finished now; deliver it again after `after` seconds (None: exponential pauses)."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def handler(name: str) -> Callable[[Handler], Handler]:
    """Register the decorated function as `name` ("<app>.<verb_noun>"); names are never reused."""

    def register(function: Handler) -> Handler:
        if name in HANDLERS:
            raise ValueError(f"two outbox handlers are called {name}")
        HANDLERS[name] = function
        return function

    return register


def check_handler(name: str) -> None:
    """Raise ValueError if no handler of this name is registered."""
    if name not in HANDLERS:
        raise ValueError(f"no outbox handler is called {name}")


def enqueue(key: str, name: str, *, run_after: datetime | None = None, **kwargs: int | str) -> None:
    """Enqueue a message for the handler `name` with `kwargs` (ids only); the same key again changes nothing.

    Raises ValueError if no handler of this name is registered.
    """
    check_handler(name)
    message = OutboxMessage(key=key, handler=name, kwargs=kwargs, run_after=run_after or clock.now())
    OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)
    if run_after is None or run_after <= clock.now():
        wake_on_commit(key)


def schedule(key: str, name: str, *, now: datetime, **kwargs: int | str) -> None:
    """Make the message `key` due now, whether it is new, pending, running or done.

    Many calls coalesce into one delivery. A running message is run once more, perhaps at the same time, so nothing
    that came meanwhile is missed; such handlers make one of two runs wait. Raises ValueError if no handler of this
    name is registered.
    """
    check_handler(name)
    columns = {"handler": name, "kwargs": kwargs, "state": "pending", "run_after": now, "claim": None}
    OutboxMessage.objects.update_or_create(key=key, defaults={**columns, "finished_at": None, "attempts": 0})
    wake_on_commit(key)


def deliver_message(key: str, *, now: datetime) -> bool:
    """Run the handler of `key` if it is due and no other worker runs it. True when it was run."""
    claim = uuid.uuid4()
    due = OutboxMessage.objects.filter(key=key, state="pending", run_after__lte=now)
    if not due.update(claim=claim, run_after=now + LEASE):
        return False
    message = OutboxMessage.objects.get(key=key)
    with structlog.contextvars.bound_contextvars(outbox=key, handler=message.handler):
        result = _run(message, now=now)
        # Only the claimant writes the result: after the lease the message belongs to the next claimant.
        OutboxMessage.objects.filter(pk=message.pk, claim=claim).update(
            claim=None, attempts=message.attempts + 1, **result
        )
        retry_at = result.get("run_after")
        if isinstance(retry_at, datetime) and retry_at - now < SWEEP_INTERVAL:
            wake(key, after=(retry_at - now).total_seconds())
    return True


def _run(message: OutboxMessage, *, now: datetime) -> dict[str, object]:
    """Call the handler; answer the message's columns to update."""
    try:
        HANDLERS[message.handler](now=now, **message.kwargs)
    except Retry as error:
        return _retry_later(message, str(error), after=error.after, now=now)
    except Unavailable as error:
        return _retry_later(message, str(error), after=error.retry_after, now=now)
    except (OperationalError, InterfaceError) as error:
        return _retry_later(message, f"database: {error}", after=None, now=now)
    except Exception as error:
        log.exception("outbox.dead")
        text = redact_text(f"{type(error).__name__}: {error}")
        return {"state": "dead", "last_error": text[:2000], "finished_at": now}
    return {"state": "done", "last_error": "", "finished_at": now}


def _retry_later(message: OutboxMessage, reason: str, *, after: float | None, now: datetime) -> dict[str, object]:
    pause = after if after is not None else min(FIRST_PAUSE * 2 ** min(message.attempts, 12), LONGEST_PAUSE)
    log.info("outbox.retry", reason=reason, after=round(pause, 1))
    return {"run_after": now + timedelta(seconds=pause), "last_error": redact_text(reason)[:2000]}


def list_due_keys(*, now: datetime, limit: int = 500) -> list[str]:
    """List the keys of the messages that are due, oldest first."""
    due = OutboxMessage.objects.filter(state="pending", run_after__lte=now)
    return list(due.order_by("run_after", "id").values_list("key", flat=True)[:limit])


def retry_message(message: OutboxMessage, *, now: datetime) -> None:
    """Make a pending or dead message due now; a done one stays done."""
    with transaction_if_not_already():
        OutboxMessage.objects.filter(pk=message.pk).exclude(state="done").update(
            state="pending", run_after=now, claim=None, finished_at=None
        )
        wake_on_commit(message.key)


def delete_done_messages(*, now: datetime) -> int:
    """Delete messages that were done longer ago than DONE_RETENTION; answer how many."""
    return OutboxMessage.objects.filter(state="done", finished_at__lt=now - DONE_RETENTION).delete()[0]
