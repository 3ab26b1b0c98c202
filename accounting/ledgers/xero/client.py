"""The Xero SDK makes the calls: one execution each, with a time limit, without a token refresh; we read plain JSON."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import urllib3
from django.conf import settings
from xero_python.accounting import AccountingApi
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token

from accounting.ledgers.parsing import RemoteRow
from accounting.ledgers.xero.errors import translate_errors
from connections.rate_limiter.limiter import BudgetAccount, Priority, acquire

Operation = Callable[..., Any]  # a method of the SDK, which carries no types
# One pool for the process. The SDK's own would repeat a PUT and sleep on 429; this one does neither.
CONNECTION_POOL = urllib3.PoolManager(
    maxsize=8, retries=urllib3.Retry(0, respect_retry_after_header=False, raise_on_status=False)
)


def build_accounting_api(access_token: str) -> AccountingApi:
    """Return an AccountingApi that uses exactly this token."""
    token = {
        "access_token": access_token,
        "token_type": "Bearer",
        "scope": [],
        "expires_in": 1800,
        "expires_at": time.time() + 86_400,  # connections.tokens keeps its age: the SDK must not refresh
        "refresh_token": "",
        "id_token": "",
    }
    configuration = Configuration()
    # The constructor keeps the first token it ever saw in the process; assigning does not.
    configuration.oauth2_token = OAuth2Token(client_id="", client_secret="")
    client = ApiClient(configuration, oauth2_token_getter=lambda: token, oauth2_token_saver=_refuse_refresh)
    client.rest_client.pool_manager = CONNECTION_POOL
    return AccountingApi(client, base_url=settings.XERO_API_URL)


def _refuse_refresh(token: object) -> None:
    raise RuntimeError("the SDK must never refresh a token")


class XeroClient:
    """One organisation's API within its call budget. Every call raises Unavailable, Disconnected or Rejected."""

    def __init__(self, access_token: str, account: BudgetAccount, *, priority: Priority) -> None:
        self.api = build_accounting_api(access_token)
        self.account = account
        self.priority = priority

    def call(self, operation: Operation, *args: Any, **kwargs: Any) -> RemoteRow:
        """Call an operation of the SDK and return its answer as JSON, with Decimals for fractions."""
        with self._send(operation, *args, **kwargs) as answer:
            body = json.loads(answer.data, parse_float=Decimal)
            if not isinstance(body, dict):
                raise ValueError("the answer is no JSON object")
            return body

    def read(self, operation: Operation, **query: Any) -> RemoteRow:
        """Call an operation that changes nothing; arguments that are None are left out."""
        return self.call(operation, **{name: value for name, value in query.items() if value is not None})

    def write_batch(self, operation: Operation, *args: Any, key: str, **kwargs: Any) -> RemoteRow:
        """Send elements that Xero accepts or refuses one by one; `key` makes a repeat harmless."""
        return self.call(operation, *args, summarize_errors=False, idempotency_key=key, **kwargs)

    def download(self, operation: Operation, *args: Any) -> bytes:
        """Call an operation of the SDK whose answer is a file."""
        with self._send(operation, *args) as answer:
            return bytes(answer.data)

    @contextmanager
    def _send(self, operation: Operation, *args: Any, **kwargs: Any) -> Iterator[urllib3.BaseHTTPResponse]:
        """Yield the answer; once the block has read it, its rate limit headers are recorded."""
        with acquire(self.account, priority=self.priority) as permit, translate_errors(permit):
            answer = operation(
                self.account.organisation_id,
                *args,
                _preload_content=False,  # the SDK's models lose Decimals, nulls and unknown values, and cost more
                _return_http_data_only=True,
                _request_timeout=settings.HTTP_TIMEOUT,
                **kwargs,
            )
            yield answer
            permit.record_response(answer.headers)


class XeroOrganisation:
    """What every part of the Xero ledger has: the client of one organisation, and the SDK's operations."""

    def __init__(self, access_token: str, account: BudgetAccount, *, priority: Priority) -> None:
        self._client = XeroClient(access_token, account, priority=priority)
        self._api = self._client.api

    @property
    def was_accepted(self) -> bool:
        return self._client.account.was_accepted
