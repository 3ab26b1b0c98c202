"""Signs of life of the processes in the background, and which of them has given none for too long."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import signals
from django.db import connection

from wisepay import clock
from wisepay.models import Heartbeat

BEAT, SWEEP, WORKER_PREFIX = "beat", "sweep", "worker:"
SILENT_AFTER = timedelta(seconds=75)  # beat sweeps every five seconds, a worker lives every two
LOST_FOR = timedelta(hours=1)  # so long a worker is missed that did not end in order
WORDS = {
    BEAT: "beat does not run: nothing that is due by time is started, automatic payments stand still",
    SWEEP: "no worker gets to its work: what waits is not delivered",
}


@dataclass(frozen=True, slots=True)
class SilentProcess:
    """A process that has given no sign of life for too long; `since` is None if it never gave any."""

    name: str
    since: datetime | None
    message: str


def record_heartbeat(name: str, *, now: datetime) -> None:
    """Record a sign of life."""
    Heartbeat.objects.update_or_create(name=name[:160], defaults={"at": now})


def delete_heartbeat(name: str) -> None:
    """Forget a process that ended in order."""
    Heartbeat.objects.filter(name=name[:160]).delete()


def list_silent_processes(*, now: datetime) -> list[SilentProcess]:
    """List beat, the sweep of the outbox and every worker that have been silent for too long. One query."""
    seen = dict(Heartbeat.objects.filter(at__gt=now - timedelta(days=30)).values_list("name", "at"))
    late = {name: at for name, at in seen.items() if now - at > SILENT_AFTER}
    found = [
        SilentProcess(name, seen.get(name), words) for name, words in WORDS.items() if name not in seen or name in late
    ]
    for name, at in sorted(late.items()):
        if name.startswith(WORKER_PREFIX) and now - at < LOST_FOR:
            worker = name.removeprefix(WORKER_PREFIX)
            found.append(SilentProcess(name, at, f"worker {worker} hangs, or was killed without a word"))
    return found


# ---- who records them; Celery only logs what a receiver raises ---------------------------------
WORKER_INTERVAL = 10.0  # seconds; Celery's own heart beats every two
worker_recorded_at: dict[str, float] = {}


def record_beat(**_: object) -> None:
    """Only beat publishes the sweep."""
    record_heartbeat(BEAT, now=clock.now())


def record_worker(sender: Any = None, **_: object) -> None:
    """A worker's main process lives, whatever its tasks do."""
    name = f"{WORKER_PREFIX}{sender.eventer.hostname}"
    if time.monotonic() - worker_recorded_at.get(name, -WORKER_INTERVAL) < WORKER_INTERVAL:
        return
    worker_recorded_at[name] = time.monotonic()
    record_heartbeat(name, now=clock.now())
    connection.close()  # the processes that the worker forks must not inherit it


def forget_worker(sender: Any = None, **_: object) -> None:
    """A worker that ends in order is not missed."""
    delete_heartbeat(f"{WORKER_PREFIX}{sender.hostname}")


signals.before_task_publish.connect(record_beat, sender="wisepay.tasks.sweep_outbox")
signals.heartbeat_sent.connect(record_worker)
signals.worker_shutdown.connect(forget_worker)
