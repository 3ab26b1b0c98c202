"""How the practice PSA refuses."""

from __future__ import annotations

from typing import Any

from sandbox.core.service import ErrorBody, RefusedError


def build_refusal(status: int, code: str, message: str, errors: list[dict[str, Any]] | None = None) -> RefusedError:
    """A refusal in the vendor's usual form."""
    return RefusedError(status, {"code": code, "message": message, "errors": errors or []})


def build_invalid(resource: str, field: str, code: str, message: str) -> RefusedError:
    """400: one field of the request is wrong."""
    error = {"code": code, "message": message, "resource": resource, "field": field}
    return build_refusal(400, "InvalidObject", f"{resource} object is invalid", [error])


def build_not_found(what: str) -> RefusedError:
    """404: there is no such record."""
    return build_refusal(404, "NotFound", f"{what} not found")


def build_error(journal: str, status: int) -> ErrorBody:
    """A fault's answer in PSA's format."""
    if status == 429:
        words = {"error": "TooManyRequests", "message": "Too many requests, try again later."}
        return ErrorBody({"Retry-After": "30"}, words)
    codes = {400: "InvalidObject", 401: "Unauthorized", 403: "SecurityDenied", 404: "NotFound"}
    return ErrorBody({}, {"code": codes.get(status, "InternalServerError"), "message": "Ordered by a fault."})
