"""The demo's child processes: started one by one with a log each, watched, and stopped in reverse order."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.harness.processes import read_last_lines, spawn, stop

POLL_SECONDS = 0.1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ChildDied(Exception):
    """A child ended unexpectedly; the message names it and ends with its last log lines."""

    def __init__(self, name: str, status: int, log: Path) -> None:
        super().__init__(f"{name} ended with status {status}. The end of {log}:\n\n{read_last_lines(log)}")


class Supervisor:
    """A context manager: whatever was started inside the block is gone after it.

    Every child is this Python run with the given arguments, in directory `cwd`.
    """

    def __init__(self, cwd: Path, logs: Path, env: Mapping[str, str]) -> None:
        self.cwd = cwd
        self.logs = logs
        self.env = env
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A second Ctrl-C must not leave half of them running.
        before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
        for child in reversed(self.children.values()):
            stop(child)
        self.children.clear()
        for number, handler in before.items():
            signal.signal(number, handler)

    def start(self, name: str, *arguments: object, env: Mapping[str, str] | None = None) -> None:
        """Start a child that shall go on running; its output goes to `<logs>/<name>.log`."""
        command = [sys.executable, *map(str, arguments)]
        with self.log(name).open("wb") as log:
            self.children[name] = spawn(command, log=log, env={**self.env, **(env or {})}, cwd=self.cwd)

    def run(self, name: str, *arguments: object) -> None:
        """Run a child to its end while the others are watched; raises `ChildDied` unless it ends well."""
        self.start(name, *arguments)
        child = self.children[name]
        while child.poll() is None:
            self.check_running(but=name)
            time.sleep(POLL_SECONDS)
        del self.children[name]
        if child.returncode:
            raise ChildDied(name, child.returncode, self.log(name))

    def wait(self, name: str, condition: Callable[[], bool], timeout: float) -> None:
        """Return when the condition holds; raises `ChildDied` when any child ends or time is up."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.check_running()
            if time.monotonic() > deadline:
                raise ChildNotReady(name, timeout, self.log(name))
            time.sleep(POLL_SECONDS)

    def watch(self) -> None:
        """Go on until a child ends, then raise `ChildDied`."""
        while True:
            self.check_running()
            time.sleep(POLL_SECONDS * 3)

    def check_running(self, *, but: str = "") -> None:
        """Raise `ChildDied` when one of them, except `but`, has ended."""
        for name, child in self.children.items():
            if name != but and child.poll() is not None:
                raise ChildDied(name, child.returncode, self.log(name))

    def log(self, name: str) -> Path:
        """Where this child's output goes."""
        return self.logs / f"{name}.log"


class ChildNotReady(ChildDied):
    """A child lives and does not answer."""

    def __init__(self, name: str, timeout: float, log: Path) -> None:
        message = f"{name} did not answer within {timeout:.0f} s. The end of {log}:\n\n{read_last_lines(log)}"
        Exception.__init__(self, message)
