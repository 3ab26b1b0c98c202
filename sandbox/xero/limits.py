"""The call budgets: in flight, a minute, a day per app and organisation, and a minute per app."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

from sandbox.core.service import RefusedError
from sandbox.core.world import World

SECTION = "xero_limits"
DEFAULTS = {"concurrent": 5, "minute": 60, "day": 5000, "appminute": 10_000}
SPANS = {"minute": 60, "day": 86_400, "appminute": 60}
HEADERS = {
    "minute": "X-MinLimit-Remaining",
    "day": "X-DayLimit-Remaining",
    "appminute": "X-AppMinLimit-Remaining",
}
CHECKED = ("day", "minute", "appminute")


class XeroRateLimits:
    """Counts calls in fixed windows on the sandbox's clock. `config["xero_limits"]` changes the sizes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._flying: Counter[tuple[str, str]] = Counter()

    def get_sizes(self) -> dict[str, int]:
        """The budgets in force."""
        return {**DEFAULTS, **self.world.config.get("xero_limits", {})}

    @contextmanager
    def acquire(self, client: str, tenant: str) -> Iterator[None]:
        """Hold one call's place while it is answered; raises RefusedError (429) when there is none."""
        flight = (client, tenant)
        if self._flying[flight] >= self.get_sizes()["concurrent"]:
            raise self._breach("concurrent", 1, client, tenant)
        self._count(client, tenant)
        self._flying[flight] += 1
        try:
            yield
        finally:
            self._flying[flight] -= 1

    def headers(self, client: str, tenant: str) -> dict[str, str]:
        """What is left of each budget."""
        sizes = self.get_sizes()
        used = {kind: self._window(kind, client, tenant)["used"] for kind in CHECKED}
        return {HEADERS[kind]: str(max(0, sizes[kind] - used[kind])) for kind in HEADERS}

    def _count(self, client: str, tenant: str) -> None:
        sizes = self.get_sizes()
        windows = {kind: self._window(kind, client, tenant) for kind in CHECKED}
        for kind, window in windows.items():
            if window["used"] >= sizes[kind]:
                raise self._breach(kind, window["left"], client, tenant)
        for window in windows.values():
            window["used"] += 1

    def _window(self, kind: str, client: str, tenant: str) -> dict[str, Any]:
        """The running window: `used` calls, `left` seconds. Its start differs between organisations."""
        holder = client if kind == "appminute" else f"{client} {tenant}"
        span = SPANS[kind]
        offset = 0 if kind == "appminute" else zlib.crc32(tenant.encode()) % span
        shifted = self.world.now().timestamp() + offset
        number = int(shifted // span)
        windows = self.world.get_section(SECTION).setdefault(holder, {})
        window: dict[str, Any] = windows.get(kind) or {}
        if window.get("number") != number:
            window = windows[kind] = {"number": number, "used": 0}
        window["left"] = max(1, ceil((number + 1) * span - shifted))
        return window

    def _breach(self, problem: str, wait: int, client: str, tenant: str) -> RefusedError:
        headers = {"X-Rate-Limit-Problem": problem, "Retry-After": str(wait)}
        return RefusedError(429, "Too many requests", {**headers, **self.headers(client, tenant)})
