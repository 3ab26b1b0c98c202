"""Answers saved under the client's Idempotency-Key, for six minutes."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from sandbox.core.idempotency import RememberedAnswers
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
    """One key of one app and organisation. Without a key nothing is saved."""

    def __init__(self, world: World, holder: str, key: str | None, mark: str) -> None:
        if key is not None and not 0 < len(key) <= MAX_KEY_LENGTH:
            raise build_bad_request(
                10, "ValidationException", f"The idempotency key exceeds {MAX_KEY_LENGTH} characters or is empty"
            )
        self.answers = RememberedAnswers(world, SECTION, LIFETIME)
        self.name = f"{holder} {key}" if key else None
        self.mark = mark

    def get_answer(self) -> RememberedAnswer | None:
        """The first answer, if it is still known; raises RefusedError when the call is another one."""
        saved = self.answers.get(self.name) if self.name else None
        if saved is None:
            return None
        if saved["mark"] != self.mark:
            message = "The idempotency key was already used with a different request"
            raise build_bad_request(10, "ValidationException", message)
        found: RememberedAnswer = saved["answer"]
        return found

    def save_answer(self, answer: RememberedAnswer) -> None:
        """Save the answer, errors too."""
        if self.name:
            self.answers.save(self.name, mark=self.mark, answer=answer)
