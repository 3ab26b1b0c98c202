"""The Xero SDK, tamed: one execution a call, always a time limit, never a refresh, errors in our words."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import urllib3
from django.conf import settings
from xero_python.accounting import AccountingApi
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token
from xero_python.exceptions import ApiException, HTTPStatusException

from connections.rate_limiter.budget import BudgetAccount, Priority
from connections.rate_limiter.limiter import Permit, acquire
from wisepay.errors import Disconnected, Rejected, Unavailable

UNSENT_ERRORS = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
# One pool for the process. The SDK's own retries PUT by itself and sleeps on 429; this one does neither.
CONNECTION_POOL = urllib3.PoolManager(
    maxsize=8, retries=urllib3.Retry(0, respect_retry_after_header=False, raise_on_status=False)
)


class XeroClient(ApiClient):  # type: ignore[misc]  # the SDK carries no types
    """The SDK's client, which would write a document into a shared folder under the name that the answer gives."""

    def deserialize(self, response: Any, response_type: str, response_model_finder: Any) -> Any:
        if response_type == "file":
            return bytes(response.data)
        return super().deserialize(response, response_type, response_model_finder)


def build_accounting_api(access_token: str) -> AccountingApi:
    """An AccountingApi that uses exactly this token."""
    token = {
        "access_token": access_token,
        "token_type": "Bearer",
        "scope": [],
        "expires_in": 1800,
        "expires_at": time.time() + 86_400,  # its age is our business: the SDK must not refresh
        "refresh_token": "",
        "id_token": "",
    }
    configuration = Configuration()
    # The constructor keeps the first token it ever saw in the process; assigning does not.
    configuration.oauth2_token = OAuth2Token(client_id="", client_secret="")
    client = XeroClient(configuration, oauth2_token_getter=lambda: token, oauth2_token_saver=_refuse_refresh)
    client.rest_client.pool_manager = CONNECTION_POOL
    return AccountingApi(client, base_url=settings.XERO_API_URL)


def _refuse_refresh(token: object) -> None:
    raise RuntimeError("the SDK must never refresh a token")


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who calls: the app at one organisation whose budget pays, and what for."""

    account: BudgetAccount
    priority: Priority


def call_api(operation: Callable[..., Any], caller: CallContext, *args: Any, **kwargs: Any) -> Any:
    """One call of the SDK, within the budget and our time limits. Raises Unavailable, Disconnected or Rejected."""
    with acquire(caller.account, priority=caller.priority) as slot:
        return _send(operation, slot, caller.account.organisation_id, *args, **kwargs)


def call_api_json(operation: Callable[..., Any], caller: CallContext, **asked: Any) -> dict[str, Any]:
    """The same for long lists, as plain JSON with Decimals: the SDK's objects cost more than the call."""
    with acquire(caller.account, priority=caller.priority) as slot, _translate_errors(slot):
        answer = operation(
            caller.account.organisation_id,
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=settings.HTTP_TIMEOUT,
            **asked,
        )
        body = json.loads(answer.data, parse_float=Decimal)
        slot.record_response(answer.headers)
        if not isinstance(body, dict):
            raise ValueError("no object")
        return body


def _send(operation: Callable[..., Any], permit: Permit, *args: Any, **kwargs: Any) -> Any:
    """The call itself; the slot learns what the answer says of the budget."""
    with _translate_errors(permit):
        data, _, headers = operation(
            *args, _return_http_data_only=False, _request_timeout=settings.HTTP_TIMEOUT, **kwargs
        )
        permit.record_response(headers)
        return data


@contextmanager
def _translate_errors(permit: Permit) -> Iterator[None]:
    """What goes wrong in the block, in the three ways of this house; the slot learns of it."""
    try:
        yield
    except HTTPStatusException as error:
        permit.record_response(error.headers or {}, status=error.status)
        raise translate_error(error) from error
    except urllib3.exceptions.MaxRetryError as error:
        sent = not isinstance(error.reason, UNSENT_ERRORS)
        if not sent:
            permit.mark_unsent()
        raise Unavailable("Xero does not answer", maybe_done=sent) from error
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"Xero did not answer ({type(error).__name__})") from error
    except (ApiException, ValueError, TypeError, AttributeError) as error:
        # A page of HTML with status 200, or a body cut short: nobody knows what was done.
        raise Unavailable(f"Xero's answer could not be read ({type(error).__name__})") from error


def translate_error(error: HTTPStatusException) -> Exception:
    """Xero's no in the three ways of this house."""
    status = error.status
    headers = {k.lower(): v for k, v in dict(error.headers or {}).items()}
    if status == 429:
        problem = headers.get("x-rate-limit-problem", "rate")
        return Unavailable(
            f"Xero's {problem} limit is reached",
            retry_after=float(headers.get("retry-after") or 60),
            maybe_done=False,
        )
    if status in (401, 403):
        return Disconnected("Xero no longer accepts our connection.")
    if status >= 500:
        return Unavailable(f"Xero answered {status}")
    return Rejected(str(status), _message(error))


def _message(error: HTTPStatusException) -> str:
    """What Xero says is wrong, in its own words."""
    try:
        body = json.loads(error.body)
        found = [v["Message"] for e in body.get("Elements", []) for v in e.get("ValidationErrors", [])]
        return "; ".join(found) or str(body.get("Message") or body.get("Detail") or "")
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"Xero answered {error.status}"
