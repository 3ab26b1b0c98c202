"""The QuickBooks SDK makes the calls: one execution each, with a time limit, without a token refresh; we read JSON."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from json import dumps
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from django.conf import settings
from quickbooks.client import QuickBooks
from quickbooks.exceptions import AuthorizationException, QuickbooksException

from accounting.ledgers.parsing import UNREADABLE, list_rows
from accounting.ledgers.quickbooks.errors import (
    translate_network_error,
    translate_refusal,
    translate_unreadable_answer,
)
from connections.providers.quickbooks import MINOR_VERSION
from connections.rate_limiter.limiter import BudgetAccount, OutOfBudget, Permit, Priority, acquire
from wisepay import clock
from wisepay.errors import Unavailable

log = structlog.get_logger(__name__)
CLOCK_TOLERANCE = timedelta(days=400)


class QuickBooksSession:
    """The HTTP session of the SDK, whose own has no time limits and asks for OAuth tokens."""

    def __init__(self, access_token: str) -> None:
        self.access_token = access_token
        self.http = requests.Session()
        self.last_response: requests.Response | None = None

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send one request; the response stays in `last_response`."""
        self.last_response = None
        self.last_response = self.http.request(
            method, url, timeout=settings.HTTP_TIMEOUT, allow_redirects=False, **kwargs
        )
        return self.last_response


class QuickBooksClient:
    """One company's API within its call budget. Every call raises Unavailable, Disconnected or Rejected.

    `answered_at` is QuickBooks' own clock in the last answer, where it has one.
    """

    answered_at: datetime | None = None

    def __init__(self, access_token: str, account: BudgetAccount, *, priority: Priority) -> None:
        self.account, self.priority = account, priority
        self.session = QuickBooksSession(access_token)
        # With use_decimal it reads amounts as Decimal; it would write them as text, so what we write is our own JSON.
        self.sdk = QuickBooks(company_id=account.organisation_id, minorversion=int(MINOR_VERSION), use_decimal=True)
        self.sdk.session = self.session
        self.sdk.api_url_v3 = settings.INTUIT_API_URL
        self.base_url = f"{settings.INTUIT_API_URL}/company/{account.organisation_id}"

    def query(self, text: str) -> dict[str, Any]:
        """Return what a query found."""
        return read_part(self.call(self.sdk.query, text.encode()), "QueryResponse")

    def send_batch(self, body: dict[str, Any], *, key: str) -> list[Any]:
        """Send a batch; the SDK's own has no `requestid`, so that a repeat of it would do everything again."""
        raw, account = dump_json(body).encode(), self.account
        batches = BudgetAccount("quickbooks-batches", account.client_id, f"{account.organisation_id}:batches")
        with acquire(batches, priority=self.priority) as permit:
            try:
                answer = self.call(self.sdk.post, f"{self.base_url}/batch", raw, request_id=key)
            except OutOfBudget:
                permit.mark_unsent()
                raise
        return list_rows(answer, "BatchItemResponse")

    def get_preferences(self) -> dict[str, Any]:
        """Return the company's settings."""
        return read_part(self.call(self.sdk.get, f"{self.base_url}/preferences"), "Preferences")

    def list_changes(self, entities: str, since: str) -> list[Any]:
        """Return what change data capture lists, entity by entity."""
        answer = self.call(self.sdk.change_data_capture, entities, since)
        parts = [each for each in list_rows(answer, "CDCResponse") if isinstance(each, dict)]
        if not parts:
            raise Unavailable("QuickBooks' answer names no changes")
        return [each for part in parts for each in list_rows(part, "QueryResponse")]

    def get_pdf(self, path: str) -> bytes:
        """Return a document as a PDF file."""
        found: bytes = self.call(self.download, f"{self.base_url}/{path}/pdf")
        return found

    def download(self, url: str) -> bytes:
        """Download a file as the SDK does, but with the minor version and with the fault that it would lose."""
        asked = {"minorversion": MINOR_VERSION}
        answer = self.sdk.process_request("GET", url, headers={"Accept": "application/pdf"}, params=asked)
        if answer.status_code in (401, 403):
            raise AuthorizationException("refused")
        if answer.status_code != 200:
            self.sdk.handle_exceptions(answer.json()["Fault"])
        return bytes(answer.content)

    def call(self, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call an operation of the SDK within the budget and our time limits."""
        with acquire(self.account, priority=self.priority) as permit:
            try:
                answer = operation(*args, **kwargs)
            except QuickbooksException as error:
                raise translate_refusal(error, self.session.last_response, permit) from error
            except requests.RequestException as error:
                raise translate_network_error(error, permit) from error
            except (*UNREADABLE, RecursionError) as error:
                raise translate_unreadable_answer(error, self.session.last_response) from error
            finally:
                self.record_response(permit)
        if not isinstance(answer, dict | bytes):
            raise Unavailable("QuickBooks' answer could not be read")
        self.answered_at = parse_answered_at(answer, now=clock.now())
        return answer

    def record_response(self, permit: Permit) -> None:
        """Record the answer's rate limit headers, and log the id by which the vendor's support can find the call."""
        answer = self.session.last_response
        if answer is None:
            return
        if permit.outcome == "no_response":
            permit.record_response(answer.headers, status=answer.status_code)
        path = urlsplit(answer.url).path
        log.info("quickbooks.call", path=path, status=answer.status_code, intuit_tid=answer.headers.get("intuit_tid"))


def parse_answered_at(answer: Any, *, now: datetime) -> datetime | None:
    """Return QuickBooks' own time of an answer; None where it tells none that can be its clock."""
    try:
        at = datetime.fromisoformat(answer["time"])
        return at if abs(at - now) < CLOCK_TOLERANCE else None
    except UNREADABLE:
        return None


def read_part(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object in an answer. Raises Unavailable without it: whether a write was done is unknown."""
    found = answer.get(name)
    if not isinstance(found, dict):
        raise Unavailable("QuickBooks' answer could not be read")
    return found


def dump_json(value: Any) -> str:
    """Return JSON whose amounts are exact numbers: a Decimal is written digit by digit."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(str(name))}:{dump_json(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump_json(each) for each in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return dumps(value)
