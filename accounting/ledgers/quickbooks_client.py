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

from accounting.ledgers.quickbooks_words import explained
from connections.budget import Account, Lane, OutOfBudget
from connections.governor import Slot, take_call
from connections.providers.quickbooks import MINOR_VERSION
from wisepay.errors import Disconnected, Rejected, Unavailable

log = structlog.get_logger(__name__)

THROTTLED = frozenset({3001})
UNWELCOME = frozenset({100, 120, 3100, 3200})
BROKEN_DOWN = 10_000  # the vendor's own failures, and what the SDK calls an answer that it cannot read
PAUSE = 60  # seconds; a limit says nothing about when it ends
UNSENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)


class Session:
    """What the SDK sends its calls through; it has neither time limits nor a session without OAuth of its own."""

    def __init__(self, access_token: str) -> None:
        self.access_token = access_token
        self.http = requests.Session()
        self.seen: requests.Response | None = None

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """One exchange; the answer stays in `seen`."""
        self.seen = None
        self.seen = self.http.request(method, url, timeout=settings.HTTP_TIMEOUT, allow_redirects=False, **kwargs)
        return self.seen


class Client:
    """One company's API as one app, within the budget. Every call raises Unavailable, Disconnected or Rejected.

    `told_at` is the books' own clock in the last answer, where it said one.
    """

    told_at: datetime | None = None

    def __init__(self, access_token: str, account: Account, *, lane: Lane) -> None:
        self.account, self.lane = account, lane
        self.session = Session(access_token)
        # Amounts that it reads are Decimal so; what we write is our own JSON, because it writes them as text.
        self.sdk = QuickBooks(company_id=account.organisation_id, minorversion=int(MINOR_VERSION), use_decimal=True)
        self.sdk.session = self.session
        self.sdk.api_url_v3 = settings.INTUIT_API_URL
        self.base = f"{settings.INTUIT_API_URL}/company/{account.organisation_id}"

    def query(self, text: str) -> dict[str, Any]:
        """What a query found."""
        answer = self.call(self.sdk.query, text.encode())
        found: dict[str, Any] = part(answer, "QueryResponse")
        return found

    def batch(self, body: dict[str, Any], *, key: str) -> list[dict[str, Any]]:
        """A batch's answers. The SDK's own batches carry no `requestid`, so a repeat of one would do all again."""
        raw, held = as_json(body).encode(), self.account
        batches = Account("quickbooks-batches", held.client_id, f"{held.organisation_id}:batches")
        with take_call(batches, lane=self.lane) as slot:
            try:
                answer = self.call(self.sdk.post, f"{self.base}/batch", raw, request_id=key)
            except OutOfBudget:
                slot.unsent()
                raise
        found: list[dict[str, Any]] = part(answer, "BatchItemResponse")
        return found

    def preferences(self) -> dict[str, Any]:
        """What the company's people switched on and off."""
        found: dict[str, Any] = part(self.call(self.sdk.get, f"{self.base}/preferences"), "Preferences")
        return found

    def changes(self, entities: str, since: str) -> list[dict[str, Any]]:
        """What change data capture tells, entity by entity."""
        answer = self.call(self.sdk.change_data_capture, entities, since)
        found: list[dict[str, Any]] = part(part(answer, "CDCResponse", 0), "QueryResponse")
        return found

    def pdf(self, path: str) -> bytes:
        """A document as a file."""
        found: bytes = self.call(self.download, f"{self.base}/{path}/pdf")
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
        with take_call(self.account, lane=self.lane) as slot:
            try:
                answer = operation(*args, **kwargs)
                self.told_at = told_at(answer)
                return answer
            except QuickbooksException as error:
                raise self.no(error, slot) from error
            except requests.RequestException as error:
                raise silence(error, slot) from error
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Unavailable(f"QuickBooks' answer could not be read ({type(error).__name__})") from error
            finally:
                self.learn(slot)

    def learn(self, slot: Slot) -> None:
        """Note what the answer says of the budget, and by which id the vendor's support can find the call."""
        answer = self.session.seen
        if answer is None:
            return
        if slot.outcome == "silent":
            slot.learn(answer.headers, status=answer.status_code)
        path = urlsplit(answer.url).path
        log.info("quickbooks.call", path=path, status=answer.status_code, intuit_tid=answer.headers.get("intuit_tid"))

    def no(self, error: QuickbooksException, slot: Slot) -> Exception:
        """QuickBooks' no in the three ways of this house; throttling comes as a fault of validation."""
        status = self.session.seen.status_code if self.session.seen is not None else 0
        code = int(error.error_code or 0)
        if status == 429 or code in THROTTLED:
            headers = self.session.seen.headers if self.session.seen is not None else {}
            slot.learn(headers, status=429)
            pause = slot.left.retry_after or PAUSE
            return Unavailable("QuickBooks' limit of calls is reached", retry_after=pause, maybe_done=False)
        if status in (401, 403) or code in UNWELCOME:
            return Disconnected("QuickBooks no longer accepts our connection.")
        if status != 200 and code == BROKEN_DOWN:
            return Unavailable(f"QuickBooks answered {status}")
        if code >= BROKEN_DOWN:
            return Unavailable("QuickBooks' answer could not be read")
        return Rejected(str(code), explained(code, error.detail or error.message))


def silence(error: requests.RequestException, slot: Slot) -> Unavailable:
    """Nobody answered; where no connection was made, nothing was done either."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, UNSENT):
        slot.unsent()
        return Unavailable("QuickBooks does not answer", maybe_done=False)
    return Unavailable(f"QuickBooks did not answer ({type(error).__name__})")


def told_at(answer: Any) -> datetime | None:
    """When the books say that they answered. Raises ValueError."""
    text = answer.get("time") if isinstance(answer, dict) else None
    return datetime.fromisoformat(text) if text else None


def part(answer: Any, *path: str | int) -> Any:
    """A part of an answer. Raises Unavailable when it is not there: nobody knows what was done."""
    try:
        for name in path:
            answer = answer[name]
    except (KeyError, TypeError, IndexError) as error:
        raise Unavailable("QuickBooks' answer could not be read") from error
    return answer


def as_json(value: Any) -> str:
    """JSON whose amounts are exact numbers: a Decimal is written digit by digit."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(str(name))}:{as_json(held)}" for name, held in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(as_json(held) for held in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return dumps(value)
