"""Starting a sandbox as a process of its own, for tests and demos, and controlling it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import requests

from sandbox.harness.processes import find_free_port

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 15.0


class SandboxStartError(RuntimeError):
    """The sandbox ended, or did not answer in time."""


class SandboxProcess:
    """A sandbox process. `url` is its root; leaving the `with` block stops it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, smtp_port: int) -> None:
        self.process = process
        self.url = url
        self.smtp_port = smtp_port
        self.session = requests.Session()
        self.session.trust_env = False

    @classmethod
    def start(
        cls,
        port: int | None = None,
        *,
        smtp_port: int | None = None,
        state: Path | None = None,
        wisepay: str | None = None,
    ) -> Self:
        """Start one and wait until it answers; raises SandboxStartError."""
        port, smtp_port = port or find_free_port(), smtp_port or find_free_port()
        command = [sys.executable, "-m", "sandbox", "--port", str(port), "--smtp-port", str(smtp_port)]
        command += ["--state", str(state.resolve())] if state else []
        command += ["--wisepay", wisepay] if wisepay else []
        running = cls(subprocess.Popen(command, cwd=ROOT), f"http://127.0.0.1:{port}", smtp_port)
        running._await()
        return running

    def _await(self) -> None:
        limit = time.monotonic() + START_TIMEOUT
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                self.get("/_control/health")
            except requests.ConnectionError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise SandboxStartError(f"no answer from {self.url}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process, gently first."""
        self.session.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(START_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET below the root; raises for an error status."""
        response = self.session.get(self.url + path, timeout=10, **options)
        response.raise_for_status()
        return response

    def post(self, path: str, order: Any = None, **options: Any) -> Any:
        """POST JSON below the root and return the JSON answer; raises for an error status."""
        response = self.session.post(self.url + path, json=order or {}, timeout=10, **options)
        response.raise_for_status()
        return response.json()

    def reset(self, *, config: bool = False) -> None:
        """Delete all state, journal, faults and the moved clock."""
        self.post("/_control/reset", {"config": config})

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        self.post("/_control/clock", {"advance": seconds})

    def fault(self, service: str, kind: str, **order: Any) -> None:
        """Order a fault."""
        self.post("/_control/faults", {"service": service, "kind": kind, **order})

    def clear_faults(self) -> None:
        """Withdraw every fault."""
        self.session.delete(f"{self.url}/_control/faults", timeout=10).raise_for_status()

    def config(self, **settings: Any) -> None:
        """Merge settings into the sandbox's config."""
        self.post("/_control/config", settings)

    def state(self) -> dict[str, Any]:
        """Everything that the sandbox remembers; sections under `sections`."""
        found: dict[str, Any] = self.get("/_control/state").json()
        return found

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned of every service; clock, journal and config stay as they are."""
        order = {"sections": state["sections"]}
        self.session.put(f"{self.url}/_control/state", json=order, timeout=10).raise_for_status()

    def journal(self, service: str | None = None, since: int = 0, *, bodies: bool = True) -> list[dict[str, Any]]:
        """The journalled exchanges, oldest first; without bodies where those are long."""
        params: dict[str, str | int] = {"since": since, **({"service": service} if service else {})}
        params |= {} if bodies else {"bodies": "no"}
        return [json.loads(line) for line in self.get("/_control/journal", params=params).text.splitlines()]

    @contextmanager
    def inject_fault(self, service: str, kind: str, **order: Any) -> Iterator[None]:
        """A fault for the length of a block."""
        self.fault(service, kind, **order)
        try:
            yield
        finally:
            self.clear_faults()
