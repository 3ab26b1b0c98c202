"""The Xero SDK makes the calls: one execution each, with a time limit, without a token refresh; we read plain JSON."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from django.conf import settings
from xero_python.accounting import AccountingApi
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token

from accounting.ledgers.parsing import RemoteRow, list_rows, parse_json_answer, parse_rows, split_by_length
from accounting.ledgers.remote_documents import UnreadableRow
from accounting.ledgers.xero.errors import translate_errors
from connections.rate_limiter.limiter import BudgetAccount, Priority, acquire
from wisepay.errors import Rejected

Operation = Callable[..., Any]  # a method of the SDK, which carries no types
# One pool for the process. The SDK's own would repeat a PUT, sleep on 429 and follow redirects; this one does not.
CONNECTION_POOL = urllib3.PoolManager(
    maxsize=8,
    retries=urllib3.Retry(0, respect_retry_after_header=False, raise_on_status=False, raise_on_redirect=False),
)
LONGEST_QUERY = 2_040  # characters; Xero answers 404 to a longer query than 2,048
LARGEST_LOOKUP = 100  # rows that one page of a lookup holds


def build_accounting_api(access_token: str) -> AccountingApi:
    """Return an AccountingApi that uses exactly this token, and asks for compressed answers: Xero bills bytes."""
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
    client.set_default_header("Accept-Encoding", "gzip")
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
        self.takes_alternatives = True  # organisations of very high volume refuse filters with OR

    def call(self, operation: Operation, *args: Any, **kwargs: Any) -> RemoteRow:
        """Call an operation of the SDK and return its answer as JSON, with Decimals for fractions."""
        with self._send(operation, *args, **kwargs) as answer:
            return parse_json_answer(answer.data)

    def read(self, operation: Operation, **query: Any) -> RemoteRow:
        """Call an operation that changes nothing; arguments that are None are left out."""
        return self.call(operation, **{n: write_parameter(value) for n, value in query.items() if value is not None})

    def read_named(
        self, operation: Operation, plural: str, name: str, values: Sequence[str], **query: Any
    ) -> list[RemoteRow]:
        """Read every row that a list parameter names, in as few calls as the length of a query allows."""
        runs = split_by_length(values, lambda run: is_short_enough(",".join(run), query))
        return [row for run in runs for row in self.read_every_page(operation, plural, **{name: list(run)}, **query)]

    def read_any(
        self, operation: Operation, plural: str, conditions: Sequence[str], *, also: str = "", **query: Any
    ) -> list[RemoteRow]:
        """Read every row that meets one of the conditions, and `also` this one.

        An organisation that refuses filters with OR is asked for one after the other.
        """
        found: list[RemoteRow] = []
        for run in split_by_length(conditions, lambda run: is_short_enough(join_conditions(run, also), query)):
            try:
                runs = [run] if self.takes_alternatives or len(run) == 1 else [[one] for one in run]
                found += self._read_runs(operation, plural, runs, also, query)
            except Rejected:
                if len(run) == 1 or not self.takes_alternatives:
                    raise
                self.takes_alternatives = False
                found += self._read_runs(operation, plural, [[one] for one in run], also, query)
        return found

    def _read_runs(
        self, operation: Operation, plural: str, runs: Sequence[Sequence[str]], also: str, query: dict[str, Any]
    ) -> list[RemoteRow]:
        return [
            row
            for run in runs
            for row in self.read_every_page(operation, plural, where=join_conditions(run, also), **query)
        ]

    def read_every_page(self, operation: Operation, plural: str, **query: Any) -> list[RemoteRow]:
        """Read all rows of a lookup, which is one page unless very many rows have the same number."""
        found: list[RemoteRow] = []
        for page in range(1, LARGEST_LOOKUP):
            rows = list_rows(self.read(operation, page=page, page_size=LARGEST_LOOKUP, **query), plural)
            found += rows
            if len(rows) < LARGEST_LOOKUP:
                break
        return found

    def write_batch(self, operation: Operation, *args: Any, key: str, **kwargs: Any) -> RemoteRow:
        """Send elements that Xero accepts or refuses one by one; `key` makes a repeat harmless."""
        return self.call(operation, *args, summarize_errors="false", idempotency_key=key, **kwargs)

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
        self.unreadable: dict[str, list[UnreadableRow]] = {}

    @property
    def was_accepted(self) -> bool:
        return self._client.account.was_accepted

    def _parse_list[T](self, kind: str, rows: Iterable[Any], parse: Callable[[RemoteRow], T]) -> list[T]:
        """Parse a list of the settings, and keep which of its rows cannot be read."""
        self.unreadable[kind] = []
        return parse_rows(rows, parse, self.unreadable[kind])


def write_parameter(value: Any) -> Any:
    """Return a parameter in the documented form: true and false in lower case, instants in UTC by the second."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return value


def is_short_enough(value: str, query: dict[str, Any]) -> bool:
    """Return whether a query with this value of its longest parameter can be sent beside the others."""
    others = {name.replace("_", ""): write_parameter(each) for name, each in query.items() if each is not None}
    longest_name = {"InvoiceNumbers": value, "page": 1, "pageSize": LARGEST_LOOKUP}
    return len(urlencode({**others, **longest_name})) <= LONGEST_QUERY


def join_conditions(conditions: Sequence[str], also: str) -> str:
    """Return the filter of rows that meet one of the conditions, and `also` this one."""
    any_of = " OR ".join(conditions)
    if not also:
        return any_of
    return f"{also} AND {any_of}" if len(conditions) == 1 else f"{also} AND ({any_of})"
