"""Child processes on a leash: they die with their starter, stop in order, and orphans are found again."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped]

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def set_death_signal(signum: int) -> Callable[[], None]:
    """A `preexec_fn` that asks Linux to send `signum` to the child when its starter dies.

    Elsewhere it does nothing; orphans are then found by `stop_orphan` at the next start.
    """
    starter = os.getpid()

    def tie() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
        if os.getppid() != starter:
            os._exit(1)

    return tie


def spawn(
    command: Sequence[str | Path],
    *,
    log: IO[bytes],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | int | None = None,
    death_signal: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that a Ctrl-C in the terminal reaches only its starter."""
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        user=user,
        extra_groups=None if user is None else [],
        start_new_session=True,
        preexec_fn=set_death_signal(death_signal),
    )


def stop(child: subprocess.Popen[bytes], *, first: int = signal.SIGTERM, patience: float = 10.0) -> None:
    """Ask the child to stop, wait `patience` seconds, then kill; its whole session goes with it."""
    if child.poll() is None:
        child.send_signal(first)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    kill_session(child.pid)


def kill_session(leader: int) -> None:
    """Kill what is left of the process group that `leader` led."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def stop_orphan(pid: int, *, mark: str, first: int, patience: float = 10.0) -> bool:
    """Stop process `pid` left by a killed run, if its command line really contains `mark`.

    A process id may have been given to somebody else since; such a process is left alone.
    True: one was stopped.
    """
    try:
        process = psutil.Process(pid)
        if not any(mark in part for part in process.cmdline()):
            return False
        process.send_signal(first)
        _, alive = psutil.wait_procs([process], timeout=patience)
        for survivor in alive:
            survivor.kill()
            survivor.wait(patience)
    except psutil.Error:
        return False
    return True


def kill_processes_in(directory: Path) -> None:
    """Kill every process whose working directory is `directory`, and wait until they are gone."""
    found = [
        process
        for process in psutil.process_iter(["cwd"])
        if process.info["cwd"] == str(directory) and process.pid != os.getpid()
    ]
    for process in found:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(found, timeout=10)


def find_free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_port_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could not listen on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def read_last_lines(path: Path, count: int = 20) -> str:
    """The end of a log file, decoded with care."""
    if not path.exists():
        return ""
    return "\n".join(path.read_bytes()[-20_000:].decode(errors="replace").splitlines()[-count:])
