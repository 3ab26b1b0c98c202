"""What every half of the QuickBooks ledger stands on: batches judged one by one, queries, pages."""

import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings

from accounting.ledgers.parsing import RemoteRow
from accounting.ledgers.protocol import WriteResult
from accounting.ledgers.quickbooks.client import QuickBooksClient, get_part
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
from connections.rate_limiter.budget import BudgetAccount, Priority
from wisepay.errors import Disconnected, Rejected, Unavailable

LARGEST_PAGE = 1000  # rows that one query answers
QUERIES_PER_PAGE = 2  # queries of them that make a page of ours: what a page needs beside itself costs a call as well
PAGE_OVERLAP = 100  # rows before a page that are read again with it
MAX_QUERIES_PER_CALL = 8  # queries that one call carries for what a page needs beside itself
MAX_IDS_PER_QUERY = 500  # ids in one query


@dataclass(frozen=True, slots=True)
class BatchItemRequest:
    """One operation of a batch: `operation` is create, update or delete; `number` is what we call its document."""

    number: str
    entity: str
    body: RemoteRow
    operation: str = "create"


@dataclass(frozen=True, slots=True)
class BatchItemResponse:
    """What QuickBooks said of one operation: the object, or a fault."""

    row: RemoteRow
    code: int = 0
    refusal: str = ""

    def build_write_result(self, number: str) -> WriteResult:
        """The same in the door's words."""
        return (
            WriteResult(number, refusal=self.refusal)
            if self.refusal
            else WriteResult(number, id=str(self.row.get("Id", "")))
        )


@dataclass(frozen=True, slots=True)
class QueryPage:
    """A part of a list as QuickBooks wrote it; `beside` are rows of other kinds that came with it, by kind and id."""

    rows: list[RemoteRow]
    pages: int = 1
    as_of: datetime | None = None
    tombstones: tuple[str, ...] = ()
    is_truncated: bool = False
    related_rows: dict[str, dict[str, RemoteRow]] = field(default_factory=dict)


class QuickBooksCompany:
    """One company's API."""

    def __init__(self, access_token: str, account: BudgetAccount, *, priority: Priority) -> None:
        self._client = QuickBooksClient(access_token, account, priority=priority)
        self.batch_size = settings.QUICKBOOKS_BATCH

    @property
    def was_accepted(self) -> bool:
        return self._client.account.was_accepted

    def _send_batch(self, requests: list[BatchItemRequest], *, key: str) -> list[BatchItemResponse]:
        """The acts in one batch; their answers, in order."""
        if not requests:
            return []
        asked = [{"bId": str(n), "operation": a.operation, a.entity: a.body} for n, a in enumerate(requests)]
        said = {
            str(answer.get("bId")): answer for answer in self._client.send_batch({"BatchItemRequest": asked}, key=key)
        }
        if len(said) != len(requests):
            raise Unavailable("QuickBooks answered another number of elements than were sent")
        return [parse_batch_item(said.get(str(n), {}), act.entity) for n, act in enumerate(requests)]

    def _write(self, requests: list[BatchItemRequest], *, key: str) -> list[WriteResult]:
        """The same in the door's words."""
        return [
            self._explain_refusal(a, s).build_write_result(a.number)
            for a, s in zip(requests, self._send_batch(requests, key=key), strict=True)
        ]

    def _explain_refusal(self, request: BatchItemRequest, response: BatchItemResponse) -> BatchItemResponse:
        """A payment for which nothing is open any more, in a company that applies credits by itself, says so."""
        if (
            request.entity != "Payment"
            or response.code != BUSINESS_RULE_CODE
            or not self._applies_credits_automatically
        ):
            return response
        return replace(response, refusal=f"{CREDITS_APPLIED_AUTOMATICALLY} {response.refusal}")

    @cached_property
    def _applies_credits_automatically(self) -> bool:
        """Whether QuickBooks puts credits against invoices without being asked; asked only once it may matter."""
        try:
            forms = self._client.get_preferences().get("SalesFormsPrefs") or {}
        except (Unavailable, Disconnected, Rejected):
            return False  # what was written before must be heard of, whatever becomes of this question
        return bool(forms.get("AutoApplyCredit"))

    def _write_with_fresh_tokens(self, read: Callable[[], list[BatchItemRequest]], *, key: str) -> list[WriteResult]:
        """Acts on what is there. What somebody else changed at the same moment is read again and tried once more."""
        acts = read()
        said = self._send_batch(acts, key=key)
        if not any(s.code == STALE_OBJECT_CODE for s in said):
            return [s.build_write_result(a.number) for a, s in zip(acts, said, strict=True)]
        fresh = {act.number: act for act in read()}
        stale = [
            fresh[a.number]
            for a, s in zip(acts, said, strict=True)
            if s.code == STALE_OBJECT_CODE and a.number in fresh
        ]
        again = (
            dict(zip((a.number for a in stale), self._send_batch(stale, key=f"{key}-2"), strict=True)) if stale else {}
        )
        return [again.get(a.number, s).build_write_result(a.number) for a, s in zip(acts, said, strict=True)]

    def _query_rows(self, entity: str, where: str = "") -> list[RemoteRow]:
        """Objects of one kind, up to a page of them."""
        found: list[RemoteRow] = self._client.query(build_query(entity, where)).get(entity, [])
        return found

    def _query_by_field(self, entity: str, field: str, values: Iterable[str]) -> dict[str, RemoteRow]:
        """Objects by one of their fields; nothing is asked about nothing."""
        wanted = [value for value in dict.fromkeys(values) if value]
        rows = self._query_rows(entity, build_in_condition(field, wanted)) if wanted else []
        return {str(row.get(field, "")): row for row in rows}

    def _query_kinds(self, wheres: dict[str, str]) -> dict[str, list[RemoteRow]]:
        """Objects of several kinds, up to a page of each, in one call."""
        found = self._send_queries({entity: build_query(entity, where) for entity, where in wheres.items()})
        return {entity: rows.get(entity, []) for entity, rows in found.items()}

    def _query_page(self, entity: str, where: str, page: int) -> QueryPage:
        """One page of a long list and how many there are, in one call: a query alone does not tell the number.

        Deleted rows leave the list and let later ones move up, so the end of the page before is read once more.
        """
        begin, size = (page - 1) * LARGEST_PAGE * QUERIES_PER_PAGE, LARGEST_PAGE * QUERIES_PER_PAGE
        before = min(begin, PAGE_OVERLAP)
        asked = {"before": build_query(entity, where, begin=begin - before + 1, most=before)} if before else {}
        asked |= {
            str(n): build_query(entity, where, begin=begin + n * LARGEST_PAGE + 1) for n in range(QUERIES_PER_PAGE)
        }
        found = self._send_queries(asked | {"count": build_query(entity, where, what="COUNT(*)", begin=0)})
        total = int(get_part(found, "count", "totalCount"))
        rows = [row for name in asked for row in found[name].get(entity, [])]
        return QueryPage(rows, max(1, math.ceil(total / size)), as_of=self._client.answered_at)

    def _query_all(self, asked: Iterable[tuple[str, str]]) -> dict[str, list[RemoteRow]]:
        """Every row of these kinds that meets its condition, however many; several queries go in one call."""
        found: dict[str, list[RemoteRow]] = {}
        waiting, most = [(entity, where, 1) for entity, where in asked], min(MAX_QUERIES_PER_CALL, self.batch_size)
        while waiting:
            now, waiting = waiting[:most], waiting[most:]
            queries = {str(n): build_query(entity, where, begin=begin) for n, (entity, where, begin) in enumerate(now)}
            answers = self._send_queries(queries)
            for n, (entity, where, begin) in enumerate(now):
                rows = answers[str(n)].get(entity, [])
                found.setdefault(entity, []).extend(rows)
                waiting += [(entity, where, begin + LARGEST_PAGE)] if len(rows) == LARGEST_PAGE else []
        return found

    def _query_by_id(
        self, wanted: dict[str, Iterable[str]], related_rows: dict[str, dict[str, RemoteRow]] | None = None
    ) -> dict[str, dict[str, RemoteRow]]:
        """Rows by kind and id, as far as they are there; what came `beside` something else is not asked for again."""
        held = {entity: dict((related_rows or {}).get(entity, {})) for entity in wanted}
        missing = {entity: sorted({key for key in keys if key} - set(held[entity])) for entity, keys in wanted.items()}
        asked = [
            (entity, build_in_condition("Id", some))
            for entity, keys in missing.items()
            for some in split_into_chunks(keys, MAX_IDS_PER_QUERY)
        ]
        for entity, rows in self._query_all(asked).items():
            held[entity] |= {str(row["Id"]): row for row in rows}
        return held

    def _send_queries(self, queries: dict[str, str]) -> dict[str, dict[str, Any]]:
        """Several queries in one call; the answers by the queries' names. Raises Unavailable when one failed."""
        if len(queries) == 1:
            return {name: self._client.query(text) for name, text in queries.items()}
        asked = [{"bId": name, "Query": text} for name, text in queries.items()]
        answers = self._client.send_batch({"BatchItemRequest": asked}, key=f"wp-{uuid.uuid4()}")
        found = {str(answer.get("bId")): get_part(answer, "QueryResponse") for answer in answers}
        return {name: get_part(found, name) for name in queries}


def split_into_chunks(keys: Sequence[str], most: int) -> list[Sequence[str]]:
    """The keys in order, at most so many together."""
    return [keys[begin : begin + most] for begin in range(0, len(keys), most)]


def build_query(entity: str, where: str = "", *, begin: int = 1, what: str = "*", most: int = 0) -> str:
    """A query in the order of ids, which a page needs; without `begin` of everything."""
    condition = ["WHERE", where] if where else []
    page = ["ORDERBY Id STARTPOSITION", str(begin), "MAXRESULTS", str(most or LARGEST_PAGE)] if begin else []
    return " ".join(["SELECT", what, "FROM", entity, *condition, *page])


def parse_batch_item(answer: dict[str, Any], entity: str) -> BatchItemResponse:
    """One element of a batch's answer. Raises Unavailable when it is weather: then nobody knows of the rest either."""
    faults = (answer.get("Fault") or {}).get("Error") or []
    if faults:
        code = get_fault_code(faults[0])
        if code in THROTTLED_CODES or code >= VENDOR_FAILURE_CODE:
            raise Unavailable("QuickBooks had trouble of its own")
        told = "; ".join(str(f.get("Detail") or f.get("Message") or "") for f in faults)
        return BatchItemResponse({}, code=code, refusal=explain_error(code, told))
    row = answer.get(entity)
    if not isinstance(row, dict) or not row.get("Id"):
        raise Unavailable("QuickBooks' answer could not be read")
    return BatchItemResponse(row)
