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

REST = 0.1  # seconds between two messages of a process: a broker costs more than a query

log = structlog.get_logger(__name__)


def hint(*keys: str, after: float = 0.0) -> None:
    """Tell a worker that `keys` are due, or will be in `after` seconds."""
    try:
        app.send_task("wisepay.tasks.deliver", kwargs={"keys": keys}, countdown=after, ignore_result=True, retry=False)
    except Exception as error:  # whatever the broker's client raises
        log.warning("outbox.hint_lost", messages=keys, error=type(error).__name__)


def hint_on_commit(key: str) -> None:
    """Hint at `key` once the open transaction has committed; one hint names all keys of a transaction."""
    for _, function, *_ in transaction.get_connection().run_on_commit:
        if isinstance(function, Hint):
            function.keys.append(key)
            return
    transaction.on_commit(Hint([key]))


@dataclass(slots=True)
class Hint:
    """What is handed over after the commit."""

    keys: list[str]

    def __call__(self) -> None:
        messenger.take(self.keys)


class Messenger:
    """The thread that sends; each process starts its own with its first hint."""

    def __init__(self) -> None:
        self.waiting: SimpleQueue[list[str]] = SimpleQueue()
        self.thread: threading.Thread | None = None

    def take(self, keys: list[str]) -> None:
        """Send a hint at `keys` soon."""
        self.waiting.put(keys)
        if self.thread is None or not self.thread.is_alive():  # a forked process has the object, not the thread
            self.thread = threading.Thread(target=self.work, name="hints", daemon=True)
            self.thread.start()

    def work(self) -> None:
        """Send what comes, for ever; what came together, or while it rested, goes in one message."""
        while True:
            keys = self.waiting.get()
            while not self.waiting.empty():
                keys = keys + self.waiting.get()
            hint(*keys)
            time.sleep(REST)


messenger = Messenger()
