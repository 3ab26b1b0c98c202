"""What Xero's refusals and failures mean: each becomes Unavailable, Disconnected or Rejected."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from xero_python.exceptions import ApiException, HTTPStatusException

from connections.rate_limiter.limiter import Permit
from wisepay.errors import Disconnected, Rejected, Unavailable

UNSENT_ERRORS = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
DEFAULT_PAUSE = 60  # seconds after a 429 that names none


@contextmanager
def translate_errors(permit: Permit) -> Iterator[None]:
    """Raise what goes wrong in the block as Unavailable, Disconnected or Rejected, and record it on the permit."""
    try:
        yield
    except HTTPStatusException as error:
        permit.record_response(error.headers or {}, status=error.status)
        raise translate_refusal(error) from error
    except urllib3.exceptions.MaxRetryError as error:
        is_sent = not isinstance(error.reason, UNSENT_ERRORS)
        if not is_sent:
            permit.mark_unsent()
        raise Unavailable("Xero does not answer", maybe_done=is_sent) from error
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"Xero did not answer ({type(error).__name__})") from error
    except (ApiException, ValueError) as error:
        # A page of HTML with status 200, or a body cut short: whether a write was done is unknown.
        raise Unavailable(f"Xero's answer could not be read ({type(error).__name__})") from error


def translate_refusal(error: HTTPStatusException) -> Exception:
    """Return the exception of ours for an answer of Xero's that is not 2xx."""
    status = error.status
    headers = {name.lower(): value for name, value in dict(error.headers or {}).items()}
    if status == 429:
        limit = headers.get("x-rate-limit-problem", "rate")
        pause = float(headers.get("retry-after") or DEFAULT_PAUSE)
        return Unavailable(f"Xero's {limit} limit is reached", retry_after=pause, maybe_done=False)
    if status in (401, 403):
        return Disconnected("Xero no longer accepts our connection.")
    if status >= 500:
        return Unavailable(f"Xero answered {status}")
    return Rejected(str(status), get_error_message(error))


def get_error_message(error: HTTPStatusException) -> str:
    """Return what Xero says is wrong: its validation errors, or else its message."""
    try:
        body = json.loads(error.body)
        messages = [each["Message"] for row in body.get("Elements", []) for each in row.get("ValidationErrors", [])]
        return "; ".join(messages) or str(body.get("Message") or body.get("Detail") or "")
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"Xero answered {error.status}"
