"""Answers remembered under an app's `requestid`, for a short while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sandbox.core.world import World
from sandbox.intuit.errors import IntuitValidationError

SECTION = "intuit_requests"
LIFETIME = timedelta(minutes=5)
MAX_KEY_LENGTH = 50


class RememberedRequest:
    """One request id of one app and company; without one, nothing is remembered."""

    def __init__(self, world: World, holder: str, key: str | None) -> None:
        self.world = world
        self.name = f"{holder} {key}" if key else ""
        if key and len(key) > MAX_KEY_LENGTH:
            told = f"Invalid Request Id Format : at most {MAX_KEY_LENGTH} characters are supported"
            raise IntuitValidationError("2130", "Invalid Request Id Format", told)

    def get_answer(self) -> Any:
        """The first good answer, whatever is asked under the same id now; None when it is not known."""
        entry = self._living().get(self.name)
        return entry["body"] if entry else None

    def save_answer(self, body: Any) -> None:
        """Remember a good answer."""
        if self.name:
            self._living()[self.name] = {"body": body, "at": self.world.now().isoformat()}

    def _living(self) -> dict[str, Any]:
        """The living entries; they are in the order of time, so old ones go from the front."""
        section = self.world.get_section(SECTION)
        oldest = self.world.now() - LIFETIME
        for name in list(section):
            if datetime.fromisoformat(section[name]["at"]) > oldest:
                break
            del section[name]
        return section


def delete_remembered_requests(world: World) -> None:
    """Remember no answer any more."""
    world.get_section(SECTION).clear()
