"""The call budgets of a company and an app: in flight, a second, a minute, batches a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.core.world import World
from sandbox.intuit.errors import build_throttled_error

SECTION = "intuit_limits"
DEFAULTS = {"concurrent": 10, "second": 10, "minute": 500, "batch": 40}
SPANS = {"second": 1, "minute": 60, "batch": 60}
LIMIT_MESSAGE = "The request limit was reached."


class IntuitRateLimits:
    """Counts calls in fixed windows on the sandbox's clock. `config["intuit_limits"]` changes the sizes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._flying: Counter[tuple[str, str]] = Counter()

    def get_sizes(self) -> dict[str, int]:
        """The budgets in force."""
        return {**DEFAULTS, **self.world.config.get("intuit_limits", {})}

    @contextmanager
    def acquire(self, client: str, realm: str, *, batch: bool) -> Iterator[None]:
        """Hold one call's place while it is answered; raises RefusedError (429) when there is none."""
        flight = (client, realm)
        if self._flying[flight] >= self.get_sizes()["concurrent"]:
            raise build_throttled_error(LIMIT_MESSAGE)
        self._count(f"{client} {realm}", ["second", "minute", *(["batch"] if batch else [])])
        self._flying[flight] += 1
        try:
            yield
        finally:
            self._flying[flight] -= 1

    def _count(self, holder: str, kinds: list[str]) -> None:
        sizes, now = self.get_sizes(), self.world.now().timestamp()
        windows = self.world.get_section(SECTION).setdefault(holder, {})
        for kind in kinds:
            number = int(now // SPANS[kind])
            if windows.get(kind, {}).get("number") != number:
                windows[kind] = {"number": number, "used": 0}
            if windows[kind]["used"] >= sizes[kind]:
                raise build_throttled_error(LIMIT_MESSAGE)
        for kind in kinds:
            windows[kind]["used"] += 1
