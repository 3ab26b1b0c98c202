"""A client of the practice CPQ, as the vendor's document describes one."""

from typing import Any

import requests

from sandbox.harness.sandbox_process import SandboxProcess

VERSIONED = {"Content-Type": "application/json; version=1.0"}
KEYS = ("practice+public0key", "private0key")


class CpqApp:
    """Calls with the keys of one user."""

    def __init__(self, sandbox: SandboxProcess, user: str = KEYS[0], private_key: str = KEYS[1]) -> None:
        self.sandbox, self.keys = sandbox, (user, private_key)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        """One call below /cpq."""
        return requests.request(
            method,
            f"{self.sandbox.url}/cpq{path}",
            params=query,
            json=body,
            headers=VERSIONED,
            auth=self.keys,
            timeout=10,
        )

    def list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """A list's rows."""
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def order(self, **orders: Any) -> dict[str, Any]:
        """What happens in CPQ without us; answers the quote of the first order."""
        answer = self.sandbox.post("/cpq/_control", orders)
        found: dict[str, Any] = next(iter(answer.values()))
        return found
