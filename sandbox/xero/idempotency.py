"""Answers remembered under the client's Idempotency-Key, for six minutes."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from sandbox.core.world import World
from sandbox.xero.errors import build_bad_request

SECTION = "xero_idempotency"
LIFETIME = timedelta(minutes=6)
MAX_KEY_LENGTH = 128

RememberedAnswer = dict[str, Any]


def build_fingerprint(*parts: str | bytes) -> str:
    """One digest over what makes two calls the same call."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


class IdempotencyRecord:
    """One key of one app and organisation. Without a key nothing is remembered."""

    def __init__(self, world: World, holder: str, key: str | None, mark: str) -> None:
        if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
            raise build_bad_request(
                10, "ValidationException", f"The idempotency key exceeds {MAX_KEY_LENGTH} characters or is empty"
            )
        self.world = world
        self.name = f"{holder} {key}" if key else None
        self.mark = mark

    def get_answer(self) -> RememberedAnswer | None:
        """The first answer, if it is still known; raises RefusedError when the call is another one."""
        kept = self._kept().get(self.name) if self.name else None
        if kept is None:
            return None
        if kept["mark"] != self.mark:
            message = "The idempotency key was already used with a different request"
            raise build_bad_request(10, "ValidationException", message)
        found: RememberedAnswer = kept["answer"]
        return found

    def save_answer(self, answer: RememberedAnswer) -> None:
        """Remember the answer, errors too."""
        if self.name:
            entry = {"mark": self.mark, "answer": answer, "at": self.world.now().isoformat()}
            self._kept()[self.name] = entry

    def _kept(self) -> dict[str, Any]:
        """The living entries; entries are in the order of time, so old ones go from the front."""
        section = self.world.get_section(SECTION)
        oldest = self.world.now() - LIFETIME
        for name in list(section):
            if datetime.fromisoformat(section[name]["at"]) > oldest:
                break
            del section[name]
        return section
