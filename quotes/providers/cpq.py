"""ConnectWise CPQ's REST API: calls within a budget, conditions in the one right form, and records read tolerantly.

Facts are from the vendor's Swagger document (developer.connectwise.com, CPQ REST) where it says something.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn
from urllib.parse import quote as escape

import requests
import structlog
from django.conf import settings

from connections.rate_limiter.limiter import BudgetAccount, Permit, Priority, acquire
from wisepay import clock
from wisepay.budgets import count_vendor_call
from wisepay.errors import Disconnected, NotPermitted, NotThere, Rejected, Unavailable
from wisepay.http import parse_retry_after

log = structlog.get_logger(__name__)
HEADERS = {"Content-Type": "application/json; version=1.0", "Accept": "application/json"}
TIMEOUT = (3, 10)  # seconds to connect, seconds to answer: somebody waits for the page
PERMIT_WAIT = 3.0  # seconds that a page waits for a call within the budget
MAX_PAGE_SIZE, MAX_PAGES = 1000, 20
PAGE_SIZE = 50  # of a list of quotes with one passcode, which holds one
# Fields of a quote that a merchant may use for anything.
STATUS_FIELDS = tuple(f"zCustomQuoteString{n}" for n in range(1, 16))
DATE_FIELDS = ("zCustomQuoteDate1", "zCustomQuoteDate2")
PASSCODE = re.compile(r"[A-Za-z0-9_-]{16,64}")
# Everything that a checkout needs, and nothing of what the quote cost its seller.
QUOTE_FIELDS = (
    "id", "quoteNumber", "quoteVersion", "name", "baseCurrency", "quoteTotal", "subtotal", "tax", "shippingSubtotal",
    "shippingTax", "recurringTotal", "selectedTermsTotal", "isOrderPorterApproved", "orderPorterSignedDate",
    "orderPorterSignedIp", "orderPorterInitialsSig", "orderPorterEmailSignature", "orderPorterVisits",
    "orderPorterDownPaymentPercent", "orderPorterDownPaymentMinimum", "orderPorterFullPaymentAllowed",
    "orderPorterPaymentMode", "orderPorterPasscode", "expirationDate", "quoteStatus", "isLost", "isArchive",
    "customer", "crmOpportunityId", "purchaseOrderNumber", "modifyDate",
)  # fmt: skip
EVIDENCE_FIELDS = {
    "signed_at": "orderPorterSignedDate",
    "ip": "orderPorterSignedIp",
    "initials": "orderPorterInitialsSig",
    "email": "orderPorterEmailSignature",
    "visits": "orderPorterVisits",
}


@dataclass(frozen=True, slots=True)
class CpqKeys:
    """The three keys of one CPQ user; the access key names the tenant."""

    access_key: str
    public_key: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CpqUser:
    """Whose keys they are, as far as it matters."""

    is_api_user: bool
    can_access_all_quotes: bool


@dataclass(frozen=True, slots=True)
class CpqQuote:
    """One version of a quote. Amounts are as they came; what was not readable is empty, None or False."""

    id: str
    number: int
    version: int
    name: str
    currency: str
    modified: str
    is_approved: bool
    is_dead: bool
    status: str
    expires: str
    customer_id: str
    opportunity_id: str
    purchase_order_number: str
    payment_mode: str
    full_payment_allowed: bool
    amounts: Mapping[str, Any]
    evidence: Mapping[str, str]
    passcode: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CpqTerm:
    """A term that the customer could choose."""

    id: str
    name: str
    is_selected: bool
    interval: str
    recurring_total: Any
    periods: Any
    down_payment: Any
    starts: str
    agreement_type: str


class CpqClient:
    """One tenant's API. Every call raises Unavailable, Disconnected, Rejected or NotThere."""

    def __init__(self, keys: CpqKeys, *, priority: Priority = "interactive") -> None:
        self.priority = priority
        tenant = sha256(keys.access_key.encode()).hexdigest()[:24]
        self.account = BudgetAccount("cpq", "cpq", tenant)
        self.session = requests.Session()  # one connection for the calls of a page
        self.session.headers.update(HEADERS)
        self.session.auth = (f"{keys.access_key}+{keys.public_key}", keys.private_key)
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_user(self) -> CpqUser:
        """The first user that the keys may read: proof that they work, in one call."""
        rows = self.list_rows("/settings/user", pageSize=1, includeFields="isApiUser,canAccessAllQuotes")
        row = rows[0] if rows else {}
        return CpqUser(row.get("isApiUser") is True, row.get("canAccessAllQuotes") is True)

    def find_quotes(self, passcode: str) -> list[CpqQuote]:
        """The quotes whose public page this passcode opens, as CPQ says: compare before you believe it."""
        condition = build_condition("orderPorterPasscode", passcode)
        fields = ",".join(QUOTE_FIELDS)
        rows = self.list_rows("/api/quotes", conditions=condition, includeFields=fields, pageSize=PAGE_SIZE)
        return [parse_quote(row) for row in rows]

    def list_approved(self, *, since: date) -> list[CpqQuote]:
        """The newest versions that customers accepted and that changed after that day, those that can be read.

        One call for each full thousand and one more.
        """
        condition = f"{build_condition('isOrderPorterApproved', True)} and {build_condition('modifyDate', since, '>')}"
        query: dict[str, str | int] = {"conditions": condition, "includeFields": ",".join(QUOTE_FIELDS)}
        rows: list[Mapping[str, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            found = self.list_rows("/api/quotes", **query, page=page, pageSize=MAX_PAGE_SIZE)
            rows += found
            if len(found) < MAX_PAGE_SIZE:
                break
        return [quote for row in rows if (quote := find_parsed(row)) is not None]

    def get_latest_version(self, number: int) -> CpqQuote:
        """The newest version of a quote. Raises NotThere."""
        return parse_quote(self.read_object(f"/api/quotes/{number}/versions/latest"))

    def get_version(self, number: int, version: int) -> CpqQuote:
        """One version of a quote. Raises NotThere."""
        return parse_quote(self.read_object(f"/api/quotes/{number}/versions/{version}"))

    def list_customers(self, quote_id: str) -> list[Mapping[str, Any]]:
        """The customers of one version, as they came."""
        return self.list_rows(f"/api/quotes/{quote_id}/customers")

    def list_terms(self, quote_id: str) -> list[CpqTerm]:
        """The terms of one version, those that were not chosen too."""
        return [parse_term(row) for row in self.list_rows(f"/api/quotes/{quote_id}/quoteTerms", pageSize=1000)]

    def list_rows(self, path: str, **query: str | int) -> list[Mapping[str, Any]]:
        """A list's objects. Raises Unavailable for another answer than a list."""
        found = self.call(path, query)
        if not isinstance(found, list):
            raise Unavailable("ConnectWise CPQ's answer could not be read")
        return [row for row in found if isinstance(row, dict)]

    def read_object(self, path: str) -> Mapping[str, Any]:
        """One object. Raises Unavailable for another answer."""
        found = self.call(path, {})
        if not isinstance(found, dict):
            raise Unavailable("ConnectWise CPQ's answer could not be read")
        return found

    def update_quote(self, quote_id: str, fields: Mapping[str, str]) -> None:
        """Give fields of one version other values, in one call. The same again changes nothing more."""
        patch = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in fields.items()]
        self.call(f"/api/quotes/{escape(quote_id, safe='')}", {}, patch=patch)

    def call(self, path: str, query: Mapping[str, str | int], *, patch: list[dict[str, str]] | None = None) -> Any:
        """Read one path, or write a patch to it. Both may be repeated: a lost answer does no harm."""
        count_vendor_call()
        with acquire(self.account, priority=self.priority, max_wait=PERMIT_WAIT) as permit:
            try:
                answer = self.session.request(
                    "GET" if patch is None else "PATCH",
                    f"{settings.CPQ_API_URL}{path}",
                    params=query,
                    json=patch,
                    timeout=TIMEOUT,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                # Not `from error`: its words hold the address, and that holds the passcode.
                problem = f"ConnectWise CPQ does not answer ({type(error).__name__})"
                raise Unavailable(problem, maybe_done=False) from None
            permit.record_response(answer.headers, status=answer.status_code)
            return read_answer(answer, path, permit)


def read_answer(answer: requests.Response, path: str, permit: Permit) -> Any:
    """The JSON of an answer. Raises what its status means."""
    if answer.status_code != 200:
        raise_refusal(answer.status_code, path, retry_after=answer.headers.get("Retry-After"))
    try:
        return answer.json(parse_float=Decimal)
    except (ValueError, RecursionError):
        raise Unavailable("ConnectWise CPQ's answer could not be read", maybe_done=False) from None


def raise_refusal(status: int, path: str, *, retry_after: str | None) -> NoReturn:
    """Raise what a status means. CPQ's own words say nothing more."""
    if status == 401:
        raise Disconnected("ConnectWise CPQ does not accept these keys.")
    if status == 403:
        raise NotPermitted("403", "ConnectWise CPQ does not allow these keys to read this.")
    if status == 404:
        raise NotThere("404", "ConnectWise CPQ has nothing there.", thing=path.split("/")[2])
    if status == 429 or status >= 500:
        pause = parse_retry_after(retry_after, now=clock.now())
        raise Unavailable(f"ConnectWise CPQ answered {status}", retry_after=pause, maybe_done=False)
    raise Rejected(str(status), f"ConnectWise CPQ answered {status} and gave no reason.")


def build_condition(name: str, value: str | int | bool | date, sign: str = "=") -> str:
    """One comparison. CPQ answers a wrong form with an empty list, so this is the only place that writes them.

    Raises ValueError for a text that could end the quotation.
    """
    if isinstance(value, date):
        return f"{name} {sign} [{value:%Y-%m-%d}]"
    if isinstance(value, int):  # True and False are written with capitals, as CPQ wants them
        return f"{name} {sign} {value}"
    if not value.isascii() or not value.isprintable() or '"' in value or "\\" in value:
        raise ValueError("this text cannot stand in a condition")
    return f'{name} {sign} "{value}"'


def find_parsed(row: Mapping[str, Any]) -> CpqQuote | None:
    """A QuoteView of a list; None for one that cannot be read, which holds up no other."""
    try:
        return parse_quote(row)
    except Unavailable:
        log.warning("cpq.unreadable_quote", keys=len(row))
        return None


def parse_quote(row: Mapping[str, Any]) -> CpqQuote:
    """A QuoteView. Raises Unavailable without what says which quote it is."""
    number, version, key = row.get("quoteNumber"), row.get("quoteVersion"), get_text(row, "id")
    if not is_whole(number) or not is_whole(version) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", key):
        raise Unavailable("ConnectWise CPQ's answer names no quote", maybe_done=False)
    customer = row.get("customer")
    return CpqQuote(
        id=key,
        number=int(number or 0),
        version=int(version or 0),
        name=get_text(row, "name"),
        currency=get_text(row, "baseCurrency"),
        modified=get_text(row, "modifyDate")[:40],
        is_approved=row.get("isOrderPorterApproved") is True,
        is_dead=row.get("isLost") is True or row.get("isArchive") is True,
        status=get_text(row, "quoteStatus"),
        expires=get_text(row, "expirationDate"),
        customer_id=get_text(customer, "id") if isinstance(customer, dict) else "",
        opportunity_id=get_text(row, "crmOpportunityId"),
        purchase_order_number=get_text(row, "purchaseOrderNumber"),
        payment_mode=get_text(row, "orderPorterPaymentMode"),
        full_payment_allowed=row.get("orderPorterFullPaymentAllowed") is True,
        amounts={name: row.get(name) for name in AMOUNT_FIELDS},
        evidence=dict(list_evidence(row)),
        passcode=get_text(row, "orderPorterPasscode"),
    )


AMOUNT_FIELDS = (
    "quoteTotal", "subtotal", "tax", "shippingSubtotal", "shippingTax", "recurringTotal", "selectedTermsTotal",
    "orderPorterDownPaymentPercent", "orderPorterDownPaymentMinimum",
)  # fmt: skip


def list_evidence(row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What shows in a dispute who accepted the quote; a later version may clear it in CPQ."""
    for name, theirs in EVIDENCE_FIELDS.items():
        if row.get(theirs) not in (None, ""):
            yield name, str(row[theirs])[:200]


def parse_term(row: Mapping[str, Any]) -> CpqTerm:
    """A QuoteTermView."""
    return CpqTerm(
        id=get_text(row, "id"),
        name=get_text(row, "name"),
        is_selected=row.get("isSelected") is True,
        interval=get_text(row, "periodInterval"),
        recurring_total=row.get("recurringTotalAmount"),
        periods=row.get("recurringPeriods"),
        down_payment=row.get("downPayment"),
        starts=get_text(row, "overrideStartDate"),
        agreement_type=get_text(row, "agreementType"),
    )


def is_whole(value: object) -> bool:
    """Whether it is a number that counts from one."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def get_text(row: Mapping[str, Any], name: str) -> str:
    """A text, or a number as one; empty for everything else."""
    value = row.get(name)
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
