"""The journal: the requests to the practice vendors, and their answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

MAX_ENTRIES = 20_000


class Journal:
    """The last exchanges, each a dictionary that can be written as one line of JSON."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._entries: deque[dict[str, Any]] = deque(maxlen=MAX_ENTRIES)
        self._next = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Save one exchange, numbered and dated by the sandbox's clock."""
        self._entries.append({"index": self._next, "at": self._clock().isoformat(), **entry})
        self._next += 1

    def list_since(self, index: int = 0, service: str | None = None) -> Iterable[dict[str, Any]]:
        """Exchanges numbered `index` or later, of one service or of all."""
        return (
            entry
            for entry in self._entries
            if entry["index"] >= index and (service is None or entry["service"] == service)
        )

    def clear(self) -> None:
        """Delete every exchange and number from zero again."""
        self._entries.clear()
        self._next = 0


def format_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as text, with the secret of `Authorization` masked."""
    found: dict[str, str] = {}
    for name, value in raw:
        key = "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
        found[key] = value.decode("latin-1")
    if "Authorization" in found:
        found["Authorization"] = found["Authorization"].split(" ", 1)[0] + " ***"
    return found
