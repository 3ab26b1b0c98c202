"""Stopping our process before and after every commit and every foreign call, as a power cut would do."""

import os
import random
import smtplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

# All interruptions take many minutes: STOPS=1 makes them. The gate makes every fourteenth, other runs every 41st.
# The first one follows the run's random seed, so every run makes others.
SPARSE = 11  # with the second ledger
STRIDE = int(os.environ.get("STOPS", 41))
PARTS = 2 if STRIDE < SPARSE else 1  # tests that share the interruptions of a long scenario, side by side
WRITES = ("INSERT", "UPDATE", "DELETE")
READS = ("before GET ", "before HEAD ")


def list_interruption_points(
    points: Sequence[str], begin: int, end: int, *, stride: int, part: int = 0, parts: int = 1
) -> list[int]:
    """The points from `begin` to `end` at which a scenario that passed these points is interrupted, shared by parts.

    Only writes change anything, and only one process runs: an interruption before the next write is the same as one
    after the last write, or anywhere between. So those before a write are enough; after the last one nothing is lost.
    """
    chosen = [n for n in range(begin, end) if points[n].startswith("before ") and not points[n].startswith(READS)]
    shared = chosen[part::parts]
    return shared[random.randrange(min(stride, len(shared) or 1)) :: stride]


class ProcessStopped(BaseException):
    """The process was killed here; nothing of ours may catch it."""


class ProcessStopper:
    """Counts the points of a run, and ends the process at the point with the number `stop_at`.

    Once dead, a process neither writes to the database nor calls anybody, not even in a `finally` block.
    """

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.points: list[str] = []
        self.is_running = False
        self.is_dead = False

    def pass_point(self, name: str) -> None:
        """Count one point, or end the process at it."""
        if not self.is_running:
            return
        if self.is_dead:
            raise ProcessStopped(name)
        self.points.append(name)
        if len(self.points) - 1 == self.stop_at:
            self.is_dead = True
            raise ProcessStopped(name)

    @contextmanager
    def process(self) -> Iterator[None]:
        """A process of ours: what runs in the block can be interrupted, which closes its database connection."""
        self.is_running, self.is_dead = True, False
        try:
            with connection.execute_wrapper(self._statement):
                yield
        except ProcessStopped:
            self.is_running = False
            connection.close()
            raise
        finally:
            self.is_running = False

    def _statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Put a point around every writing statement in autocommit, which is a commit of its own."""
        if self.is_dead:
            raise ProcessStopped(sql[:40])
        is_commit = not connection.in_atomic_block and str(sql).lstrip().upper().startswith(WRITES)
        if not is_commit:
            return execute(sql, params, many, context)
        name = " ".join(str(sql).split()[:3])
        self.pass_point(f"before {name}")
        result = execute(sql, params, many, context)
        self.pass_point(f"after {name}")
        return result

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put a point before and after every commit, HTTP call and email."""
        self._around_commits(patch)
        self._around(
            patch,
            requests.adapters.HTTPAdapter,
            "send",
            lambda args: f"{args[1].method} {urlsplit(args[1].url).path}",
        )
        self._around(
            patch, urllib3.PoolManager, "urlopen", lambda args: f"{args[1]} {urlsplit(args[2]).path.split('/2.0')[-1]}"
        )
        self._around(patch, smtplib.SMTP, "sendmail", lambda args: "mail")

    def _around_commits(self, patch: pytest.MonkeyPatch) -> None:
        real = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

        def commit(database: BaseDatabaseWrapper) -> None:
            try:
                self.pass_point("before COMMIT")
            except ProcessStopped:
                database._rollback()  # type: ignore[attr-defined]  # what the server does when its client is gone
                raise
            real(database)
            self.pass_point("after COMMIT")

        patch.setattr(BaseDatabaseWrapper, "_commit", commit)

    def _around(self, patch: pytest.MonkeyPatch, owner: type, method: str, name_of: Callable[[Any], str]) -> None:
        real = getattr(owner, method)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            name = name_of(args)
            self.pass_point(f"before {name}")
            result = real(*args, **kwargs)
            try:
                self.pass_point(f"after {name}")
            except ProcessStopped:
                if hasattr(result, "close"):
                    result.close()
                raise
            return result

        patch.setattr(owner, method, wrapped)
