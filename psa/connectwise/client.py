"""The transport: keys, clientId, the model's version, the call budget, and how PSA refuses."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import requests
from django.conf import settings

from connections.rate_limiter.limiter import BudgetAccount, Permit, Priority, acquire
from psa.connectwise.sites import Site
from psa.protocol import Installation
from wisepay import clock
from wisepay.errors import Disconnected, NotPermitted, NotThere, Rejected, Unavailable
from wisepay.http import parse_retry_after
from wisepay.outbound import open_session

GENERAL_CODEBASE = "v4_6_release/"  # routed to the current version in the cloud, the only one elsewhere
LARGEST_PAGE = 1000
LARGEST_DOCUMENT = 10_000_000  # bytes of a PDF that is passed on
KEYS_REFUSED = "ConnectWise PSA does not accept these keys, or knows no such company."
MODEL_ENDED = "does not support the API version"  # what its framework says of a model that PSA has no more
BAD_GATEWAYS = (408, 425, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a merchant gave: the login company and an API member's keys."""

    company: str
    public_key: str
    private_key: str

    @property
    def authorization(self) -> str:
        """The header's value."""
        user = f"{self.company}+{self.public_key}:{self.private_key}"
        return "Basic " + base64.b64encode(user.encode()).decode()


class PsaClient:
    """One company's API within its call budget. Every call raises Unavailable, Disconnected or Rejected."""

    def __init__(
        self, site: Site, credentials: Credentials, account: BudgetAccount, *, codebase: str, priority: Priority
    ) -> None:
        self.site = site
        self.credentials = credentials
        self.account = account
        self.priority = priority
        self.codebase = codebase or GENERAL_CODEBASE
        self.was_rediscovered = False
        self.first_answered_at: datetime | None = None
        headers = {
            "Authorization": credentials.authorization,
            "clientId": settings.PSA_CLIENT_ID,
            "Accept": f"application/vnd.connectwise.com+json; version={settings.PSA_API_VERSION}",
        }
        self.session = open_session(headers.items())

    def get(self, path: str, **query: str | int) -> Any:
        """Read a record or a page."""
        return self.call("GET", path, query=query)

    def list_all(self, path: str, **query: str | int) -> Iterator[dict[str, Any]]:
        """Read every record by forward-only pages; one that is not full is the last.

        An answer that is no list is none: it is never taken for a list without records.
        """
        last = 0
        while True:
            headers = {"pagination-type": "forward-only"}
            page = {**query, "pageSize": LARGEST_PAGE} | ({"pageId": last} if last else {})
            answer = self.call("GET", path, query=page, headers=headers)
            if not isinstance(answer, list):
                raise Unavailable("ConnectWise PSA answered something else than a list.", maybe_done=False)
            rows = [row for row in answer if isinstance(row, dict)]
            yield from rows
            found = [row["id"] for row in rows if isinstance(row.get("id"), int)]
            if len(answer) < LARGEST_PAGE or not found or max(found) <= last:
                return
            last = max(found)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str | int] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Make one call. A path that is not there is tried once more below the codebase that is current by now."""
        try:
            return self.send(method, path, query=query, body=body, headers=headers)
        except NotThere:
            if not self.update_codebase():
                raise
        return self.send(method, path, query=query, body=body, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str | int] | None,
        body: Any,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Send the request once, and read its answer as JSON with Decimals for fractions."""
        url = f"{self.site.api_url}/{self.codebase}apis/3.0{path}"
        is_write = method != "GET"
        with acquire(self.account, priority=self.priority) as permit:
            answer = exchange(self.session, permit, method, url, params=query, json=body, headers=headers)
            self.first_answered_at = self.first_answered_at or read_date(answer)
            check_answer(answer, path, is_write=is_write)
            if answer.status_code == 204:
                return None
            return parse_answer(answer, is_write=is_write)

    def read_document(self, path: str) -> bytes:
        """Read a PDF of at most LARGEST_DOCUMENT bytes. Raises Rejected for what is none, or is larger."""
        url = f"{self.site.api_url}/{self.codebase}apis/3.0{path}"
        with acquire(self.account, priority=self.priority) as permit:
            headers = {"Accept": "application/pdf"}
            answer = exchange(self.session, permit, "GET", url, headers=headers, stream=True)
            try:
                check_answer(answer, path, is_write=False)
                content = read_bounded(answer)
            finally:
                answer.close()
        if not content.startswith(b"%PDF"):
            raise Rejected("no_document", "ConnectWise PSA sent something else than a PDF.")
        return content

    def discover(self) -> Installation:
        """Ask for the company's codebase, without keys. Raises NotThere for an unknown company."""
        url = f"{self.site.login_url}/login/companyinfo/{quote(self.credentials.company, safe='')}"
        with acquire(self.account, priority=self.priority) as permit, open_session() as session:
            answer = exchange(session, permit, "GET", url)
            check_answer(answer, "the company", is_write=False)
            found = parse_answer(answer, is_write=False)
        codebase = str(found.get("Codebase") or "") if isinstance(found, dict) else ""
        if not codebase.startswith("v"):
            raise NotThere("unknown_company", "ConnectWise PSA knows no company of this name.", thing="company")
        name = str(found.get("CompanyName") or self.credentials.company)
        return Installation(name[:120], codebase.rstrip("/")[:40] + "/", str(found.get("VersionNumber") or "")[:40])

    def update_codebase(self) -> bool:
        """Ask once a session for the current codebase; answer whether it is another than the one in use."""
        if self.was_rediscovered:
            return False
        self.was_rediscovered = True
        try:
            found = self.discover().codebase
        except NotThere as error:
            raise Disconnected(KEYS_REFUSED) from error
        is_new = found != self.codebase and not self.is_general_codebase_accepted()
        if is_new:
            self.codebase = found
        return is_new

    def is_general_codebase_accepted(self) -> bool:
        """Whether the codebase in use is still routed: what was not there is a record then."""
        try:
            self.send("GET", "/company/companies", query={"pageSize": 1, "fields": "id"}, body=None)
        except NotThere:
            return False
        except Rejected:
            return True
        return True


def exchange(session: requests.Session, permit: Permit, method: str, url: str, **options: Any) -> requests.Response:
    """Send one request, and record on its permit what became of it. Raises Unavailable."""
    try:
        answer = session.request(method, url, timeout=settings.HTTP_TIMEOUT, **options)
    except requests.ConnectTimeout as error:
        permit.mark_unsent()
        raise Unavailable("ConnectWise PSA does not answer.", maybe_done=False) from error
    except requests.RequestException as error:
        raise Unavailable(f"ConnectWise PSA does not answer ({type(error).__name__}).") from error
    permit.record_response(answer.headers, status=answer.status_code)
    return answer


def read_date(answer: requests.Response) -> datetime | None:
    """When the answer was sent, by the sender's clock; None where it does not say, or not readably."""
    try:
        found = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return found if found.tzinfo else None


def read_bounded(answer: requests.Response) -> bytes:
    """The answer's body. Raises Rejected when it is larger than a document may be, Unavailable when it breaks off."""
    content = b""
    try:
        for part in answer.iter_content(64 * 1024):
            content += part
            if len(content) > LARGEST_DOCUMENT:
                raise Rejected("too_large", "The PDF of ConnectWise PSA is too large.")
    except requests.RequestException as error:
        raise Unavailable(f"ConnectWise PSA broke off ({type(error).__name__}).", maybe_done=False) from error
    return content


def check_answer(answer: requests.Response, path: str, *, is_write: bool) -> None:
    """Raise what an answer means that is no success."""
    status = answer.status_code
    if 200 <= status < 300:
        return
    words = describe_refusal(answer)
    if MODEL_ENDED in words:  # whatever the status: it says nothing of keys, rights or records
        raise Unavailable(f"ConnectWise PSA {describe_ended_model()}", maybe_done=False)
    if status == 429:
        wait = parse_retry_after(answer.headers.get("Retry-After"), now=clock.now()) or 60.0  # seconds
        raise Unavailable("ConnectWise PSA allows no more calls for a while.", retry_after=wait, maybe_done=False)
    if status == 401:
        raise Disconnected(KEYS_REFUSED)
    if status == 403:
        raise NotPermitted("403", words)
    if status == 404:
        raise NotThere("404", words, thing=path)
    if status in BAD_GATEWAYS or status >= 500 or status < 400:
        raise Unavailable(f"ConnectWise PSA answered {status}.", maybe_done=is_write)
    raise Rejected(str(status), words)


def describe_ended_model() -> str:
    """What it means that PSA does not answer with our model any more, and who can mend it."""
    return (
        f"no longer answers with model {settings.PSA_API_VERSION}. Nothing is lost and what waits goes on once whoever "
        "runs this server has set PSA_API_VERSION to a newer one."
    )


def describe_refusal(answer: requests.Response) -> str:
    """What PSA says, with each field's own message; short words of ours where it says nothing readable."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return f"ConnectWise PSA refused with {answer.status_code}."
    errors = [row for row in body.get("errors") or [] if isinstance(row, dict)]
    words = [str(row.get("message") or "") for row in errors] or [str(body.get("message") or "")]
    found = " ".join(word for word in words if word)
    return found[:250] or f"ConnectWise PSA refused with {answer.status_code}."


def parse_answer(answer: requests.Response, *, is_write: bool) -> Any:
    """The answer's JSON. Raises Unavailable for anything else: a write may have happened nevertheless."""
    try:
        return json.loads(answer.content, parse_float=Decimal)
    except ValueError as error:
        raise Unavailable("ConnectWise PSA answered something unreadable.", maybe_done=is_write) from error
