"""The state of one practice world: its clock, its ids, its sections, its timers."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import string
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.core.faults import Faults
from sandbox.core.journal import Journal

logger = logging.getLogger("sandbox")
ALPHABET = string.ascii_letters + string.digits
SAVE_PAUSE = 1.0


class World:
    """The state of one sandbox process. Lives on one event loop, so nothing here locks.

    `config` holds what people set from outside (flags of the command line, `/_control/config`).
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8001,
        smtp_port: int = 8025,
        state_file: Path | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.smtp_port = smtp_port
        self.state_file = state_file
        self.first_config: dict[str, Any] = dict(config or {})
        self.config: dict[str, Any] = dict(self.first_config)
        self.offset = timedelta(0)
        self.journal = Journal(self.now)
        self.faults = Faults()
        self._sections: dict[str, dict[str, Any]] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._dirty = False
        self._saved_at = 0.0

    @property
    def url(self) -> str:
        """The root of this sandbox as others reach it, without a trailing slash."""
        return str(self.config.get("public_url") or f"http://{self.host}:{self.port}").rstrip("/")

    def now(self) -> datetime:
        """The sandbox's own time: aware, UTC, real time plus the offset that the control API moved."""
        return datetime.now(UTC) + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock (backwards with a negative number) and let every timer look at it."""
        self.offset += timedelta(seconds=seconds)
        self.mark_changed()
        self.tick()

    def id(self, prefix: str, length: int = 24) -> str:
        """A fresh random id such as `pi_4kJ…`."""
        return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(length))

    def get_section(self, name: str, factory: Callable[[], dict[str, Any]] = dict) -> dict[str, Any]:
        """One service's plain JSON-able state. Ask every time: a reset throws the old dictionary away."""
        if name not in self._sections:
            self._sections[name] = factory()
        return self._sections[name]

    def sections(self) -> dict[str, dict[str, Any]]:
        """Every section by name, for the control API to show."""
        return self._sections

    def restore_sections(self, sections: dict[str, dict[str, Any]]) -> None:
        """Restore every section to what the control API showed; clock, journal and config stay."""
        self._sections = sections
        self.mark_changed()

    def on_tick(self, callback: Callable[[], None]) -> None:
        """Run `callback` every 0.2 s and whenever the clock is moved. It must return at once."""
        self._callbacks.append(callback)

    def tick(self) -> None:
        """Run every timer; one that fails is logged and does not stop the others."""
        for callback in self._callbacks:
            try:
                callback()
            except Exception:
                logger.exception("a timer failed")
        self._save_if_due()

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` run beside the requests; it is cancelled when the sandbox stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("background work failed", exc_info=task.exception())

    def stop(self) -> None:
        """Cancel background work and write the state file."""
        for task in self._tasks:
            task.cancel()
        self.save()

    def mark_changed(self) -> None:
        """Have the state file written soon, because a section changed."""
        self._dirty = True

    def reset(self, *, config: bool = False) -> None:
        """Delete all state, the journal, the faults and the moved clock; the config too when asked."""
        self._sections.clear()
        self.journal.clear()
        self.faults.clear()
        self.offset = timedelta(0)
        if config:
            self.config = dict(self.first_config)
        self.mark_changed()

    def _save_if_due(self) -> None:
        if self._dirty and time.monotonic() - self._saved_at >= SAVE_PAUSE:
            self.save()

    def save(self) -> None:
        """Write the state file (if one was named) so that a crash leaves the old or the new one whole."""
        self._dirty = False
        self._saved_at = time.monotonic()
        if self.state_file is None:
            return
        body = {"offset": self.offset.total_seconds(), "config": self.config, "sections": self._sections}
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.state_file.with_name(self.state_file.name + ".new")
        fresh.write_text(json.dumps(body))
        os.replace(fresh, self.state_file)

    def load(self) -> None:
        """Take up where the state file left off; a missing file means a new world."""
        if self.state_file is None or not self.state_file.exists():
            return
        body = json.loads(self.state_file.read_text())
        self.offset = timedelta(seconds=body["offset"])
        self.config = {**body["config"], **self.first_config}
        self._sections = body["sections"]
