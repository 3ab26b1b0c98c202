"""Answers saved under an app's `requestid`, for a short while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sandbox.core.idempotency import RememberedAnswers
from sandbox.core.world import World
from sandbox.intuit.errors import IntuitValidationError

SECTION = "intuit_requests"
LIFETIME = timedelta(minutes=5)
MAX_KEY_LENGTH = 50


class RememberedRequest:
    """One request id of one app and company; without one, nothing is saved."""

    def __init__(self, world: World, holder: str, key: str | None) -> None:
        self.answers = RememberedAnswers(world, SECTION, LIFETIME)
        self.name = f"{holder} {key}" if key else ""
        if key and len(key) > MAX_KEY_LENGTH:
            detail = f"Invalid Request Id Format : at most {MAX_KEY_LENGTH} characters are supported"
            raise IntuitValidationError("2130", "Invalid Request Id Format", detail)

    def get_answer(self) -> Any:
        """The first good answer, whatever is asked under the same id now; None when it is not known."""
        entry = self.answers.get(self.name)
        return entry["body"] if entry else None

    def save_answer(self, body: Any) -> None:
        """Save a successful answer."""
        if self.name:
            self.answers.save(self.name, body=body)


def delete_remembered_requests(world: World) -> None:
    """Delete every saved answer."""
    world.get_section(SECTION).clear()
