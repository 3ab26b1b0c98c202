"""Stopping our process before and after every commit and every foreign call, as a power cut would."""

import os
import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

# All stops take ten minutes, so CI makes them; a run at a desk makes every 23rd, from the first to the last.
EVERY_STOP = bool(os.environ.get("EVERY_STOP"))
PARTS = 4 if EVERY_STOP else 1  # the stops of one journey are shared out over so many tests, to run side by side
SPARSE = 23
STRIDE = PARTS if EVERY_STOP else SPARSE
WRITES = ("INSERT", "UPDATE", "DELETE")


def stops(begin: int, end: int, *, part: int, stride: int = STRIDE) -> set[int]:
    """The points of `part` at which a journey between these points is stopped."""
    return set(range(begin + part, end, stride)) | ({end - 1} if part == 0 and end > begin else set())


class Stopped(BaseException):
    """The process died here; nothing of ours may catch it."""


class Stopper:
    """Counts the points of a run, and ends the process at the point with the number `stop_at`.

    Once dead, a process neither writes to the database nor speaks to anybody: also `finally` blocks can't.
    """

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.points: list[str] = []
        self.is_running = False
        self.is_dead = False

    def point(self, name: str) -> None:
        """Pass one point, or die at it."""
        if not self.is_running:
            return
        if self.is_dead:
            raise Stopped(name)
        self.points.append(name)
        if len(self.points) - 1 == self.stop_at:
            self.is_dead = True
            raise Stopped(name)

    @contextmanager
    def process(self) -> Iterator[None]:
        """A process of ours: what it does in the block can be stopped. A stop loses its connection."""
        self.is_running, self.is_dead = True, False
        try:
            with connection.execute_wrapper(self._statement):
                yield
        except Stopped:
            self.is_running = False
            connection.close()
            raise
        finally:
            self.is_running = False

    def _statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """In autocommit every writing statement is a commit of its own."""
        if self.is_dead:
            raise Stopped(sql[:40])
        is_commit = not connection.in_atomic_block and str(sql).lstrip().upper().startswith(WRITES)
        if not is_commit:
            return execute(sql, params, many, context)
        name = " ".join(str(sql).split()[:3])
        self.point(f"before {name}")
        result = execute(sql, params, many, context)
        self.point(f"after {name}")
        return result

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put a point before and after every commit, HTTP call and mail."""
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
                self.point("before COMMIT")
            except Stopped:
                database._rollback()  # type: ignore[attr-defined]  # what the server does when its client is gone
                raise
            real(database)
            self.point("after COMMIT")

        patch.setattr(BaseDatabaseWrapper, "_commit", commit)

    def _around(self, patch: pytest.MonkeyPatch, owner: type, method: str, name_of: Callable[[Any], str]) -> None:
        real = getattr(owner, method)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            name = name_of(args)
            self.point(f"before {name}")
            result = real(*args, **kwargs)
            self.point(f"after {name}")
            return result

        patch.setattr(owner, method, wrapped)
