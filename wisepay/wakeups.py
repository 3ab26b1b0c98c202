"""Wake-ups of the workers, sent from a thread of their own so that nobody waits for the broker.

A wake-up that is lost, because the broker or this process went away, costs seconds and no work: the sweeper runs.
"""

import threading
import time
from functools import partial
from queue import SimpleQueue

import structlog
from django.db import transaction

from wisepay.celery import app

GATHER_TIME = 0.005  # seconds in which the keys of one transaction come together
SEND_INTERVAL = 0.1  # seconds between two messages of a process: a broker costs more than a query

log = structlog.get_logger(__name__)


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
