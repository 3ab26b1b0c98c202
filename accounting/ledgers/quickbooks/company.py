"""One company's API, on which every part of the QuickBooks ledger is built: batches, queries, pages."""

import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings

from accounting.ledgers.parsing import (
    LONGEST_ID,
    RemoteRow,
    UnreadableField,
    get_objects,
    get_text,
    group_rows,
    read_object,
)
from accounting.ledgers.protocol import WriteResult
from accounting.ledgers.quickbooks.client import QuickBooksClient, read_part
from accounting.ledgers.quickbooks.errors import (
    BUSINESS_RULE_CODE,
    CREDITS_APPLIED_AUTOMATICALLY,
    STALE_OBJECT_CODE,
    THROTTLED_CODES,
    VENDOR_FAILURE_CODE,
    explain_error,
    get_fault_code,
)
from accounting.ledgers.quickbooks.shapes import build_in_condition
from accounting.ledgers.remote_documents import UnreadableRow
from connections.rate_limiter.limiter import BudgetAccount, Priority
from wisepay.errors import Disconnected, Rejected, Unavailable

LARGEST_PAGE = 1000  # rows that one query answers
QUERIES_PER_PAGE = 2  # of them in a page of ours: the related rows of a page cost a call as well
PAGE_OVERLAP = 100  # rows before a page that are read again with it
MAX_QUERIES_PER_CALL = 8  # queries that one call carries for the related rows of a page
MAX_IDS_PER_QUERY = 500  # ids in one query
MOST_ROWS = 100_000_000  # more than any list of a company has


@dataclass(frozen=True, slots=True)
class BatchItemRequest:
    """One operation of a batch: `operation` is create, update or delete; `number` is our number of its document."""

    number: str
    entity: str
    body: RemoteRow
    operation: str = "create"


@dataclass(frozen=True, slots=True)
class BatchItemResponse:
    """The answer to one operation: the object, or a fault, or neither where it is `unreadable`."""

    row: RemoteRow
    code: int = 0
    refusal: str = ""
    unreadable: str = ""

    def build_write_result(self, number: str) -> WriteResult:
        """Return the result that the ledger protocol has for it."""
        return (
            WriteResult(number, refusal=self.refusal)
            if self.refusal
            else WriteResult(number, id=get_text(self.row, "Id"), unreadable=self.unreadable)
        )


@dataclass(frozen=True, slots=True)
class QueryPage:
    """Rows of a list as QuickBooks wrote them; `related_rows` of other types came with them, by type and id."""

    rows: list[RemoteRow]
    pages: int = 1
    as_of: datetime | None = None
    tombstones: tuple[str, ...] = ()
    is_truncated: bool = False
    related_rows: dict[str, dict[str, RemoteRow]] = field(default_factory=dict)
    unreadable: tuple[UnreadableRow, ...] = ()


class QuickBooksCompany:
    """One company's API."""

    def __init__(self, access_token: str, account: BudgetAccount, *, priority: Priority) -> None:
        self._client = QuickBooksClient(access_token, account, priority=priority)
        self.batch_size = settings.QUICKBOOKS_BATCH
        self.unreadable: dict[str, list[UnreadableRow]] = {}

    @property
    def was_accepted(self) -> bool:
        return self._client.account.was_accepted

    def _send_batch(self, requests: list[BatchItemRequest], *, key: str) -> list[BatchItemResponse]:
        """Send the operations in one batch; the answers are in their order."""
        if not requests:
            return []
        items = [{"bId": str(n), "operation": r.operation, r.entity: r.body} for n, r in enumerate(requests)]
        answers = self._client.send_batch({"BatchItemRequest": items}, key=key)
        by_id = {get_text(answer, "bId"): answer for answer in answers if isinstance(answer, dict)}
        if len(by_id) != len(requests):
            raise Unavailable("QuickBooks answered another number of elements than were sent")
        return [parse_batch_item(by_id.get(str(n), {}), request.entity) for n, request in enumerate(requests)]

    def _write(self, requests: list[BatchItemRequest], *, key: str) -> list[WriteResult]:
        """Send the operations in one batch, and return the results that the ledger protocol has for them."""
        return [
            self._explain_refusal(request, response).build_write_result(request.number)
            for request, response in zip(requests, self._send_batch(requests, key=key), strict=True)
        ]

    def _explain_refusal(self, request: BatchItemRequest, response: BatchItemResponse) -> BatchItemResponse:
        """Explain why nothing is left to pay, if the company applies credits automatically."""
        if (
            request.entity != "Payment"
            or response.code != BUSINESS_RULE_CODE
            or not self._applies_credits_automatically
        ):
            return response
        return replace(response, refusal=f"{CREDITS_APPLIED_AUTOMATICALLY} {response.refusal}")

    @cached_property
    def _applies_credits_automatically(self) -> bool:
        """Return whether QuickBooks applies credits to invoices automatically; read when first needed."""
        try:
            forms = read_object(self._client.get_preferences(), "SalesFormsPrefs")
        except (Unavailable, Disconnected, Rejected, UnreadableField):
            return False  # the results of what was written must not be lost for this question
        return bool(forms.get("AutoApplyCredit"))

    def _write_with_fresh_tokens(self, build: Callable[[], list[BatchItemRequest]], *, key: str) -> list[WriteResult]:
        """Send operations on objects that exist; those that were changed meanwhile are built and sent once more."""
        requests = build()
        responses = self._send_batch(requests, key=key)
        stale = {
            request.number
            for request, response in zip(requests, responses, strict=True)
            if response.code == STALE_OBJECT_CODE
        }
        retries = [request for request in build() if request.number in stale] if stale else []
        retried = dict(zip((r.number for r in retries), self._send_batch(retries, key=f"{key}-2"), strict=True))
        return [
            retried.get(request.number, response).build_write_result(request.number)
            for request, response in zip(requests, responses, strict=True)
        ]

    def _query_rows(self, entity: str, where: str = "") -> list[RemoteRow]:
        """Query objects of one type, up to a page of them."""
        return read_entity(self._client.query(build_query(entity, where)), entity)

    def _query_by_field(self, entity: str, field: str, values: Iterable[str]) -> dict[str, RemoteRow]:
        """Query objects by a field that is unique; without values no call is made."""
        return {value: rows[0] for value, rows in self._query_all_by_field(entity, field, values).items()}

    def _query_all_by_field(self, entity: str, field: str, values: Iterable[str]) -> dict[str, list[RemoteRow]]:
        """Query objects by a field that several may share, such as a document's number."""
        present = [value for value in dict.fromkeys(values) if value]
        return group_rows(self._query_rows(entity, build_in_condition(field, present)) if present else [], field)

    def _query_kinds(self, wheres: dict[str, str]) -> dict[str, list[RemoteRow]]:
        """Query objects of several types, up to a page of each, in one call."""
        found = self._send_queries({entity: build_query(entity, where) for entity, where in wheres.items()})
        return {entity: read_entity(rows, entity) for entity, rows in found.items()}

    def _query_page(self, entity: str, where: str, page: int) -> QueryPage:
        """Query one page of a long list and how many pages there are, in one call.

        Deleted rows leave the list and let later ones move up, so the end of the page before is read once more.
        """
        begin, size = (page - 1) * LARGEST_PAGE * QUERIES_PER_PAGE, LARGEST_PAGE * QUERIES_PER_PAGE
        before = min(begin, PAGE_OVERLAP)
        queries = {"before": build_query(entity, where, begin=begin - before + 1, most=before)} if before else {}
        queries |= {
            str(n): build_query(entity, where, begin=begin + n * LARGEST_PAGE + 1) for n in range(QUERIES_PER_PAGE)
        }
        found = self._send_queries(queries | {"count": build_query(entity, where, what="COUNT(*)", begin=0)})
        rows = [row for name in queries for row in read_entity(found[name], entity)]
        pages = read_page_count(found["count"], size=size, page=page, is_full=len(rows) >= size)
        return QueryPage(rows, pages, as_of=self._client.answered_at)

    def _query_all(self, conditions: Iterable[tuple[str, str]]) -> dict[str, list[RemoteRow]]:
        """Query all rows, however many, that meet a type's condition; several queries go in one call."""
        found: dict[str, list[RemoteRow]] = {}
        waiting, size = [(entity, where, 1) for entity, where in conditions], min(MAX_QUERIES_PER_CALL, self.batch_size)
        while waiting:
            batch, waiting = waiting[:size], waiting[size:]
            queries = {
                str(n): build_query(entity, where, begin=begin) for n, (entity, where, begin) in enumerate(batch)
            }
            answers = self._send_queries(queries)
            for n, (entity, where, begin) in enumerate(batch):
                rows = read_entity(answers[str(n)], entity)
                found.setdefault(entity, []).extend(rows)
                waiting += [(entity, where, begin + LARGEST_PAGE)] if len(rows) == LARGEST_PAGE else []
        return found

    def _query_by_id(
        self, ids: dict[str, Iterable[str]], related_rows: dict[str, dict[str, RemoteRow]] | None = None
    ) -> dict[str, dict[str, RemoteRow]]:
        """Return rows by type and id, as far as they exist; those that are among `related_rows` are not queried."""
        found = {entity: dict((related_rows or {}).get(entity, {})) for entity in ids}
        missing = {entity: sorted({key for key in keys if key} - set(found[entity])) for entity, keys in ids.items()}
        conditions = [
            (entity, build_in_condition("Id", some))
            for entity, keys in missing.items()
            for some in split_into_chunks(keys, MAX_IDS_PER_QUERY)
        ]
        for entity, rows in self._query_all(conditions).items():
            found[entity] |= {get_text(row, "Id"): row for row in rows}
        return found

    def _send_queries(self, queries: dict[str, str]) -> dict[str, dict[str, Any]]:
        """Send several queries in one call; the answers have their names. Raises Unavailable when one failed."""
        if len(queries) == 1:
            return {name: self._client.query(text) for name, text in queries.items()}
        items = [{"bId": name, "Query": text} for name, text in queries.items()]
        answers = self._client.send_batch({"BatchItemRequest": items}, key=f"wp-{uuid.uuid4()}")
        found = {get_text(each, "bId"): each for each in answers if isinstance(each, dict)}
        return {name: read_part(found.get(name, {}), "QueryResponse") for name in queries}


def split_into_chunks(keys: Sequence[str], most: int) -> list[Sequence[str]]:
    """Split the keys into chunks of at most `most`."""
    return [keys[begin : begin + most] for begin in range(0, len(keys), most)]


def build_query(entity: str, where: str = "", *, begin: int = 1, what: str = "*", most: int = 0) -> str:
    """Return a query in the order of ids, which pages need; without `begin` it has neither order nor page."""
    condition = ["WHERE", where] if where else []
    page = ["ORDERBY Id STARTPOSITION", str(begin), "MAXRESULTS", str(most or LARGEST_PAGE)] if begin else []
    return " ".join(["SELECT", what, "FROM", entity, *condition, *page])


def read_entity(found: RemoteRow, entity: str) -> list[RemoteRow]:
    """Return the objects of one type that a query found; without any it names none. Raises Unavailable."""
    rows = found.get(entity, [])
    if not isinstance(rows, list):
        raise Unavailable("QuickBooks' answer could not be read")
    return [row if isinstance(row, dict) else {} for row in rows]


def read_page_count(counted: RemoteRow, *, size: int, page: int, is_full: bool) -> int:
    """Return how many pages a list has; where it is not counted, one more after each full page."""
    total = counted.get("totalCount")
    if isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= MOST_ROWS:
        return max(1, math.ceil(total / size))
    return page + 1 if is_full else page


def parse_batch_item(answer: RemoteRow, entity: str) -> BatchItemResponse:
    """Parse one element of a batch. Raises Unavailable for the vendor's own failure, which leaves the rest unknown."""
    faults = list_faults(answer)
    if faults:
        code = get_fault_code(faults[0])
        if code in THROTTLED_CODES or code >= VENDOR_FAILURE_CODE:
            raise Unavailable("QuickBooks had trouble of its own")
        detail = "; ".join(get_text(f, "Detail") or get_text(f, "Message") for f in faults)
        return BatchItemResponse({}, code=code, refusal=explain_error(code, detail))
    row = answer.get(entity)
    if not isinstance(row, dict) or not 0 < len(get_text(row, "Id")) <= LONGEST_ID:
        return BatchItemResponse({}, unreadable="QuickBooks' answer to it could not be read.")
    return BatchItemResponse(row)


def list_faults(answer: RemoteRow) -> list[RemoteRow]:
    """Return the faults of one element, a nameless one where they cannot be read."""
    fault = answer.get("Fault")
    known = get_objects(fault, "Error") if isinstance(fault, dict) else []
    nameless: RemoteRow = {}
    return known or ([nameless] if fault else [])
