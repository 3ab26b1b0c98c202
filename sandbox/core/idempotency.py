"""Answers that a vendor gives again to a repeated idempotency key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sandbox.core.world import World

Record = dict[str, Any]


class RememberedAnswers:
    """The answers in one section of the world, by key; each is forgotten after `lifetime`."""

    def __init__(self, world: World, section: str, lifetime: timedelta) -> None:
        self.world = world
        self.section = section
        self.lifetime = lifetime

    def get(self, key: str) -> Record | None:
        """What was saved under a key, while it lives."""
        found: Record | None = self.list_living().get(key)
        return found

    def save(self, key: str, **answer: Any) -> None:
        """Save an answer under a key."""
        self.list_living()[key] = {**answer, "at": self.world.now().isoformat()}

    def list_living(self) -> Record:
        """The section without what is too old; entries are in the order of time, so old ones go from the front."""
        section = self.world.get_section(self.section)
        oldest = self.world.now() - self.lifetime
        for name in list(section):
            if datetime.fromisoformat(section[name]["at"]) > oldest:
                break
            del section[name]
        return section
