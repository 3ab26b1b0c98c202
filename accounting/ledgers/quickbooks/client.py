"""The QuickBooks SDK, tamed: one execution a call, always a time limit, never a refresh, errors in our words."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from json import dumps
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
import urllib3
from django.conf import settings
from quickbooks.client import QuickBooks
from quickbooks.exceptions import AuthorizationException, QuickbooksException

from accounting.ledgers.quickbooks.errors import explain_error
from connections.providers.quickbooks import MINOR_VERSION
from connections.rate_limiter.budget import BudgetAccount, OutOfBudget, Priority
from connections.rate_limiter.limiter import Permit, acquire
from wisepay.errors import Disconnected, Rejected, Unavailable

log = structlog.get_logger(__name__)

THROTTLED_CODES = frozenset({3001})
UNAUTHORISED_CODES = frozenset({100, 120, 3100, 3200})
VENDOR_FAILURE_CODE = 10_000  # the vendor's own failures, and what the SDK calls an answer that it cannot read
THROTTLE_PAUSE = 60  # seconds; a limit says nothing about when it ends
UNSENT_ERRORS = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)


class QuickBooksSession:
    """What the SDK sends its calls through; it has neither time limits nor a session without OAuth of its own."""

    def __init__(self, access_token: str) -> None:
        self.access_token = access_token
        self.http = requests.Session()
        self.last_response: requests.Response | None = None

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """One exchange; the answer stays in `seen`."""
        self.last_response = None
        self.last_response = self.http.request(
            method, url, timeout=settings.HTTP_TIMEOUT, allow_redirects=False, **kwargs
        )
        return self.last_response


class QuickBooksClient:
    """One company's API as one app, within the budget. Every call raises Unavailable, Disconnected or Rejected.

    `told_at` is the books' own clock in the last answer, where it said one.
    """

    answered_at: datetime | None = None

    def __init__(self, access_token: str, account: BudgetAccount, *, priority: Priority) -> None:
        self.account, self.priority = account, priority
        self.session = QuickBooksSession(access_token)
        # Amounts that it reads are Decimal so; what we write is our own JSON, because it writes them as text.
        self.sdk = QuickBooks(company_id=account.organisation_id, minorversion=int(MINOR_VERSION), use_decimal=True)
        self.sdk.session = self.session
        self.sdk.api_url_v3 = settings.INTUIT_API_URL
        self.base_url = f"{settings.INTUIT_API_URL}/company/{account.organisation_id}"

    def query(self, text: str) -> dict[str, Any]:
        """What a query found."""
        answer = self.call(self.sdk.query, text.encode())
        found: dict[str, Any] = get_part(answer, "QueryResponse")
        return found

    def send_batch(self, body: dict[str, Any], *, key: str) -> list[dict[str, Any]]:
        """A batch's answers. The SDK's own batches carry no `requestid`, so a repeat of one would do all again."""
        raw, held = dump_json(body).encode(), self.account
        batches = BudgetAccount("quickbooks-batches", held.client_id, f"{held.organisation_id}:batches")
        with acquire(batches, priority=self.priority) as slot:
            try:
                answer = self.call(self.sdk.post, f"{self.base_url}/batch", raw, request_id=key)
            except OutOfBudget:
                slot.mark_unsent()
                raise
        found: list[dict[str, Any]] = get_part(answer, "BatchItemResponse")
        return found

    def get_preferences(self) -> dict[str, Any]:
        """What the company's people switched on and off."""
        found: dict[str, Any] = get_part(self.call(self.sdk.get, f"{self.base_url}/preferences"), "Preferences")
        return found

    def list_changes(self, entities: str, since: str) -> list[dict[str, Any]]:
        """What change data capture tells, entity by entity."""
        answer = self.call(self.sdk.change_data_capture, entities, since)
        found: list[dict[str, Any]] = get_part(get_part(answer, "CDCResponse", 0), "QueryResponse")
        return found

    def get_pdf(self, path: str) -> bytes:
        """A document as a file."""
        found: bytes = self.call(self.download, f"{self.base_url}/{path}/pdf")
        return found

    def download(self, url: str) -> bytes:
        """What the SDK does for files, with the minor version that it leaves out, and no fault lost on the way."""
        asked = {"minorversion": MINOR_VERSION}
        answer = self.sdk.process_request("GET", url, headers={"Accept": "application/pdf"}, params=asked)
        if answer.status_code in (401, 403):
            raise AuthorizationException("refused")
        if answer.status_code != 200:
            self.sdk.handle_exceptions(answer.json()["Fault"])
        return bytes(answer.content)

    def call(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """One call of the SDK within the budget and our time limits."""
        with acquire(self.account, priority=self.priority) as slot:
            try:
                answer = operation(*args, **kwargs)
                self.answered_at = parse_answered_at(answer)
                return answer
            except QuickbooksException as error:
                raise self.translate_error(error, slot) from error
            except requests.RequestException as error:
                raise translate_network_error(error, slot) from error
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Unavailable(f"QuickBooks' answer could not be read ({type(error).__name__})") from error
            finally:
                self.record_response(slot)

    def record_response(self, permit: Permit) -> None:
        """Note what the answer says of the budget, and by which id the vendor's support can find the call."""
        answer = self.session.last_response
        if answer is None:
            return
        if permit.outcome == "silent":
            permit.record_response(answer.headers, status=answer.status_code)
        path = urlsplit(answer.url).path
        log.info("quickbooks.call", path=path, status=answer.status_code, intuit_tid=answer.headers.get("intuit_tid"))

    def translate_error(self, error: QuickbooksException, permit: Permit) -> Exception:
        """QuickBooks' no in the three ways of this house; throttling comes as a fault of validation."""
        status = self.session.last_response.status_code if self.session.last_response is not None else 0
        code = int(error.error_code or 0)
        if status == 429 or code in THROTTLED_CODES:
            headers = self.session.last_response.headers if self.session.last_response is not None else {}
            permit.record_response(headers, status=429)
            pause = permit.remaining.retry_after or THROTTLE_PAUSE
            return Unavailable("QuickBooks' limit of calls is reached", retry_after=pause, maybe_done=False)
        if status in (401, 403) or code in UNAUTHORISED_CODES:
            return Disconnected("QuickBooks no longer accepts our connection.")
        if status != 200 and code == VENDOR_FAILURE_CODE:
            return Unavailable(f"QuickBooks answered {status}")
        if code >= VENDOR_FAILURE_CODE:
            return Unavailable("QuickBooks' answer could not be read")
        return Rejected(str(code), explain_error(code, error.detail or error.message))


def translate_network_error(error: requests.RequestException, permit: Permit) -> Unavailable:
    """Nobody answered; where no connection was made, nothing was done either."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, UNSENT_ERRORS):
        permit.mark_unsent()
        return Unavailable("QuickBooks does not answer", maybe_done=False)
    return Unavailable(f"QuickBooks did not answer ({type(error).__name__})")


def parse_answered_at(answer: Any) -> datetime | None:
    """When the books say that they answered. Raises ValueError."""
    text = answer.get("time") if isinstance(answer, dict) else None
    return datetime.fromisoformat(text) if text else None


def get_part(answer: Any, *path: str | int) -> Any:
    """A part of an answer. Raises Unavailable when it is not there: nobody knows what was done."""
    try:
        for name in path:
            answer = answer[name]
    except (KeyError, TypeError, IndexError) as error:
        raise Unavailable("QuickBooks' answer could not be read") from error
    return answer


def dump_json(value: Any) -> str:
    """JSON whose amounts are exact numbers: a Decimal is written digit by digit."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(str(name))}:{dump_json(held)}" for name, held in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump_json(held) for held in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return dumps(value)
