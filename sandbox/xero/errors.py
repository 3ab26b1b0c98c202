"""How the practice Xero refuses: to a whole call, or to one element of it."""

from __future__ import annotations

from sandbox.core.service import RefusedError


class XeroValidationError(Exception):
    """One element breaks rules of the books; `messages` are the validation errors to show."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = list(messages)


def build_bad_request(number: int, kind: str, message: str) -> RefusedError:
    """A 400 in the accounting API's shape."""
    return RefusedError(400, {"ErrorNumber": number, "Type": kind, "Message": message})


def build_unauthorised(title: str, status: int, detail: str) -> RefusedError:
    """A 401 or 403 in the gateway's shape."""
    return RefusedError(status, {"Type": None, "Title": title, "Status": status, "Detail": detail, "Extensions": {}})


def build_not_found() -> RefusedError:
    """A 404: plain text, as the accounting API gives it."""
    return RefusedError(404, "The resource you're looking for cannot be found")
