"""Hints to the workers, sent from a thread of their own so that nobody waits for the broker.

A hint that is lost, because the broker or this process went away, costs seconds and no work: the sweeper comes by.
"""

import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue

import structlog
from django.db import transaction

from wisepay.celery import app

SEND_INTERVAL = 0.1  # seconds between two messages of a process: a broker costs more than a query

log = structlog.get_logger(__name__)


def wake(*keys: str, after: float = 0.0) -> None:
    """Tell a worker that `keys` are due, or will be in `after` seconds."""
    try:
        app.send_task(
            "wisepay.tasks.deliver_messages", kwargs={"keys": keys}, countdown=after, ignore_result=True, retry=False
        )
    except Exception as error:  # whatever the broker's client raises
        log.warning("outbox.hint_lost", messages=keys, error=type(error).__name__)


def wake_on_commit(key: str) -> None:
    """Hint at `key` once the open transaction has committed; one hint names all keys of a transaction."""
    for _, function, *_ in transaction.get_connection().run_on_commit:
        if isinstance(function, WakeUp):
            function.keys.append(key)
            return
    transaction.on_commit(WakeUp([key]))


@dataclass(slots=True)
class WakeUp:
    """What is handed over after the commit."""

    keys: list[str]

    def __call__(self) -> None:
        wake_up_sender.enqueue(self.keys)


class WakeUpSender:
    """The thread that sends; each process starts its own with its first hint."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[list[str]] = SimpleQueue()
        self.thread: threading.Thread | None = None

    def enqueue(self, keys: list[str]) -> None:
        """Send a hint at `keys` soon."""
        self.queue.put(keys)
        if self.thread is None or not self.thread.is_alive():  # a forked process has the object, not the thread
            self.thread = threading.Thread(target=self.run, name="hints", daemon=True)
            self.thread.start()

    def run(self) -> None:
        """Send what comes, for ever; what came together, or while it rested, goes in one message."""
        while True:
            keys = self.queue.get()
            while not self.queue.empty():
                keys = keys + self.queue.get()
            wake(*keys)
            time.sleep(SEND_INTERVAL)


wake_up_sender = WakeUpSender()
