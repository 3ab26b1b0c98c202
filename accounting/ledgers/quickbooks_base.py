"""What every half of the QuickBooks ledger stands on: batches judged one by one, queries, pages."""

import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings

from accounting.ledgers.quickbooks_client import THROTTLED, Client, part
from accounting.ledgers.quickbooks_shapes import Row, one_of
from accounting.ledgers.quickbooks_words import APPLIES_BY_ITSELF, explained
from accounting.ledgers.words import Written
from connections.budget import Account, Lane
from wisepay.errors import Disconnected, Rejected, Unavailable

LARGEST_PAGE = 1000  # rows that one query answers
AT_ONCE = 2  # queries of them that make a page of ours: what a page needs beside itself costs a call as well
MARGIN = 100  # rows before a page that are read again with it
TOGETHER = 8  # queries that one call carries for what a page needs beside itself
NAMED = 500  # ids in one query
STALE = 5010
AGAINST_A_RULE = 6000


@dataclass(frozen=True, slots=True)
class Act:
    """One operation of a batch: `operation` is create, update or delete; `number` is what we call its document."""

    number: str
    entity: str
    body: Row
    operation: str = "create"


@dataclass(frozen=True, slots=True)
class Said:
    """What QuickBooks said of one operation: the object, or a fault."""

    row: Row
    code: int = 0
    refusal: str = ""

    def written(self, number: str) -> Written:
        """The same in the door's words."""
        return (
            Written(number, refusal=self.refusal) if self.refusal else Written(number, id=str(self.row.get("Id", "")))
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a list as QuickBooks wrote it; `beside` are rows of other kinds that came with it, by kind and id."""

    rows: list[Row]
    pages: int = 1
    as_of: datetime | None = None
    gone: tuple[str, ...] = ()
    is_cut: bool = False
    beside: dict[str, dict[str, Row]] = field(default_factory=dict)


class QuickBooksCompany:
    """One company's API."""

    def __init__(self, access_token: str, account: Account, *, lane: Lane) -> None:
        self._client = Client(access_token, account, lane=lane)
        self.batch_size = settings.QUICKBOOKS_BATCH

    @property
    def was_accepted(self) -> bool:
        return self._client.account.was_accepted

    def _do(self, acts: list[Act], *, key: str) -> list[Said]:
        """The acts in one batch; their answers, in order."""
        if not acts:
            return []
        asked = [{"bId": str(n), "operation": a.operation, a.entity: a.body} for n, a in enumerate(acts)]
        said = {str(answer.get("bId")): answer for answer in self._client.batch({"BatchItemRequest": asked}, key=key)}
        if len(said) != len(acts):
            raise Unavailable("QuickBooks answered another number of elements than were sent")
        return [said_of(said.get(str(n), {}), act.entity) for n, act in enumerate(acts)]

    def _write(self, acts: list[Act], *, key: str) -> list[Written]:
        """The same in the door's words."""
        return [self._blamed(a, s).written(a.number) for a, s in zip(acts, self._do(acts, key=key), strict=True)]

    def _blamed(self, act: Act, said: Said) -> Said:
        """A payment for which nothing is open any more, in a company that applies credits by itself, says so."""
        if act.entity != "Payment" or said.code != AGAINST_A_RULE or not self._applies_by_itself:
            return said
        return replace(said, refusal=f"{APPLIES_BY_ITSELF} {said.refusal}")

    @cached_property
    def _applies_by_itself(self) -> bool:
        """Whether QuickBooks puts credits against invoices without being asked; asked only once it may matter."""
        try:
            forms = self._client.preferences().get("SalesFormsPrefs") or {}
        except (Unavailable, Disconnected, Rejected):
            return False  # what was written before must be heard of, whatever becomes of this question
        return bool(forms.get("AutoApplyCredit"))

    def _change(self, read: Callable[[], list[Act]], *, key: str) -> list[Written]:
        """Acts on what is there. What somebody else changed at the same moment is read again and tried once more."""
        acts = read()
        said = self._do(acts, key=key)
        if not any(s.code == STALE for s in said):
            return [s.written(a.number) for a, s in zip(acts, said, strict=True)]
        fresh = {act.number: act for act in read()}
        stale = [fresh[a.number] for a, s in zip(acts, said, strict=True) if s.code == STALE and a.number in fresh]
        again = dict(zip((a.number for a in stale), self._do(stale, key=f"{key}-2"), strict=True)) if stale else {}
        return [again.get(a.number, s).written(a.number) for a, s in zip(acts, said, strict=True)]

    def _rows(self, entity: str, where: str = "") -> list[Row]:
        """Objects of one kind, up to a page of them."""
        found: list[Row] = self._client.query(select(entity, where)).get(entity, [])
        return found

    def _by(self, entity: str, field: str, values: Iterable[str]) -> dict[str, Row]:
        """Objects by one of their fields; nothing is asked about nothing."""
        wanted = [value for value in dict.fromkeys(values) if value]
        rows = self._rows(entity, one_of(field, wanted)) if wanted else []
        return {str(row.get(field, "")): row for row in rows}

    def _rows_of_all(self, wheres: dict[str, str]) -> dict[str, list[Row]]:
        """Objects of several kinds, up to a page of each, in one call."""
        found = self._ask_all({entity: select(entity, where) for entity, where in wheres.items()})
        return {entity: rows.get(entity, []) for entity, rows in found.items()}

    def _page(self, entity: str, where: str, page: int) -> Listed:
        """One page of a long list and how many there are, in one call: a query alone does not tell the number.

        Deleted rows leave the list and let later ones move up, so the end of the page before is read once more.
        """
        begin, size = (page - 1) * LARGEST_PAGE * AT_ONCE, LARGEST_PAGE * AT_ONCE
        before = min(begin, MARGIN)
        asked = {"before": select(entity, where, begin=begin - before + 1, most=before)} if before else {}
        asked |= {str(n): select(entity, where, begin=begin + n * LARGEST_PAGE + 1) for n in range(AT_ONCE)}
        found = self._ask_all(asked | {"count": select(entity, where, what="COUNT(*)", begin=0)})
        total = int(part(found, "count", "totalCount"))
        rows = [row for name in asked for row in found[name].get(entity, [])]
        return Listed(rows, max(1, math.ceil(total / size)), as_of=self._client.told_at)

    def _all(self, asked: Iterable[tuple[str, str]]) -> dict[str, list[Row]]:
        """Every row of these kinds that meets its condition, however many; several queries go in one call."""
        found: dict[str, list[Row]] = {}
        waiting, most = [(entity, where, 1) for entity, where in asked], min(TOGETHER, self.batch_size)
        while waiting:
            now, waiting = waiting[:most], waiting[most:]
            queries = {str(n): select(entity, where, begin=begin) for n, (entity, where, begin) in enumerate(now)}
            answers = self._ask_all(queries)
            for n, (entity, where, begin) in enumerate(now):
                rows = answers[str(n)].get(entity, [])
                found.setdefault(entity, []).extend(rows)
                waiting += [(entity, where, begin + LARGEST_PAGE)] if len(rows) == LARGEST_PAGE else []
        return found

    def _known(
        self, wanted: dict[str, Iterable[str]], beside: dict[str, dict[str, Row]] | None = None
    ) -> dict[str, dict[str, Row]]:
        """Rows by kind and id, as far as they are there; what came `beside` something else is not asked for again."""
        held = {entity: dict((beside or {}).get(entity, {})) for entity in wanted}
        missing = {entity: sorted({key for key in keys if key} - set(held[entity])) for entity, keys in wanted.items()}
        asked = [(entity, one_of("Id", some)) for entity, keys in missing.items() for some in parts(keys, NAMED)]
        for entity, rows in self._all(asked).items():
            held[entity] |= {str(row["Id"]): row for row in rows}
        return held

    def _ask_all(self, queries: dict[str, str]) -> dict[str, dict[str, Any]]:
        """Several queries in one call; the answers by the queries' names. Raises Unavailable when one failed."""
        if len(queries) == 1:
            return {name: self._client.query(text) for name, text in queries.items()}
        asked = [{"bId": name, "Query": text} for name, text in queries.items()]
        answers = self._client.batch({"BatchItemRequest": asked}, key=f"wp-{uuid.uuid4()}")
        found = {str(answer.get("bId")): part(answer, "QueryResponse") for answer in answers}
        return {name: part(found, name) for name in queries}


def parts(keys: Sequence[str], most: int) -> list[Sequence[str]]:
    """The keys in order, at most so many together."""
    return [keys[begin : begin + most] for begin in range(0, len(keys), most)]


def select(entity: str, where: str = "", *, begin: int = 1, what: str = "*", most: int = 0) -> str:
    """A query in the order of ids, which a page needs; without `begin` of everything."""
    condition = ["WHERE", where] if where else []
    page = ["ORDERBY Id STARTPOSITION", str(begin), "MAXRESULTS", str(most or LARGEST_PAGE)] if begin else []
    return " ".join(["SELECT", what, "FROM", entity, *condition, *page])


def said_of(answer: dict[str, Any], entity: str) -> Said:
    """One element of a batch's answer. Raises Unavailable when it is weather: then nobody knows of the rest either."""
    faults = (answer.get("Fault") or {}).get("Error") or []
    if faults:
        code = code_of(faults[0])
        if code in THROTTLED or code >= 10_000:
            raise Unavailable("QuickBooks had trouble of its own")
        told = "; ".join(str(f.get("Detail") or f.get("Message") or "") for f in faults)
        return Said({}, code=code, refusal=explained(code, told))
    row = answer.get(entity)
    if not isinstance(row, dict) or not row.get("Id"):
        raise Unavailable("QuickBooks' answer could not be read")
    return Said(row)


def code_of(fault: dict[str, Any]) -> int:
    """A fault's number; 0 for one that has none."""
    text = str(fault.get("code", ""))
    return int(text) if text.isdecimal() else 0
