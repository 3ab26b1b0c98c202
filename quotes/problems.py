"""Errors of the public API as application/problem+json (RFC 9457), in sentences that say what to do."""

import json
from typing import Any

from django.http import HttpResponse
from ninja.errors import ValidationError

from quotes.schemas import CONTRACT_HEADER, CONTRACT_VERSION

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request could not be read",
    401: "The API key is missing or wrong",
    403: "The integration is not enabled",
    404: "There is nothing here",
    405: "This method is not allowed here",
    409: "This cannot be done now",
    413: "The request is too large",
    415: "The request is not JSON",
    422: "Some fields are not right",
    429: "Too many requests",
    500: "Something went wrong on our side",
}
FIELD_MESSAGES = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is not known here. Remove it.",
    "string_type": "Write a string.",
    "string_unicode": "Remove the characters that are no Unicode text.",
    "int_type": "Write a whole number.",
    "int_parsing_size": "This number is too large.",
    "bool_type": "Write true or false.",
    "list_type": "Write a list.",
    "model_attributes_type": "Write an object.",
    "model_type": "Write an object.",
    "dict_type": "Write an object.",
    "string_too_short": "This must not be empty.",
    "literal_error": "Use one of: {expected}.",
    "string_too_long": "Use at most {max_length} characters.",
    "too_short": "Give at least one.",
    "too_long": "Give at most {max_length}.",
    "greater_than_equal": "Use a number of at least {ge}.",
    "less_than_equal": "Use a number of at most {le}.",
    "string_pattern_mismatch": "Use two capital letters, an ISO 3166 country code.",
    "timezone_aware": "Write a time with its zone, for example 2027-01-31T00:00:00Z.",
}


class ProblemError(Exception):
    """An anticipated error of the API."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: list[tuple[str, str]] | None = None,
        missing: list[str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.missing, self.headers = errors, missing, headers or {}


def build_invalid_problem(*errors: tuple[str, str]) -> ProblemError:
    """A 422 that names the fields."""
    return ProblemError(422, "invalid", "Correct the fields that are named and send it again.", errors=list(errors))


def describe_problem(error: ProblemError) -> str:
    """The problem as people read it: what is not right, field by field."""
    fields = "; ".join(f"{field}: {message}" for field, message in error.errors or [])
    return " ".join(filter(None, [error.detail, fields, ", ".join(error.missing or [])]))


def build_problem_body(error: ProblemError) -> dict[str, Any]:
    """The problem's JSON."""
    body: dict[str, Any] = {
        "type": f"urn:wisepay:problem:{error.code}",
        "title": TITLES.get(error.status, "Error"),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors is not None:
        body["errors"] = [{"field": field, "message": message} for field, message in error.errors]
    if error.missing is not None:
        body["missing"] = error.missing
    return body


def render_problem(error: ProblemError) -> HttpResponse:
    """The problem as an HTTP response."""
    headers = {CONTRACT_HEADER: CONTRACT_VERSION, **error.headers}
    return HttpResponse(
        json.dumps(build_problem_body(error)), status=error.status, content_type=MEDIA_TYPE, headers=headers
    )


def convert_validation_error(error: ValidationError) -> ProblemError:
    """The errors of the schema as a problem, with our messages."""
    return build_invalid_problem(*[(_field(e["loc"]), _message(e)) for e in error.errors])


def _field(location: tuple[str | int, ...]) -> str:
    """`amounts.due_now` from ("body", "checkout", "amounts", "due_now"); `body` where all of it is wrong."""
    parts = [str(part) for part in location]
    return ".".join(parts[2:] if parts[0] == "body" else parts[1:]) or "body"


def _message(error: dict[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in FIELD_MESSAGES:
        return FIELD_MESSAGES[kind].format(**context)
    if kind.startswith("date_") and not kind.startswith("date_type"):
        return "Write a day such as 2027-01-31."
    if kind.startswith("datetime"):
        return "Write a time such as 2027-01-31T00:00:00Z."
    message = str(error.get("msg", "This is not right."))
    return message if message.endswith(".") else f"{message}."
