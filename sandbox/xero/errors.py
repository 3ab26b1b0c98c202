"""How the practice Xero says no: to a whole call, or to one element of it."""

from __future__ import annotations

from typing import Any


class RefusedError(Exception):
    """The call is refused with `status`; `body` is a JSON-able dictionary or plain text."""

    def __init__(self, status: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


class InvalidError(Exception):
    """One element breaks rules of the books; `messages` are the validation errors to show."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = list(messages)


def exception(number: int, kind: str, message: str) -> RefusedError:
    """A 400 in the accounting API's shape."""
    return RefusedError(400, {"ErrorNumber": number, "Type": kind, "Message": message})


def unauthorised(title: str, status: int, detail: str) -> RefusedError:
    """A 401 or 403 in the gateway's shape."""
    return RefusedError(status, {"Type": None, "Title": title, "Status": status, "Detail": detail, "Extensions": {}})


def missing() -> RefusedError:
    """A 404: plain text, as the accounting API gives it."""
    return RefusedError(404, "The resource you're looking for cannot be found")
