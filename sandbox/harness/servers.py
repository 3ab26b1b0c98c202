"""The embedded PostgreSQL and Valkey of one home directory, or the servers that the environment names."""

import fcntl
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from sandbox.harness.postgres import Postgres
from sandbox.harness.valkey import Valkey

LOCK = "servers.lock"


class HomeInUse(Exception):
    """Another running process holds the servers of this home directory."""


def default_home() -> Path:
    """Where the data lives: `WISEPAY_HOME`, else `var` in the current directory."""
    return Path(os.environ.get("WISEPAY_HOME") or "var").absolute()


class Servers:
    """A context manager that has PostgreSQL and Valkey running inside its block and nothing left after it.

    `database_url` and `redis_url` are set while it runs. A server named by `DATABASE_URL` or `REDIS_URL` in
    `environ` is used as it is and neither started nor stopped. Raises `HomeInUse` when another process has
    the same home. `postgres` is the one that was started, if one was.
    """

    def __init__(self, home: Path, *, durable: bool = True, environ: Mapping[str, str] | None = None) -> None:
        self.home = home.absolute()
        self.durable = durable
        named = os.environ if environ is None else environ
        self.database_url = named.get("DATABASE_URL", "")
        self.redis_url = named.get("REDIS_URL", "")
        self.postgres: Postgres | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if not (self.database_url and self.redis_url):
                self.home.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_claim(self.home))
            if not self.redis_url:
                valkey = Valkey(self.home)
                stack.callback(valkey.stop)
                valkey.start()
                self.redis_url = valkey.url
            if not self.database_url:
                postgres = Postgres(self.home, durable=self.durable)
                stack.callback(postgres.stop)
                postgres.start()
                self.database_url, self.postgres = postgres.url, postgres
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def is_in_use(home: Path) -> bool:
    """Whether a running process holds the servers of this home directory."""
    try:
        with (home / LOCK).open("r+") as claim:
            fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _claim(home: Path) -> IO[str]:
    """Lock the home until the file is closed; the kernel releases it even after kill -9."""
    claim = (home / LOCK).open("a+")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as busy:
        claim.seek(0)
        holder = claim.read().strip() or "unknown"
        claim.close()
        raise HomeInUse(f"{home} is in use by process {holder}.") from busy
    claim.truncate(0)
    claim.write(str(os.getpid()))
    claim.flush()
    return claim
