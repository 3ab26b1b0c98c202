"""What Xero's refusals and failures mean: each becomes Unavailable, Disconnected or Rejected."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from xero_python.exceptions import ApiException, HTTPStatusException

from accounting.ledgers.parsing import UNREADABLE
from connections.rate_limiter.limiter import Permit
from wisepay import clock
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.http import parse_retry_after

UNSENT_ERRORS = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
DEFAULT_PAUSE = 60.0  # seconds after a 429 that names none
REFUSING_STATUSES = frozenset({400, 404, 405, 410, 413, 414, 415, 422})  # the request itself is at fault
QUOTED_MESSAGE = re.compile(r'"(?:Message|Detail)"\s*:\s*"((?:[^"\\]|\\.){1,500})"')
MAX_MESSAGES = 20


@dataclass(frozen=True, slots=True)
class RefusedAnswer:
    """An answer that is not 2xx, as it came: the SDK's own exceptions parse its body whenever they are looked at."""

    status: int
    headers: dict[str, str]
    body: str


@contextmanager
def translate_errors(permit: Permit) -> Iterator[None]:
    """Raise what goes wrong in the block as Unavailable, Disconnected or Rejected, and record it on the permit."""
    try:
        yield
    except HTTPStatusException as error:
        answer = read_refused_answer(error)
        permit.record_response(answer.headers, status=answer.status)
        raise translate_refusal(answer) from error
    except urllib3.exceptions.MaxRetryError as error:
        is_sent = not isinstance(error.reason, UNSENT_ERRORS)
        if not is_sent:
            permit.mark_unsent()
        raise Unavailable("Xero does not answer", maybe_done=is_sent) from error
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"Xero did not answer ({type(error).__name__})") from error
    except (ApiException, *UNREADABLE) as error:
        # A page of HTML with status 200, or a body cut short: whether a write was done is unknown.
        raise Unavailable(f"Xero's answer could not be read ({type(error).__name__})") from error


def read_refused_answer(error: HTTPStatusException) -> RefusedAnswer:
    """Read the answer that the SDK raised, without asking its exception."""
    response = error.http_resp
    headers = {str(name).lower(): str(value) for name, value in response.urllib3_response.headers.items()}
    return RefusedAnswer(int(response.status), headers, bytes(response.data or b"").decode("utf-8", "replace"))


def translate_refusal(answer: RefusedAnswer) -> Exception:
    """Return the exception of ours for an answer of Xero's that is not 2xx."""
    pause = parse_retry_after(answer.headers.get("retry-after"), now=clock.now())
    if answer.status == 429:
        limit = answer.headers.get("x-rate-limit-problem", "rate")[:20]
        return Unavailable(f"Xero's {limit} limit is reached", retry_after=pause or DEFAULT_PAUSE, maybe_done=False)
    if answer.status in (401, 403):
        return Disconnected("Xero no longer accepts our connection.")
    if answer.status not in REFUSING_STATUSES:
        return Unavailable(f"Xero answered {answer.status}", retry_after=pause)
    return Rejected(str(answer.status), get_error_message(answer))


def get_error_message(answer: RefusedAnswer) -> str:
    """Return what Xero says is wrong: its validation errors, or else its message, as far as its body can be read."""
    try:
        messages = list_messages(json.loads(answer.body))
    except (*UNREADABLE, RecursionError):
        messages = [found[1] for found in QUOTED_MESSAGE.finditer(answer.body)]
    said = list(dict.fromkeys(filter(None, messages)))[:MAX_MESSAGES]
    return "; ".join(said) or f"Xero answered {answer.status} and gave no reason."


def list_messages(body: Any) -> list[str]:
    """Return the messages of a refusal. Raises what reading another form raises."""
    errors = [
        str(each.get("Message") or "")
        for row in body.get("Elements") or []
        for each in row.get("ValidationErrors") or []
    ]
    return errors if any(errors) else [str(body.get("Message") or body.get("Detail") or body.get("Title") or "")]
