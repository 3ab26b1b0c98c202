"""Answers remembered under an app's `requestid`, for a short while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sandbox.intuit.errors import InvalidError
from sandbox.world import World

SECTION = "intuit_requests"
LIFETIME = timedelta(minutes=5)
LONGEST = 50


class Memory:
    """One request id of one app and company; without one, nothing is remembered."""

    def __init__(self, world: World, holder: str, key: str | None) -> None:
        self.world = world
        self.name = f"{holder} {key}" if key else ""
        if key and len(key) > LONGEST:
            told = f"Invalid Request Id Format : at most {LONGEST} characters are supported"
            raise InvalidError("2130", "Invalid Request Id Format", told)

    def answer(self) -> Any:
        """The first good answer, whatever is asked under the same id now; None when it is not known."""
        entry = self._living().get(self.name)
        return entry["body"] if entry else None

    def keep(self, body: Any) -> None:
        """Remember a good answer."""
        if self.name:
            self._living()[self.name] = {"body": body, "at": self.world.now().isoformat()}

    def _living(self) -> dict[str, Any]:
        """The living entries; they are in the order of time, so old ones go from the front."""
        section = self.world.section(SECTION)
        oldest = self.world.now() - LIFETIME
        for name in list(section):
            if datetime.fromisoformat(section[name]["at"]) > oldest:
                break
            del section[name]
        return section


def forget(world: World) -> None:
    """Remember no answer any more."""
    world.section(SECTION).clear()
