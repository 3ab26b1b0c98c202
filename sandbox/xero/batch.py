"""Arrays of elements: written one by one, refused one by one or all together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sandbox.xero.books import Record
from sandbox.xero.calls import Call, Reply, View
from sandbox.xero.errors import InvalidError, exception
from sandbox.xero.wire import ZERO_ID, day

MOST = 50
DAYS = ("Date", "DueDate", "ExpectedPaymentDate", "PlannedPaymentDate", "FullyPaidOnDate")
Work = Callable[[Record], Record]


class Shape(NamedTuple):
    """How a kind of element is named in answers: the array, its id, and the field that flags errors."""

    plural: str
    id_field: str
    flag: str | None


def elements(sent: Any, plural: str) -> list[Record]:
    """The array of a body; a single element counts as one. Raises RefusedError (400)."""
    if isinstance(sent, dict) and plural not in sent and sent:
        sent = {plural: [sent]}
    rows = sent.get(plural) if isinstance(sent, dict) else sent
    if not isinstance(rows, list) or not rows:
        message = f"No data has been processed for this endpoint. This endpoint is expecting {plural} data."
        raise exception(17, "NoDataProcessedException", message)
    if not all(isinstance(row, dict) for row in rows):
        raise exception(14, "PostDataInvalidException", f"{plural} must be an array of objects")
    if len(rows) > MOST:
        raise exception(10, "ValidationException", f"A call takes at most {MOST} elements")
    return rows


def run(call: Call, shape: Shape, work: Work, view: View) -> Reply:
    """Do `work` on every element that was sent and show what became of each."""
    shown: list[Record] = []
    failed: list[Record] = []
    for sent in elements(call.sent, shape.plural):
        try:
            with call.org.savepoint():
                row = view(work(sent))
        except InvalidError as refusal:
            row = refused(shape, sent, refusal)
            failed.append(row)
        else:
            row |= {} if call.summarize else {"StatusAttributeString": "OK"}
        shown.append(row)
    if failed and call.summarize:
        call.org.rollback()
        return together(failed)
    return call.ok(**{shape.plural: shown})


def refused(shape: Shape, sent: Record, refusal: InvalidError) -> Record:
    """A bad element as it was sent, with what is wrong with it."""
    echo: Record = {
        shape.id_field: ZERO_ID,
        **{name: value for name, value in sent.items() if name not in DAYS},
    }
    for name in DAYS:
        try:
            echo |= {name: day(sent[name])} if sent.get(name) else {}
        except ValueError:
            continue
    echo |= {shape.flag: True} if shape.flag else {}
    errors = [{"Message": message} for message in refusal.messages]
    return {**echo, "StatusAttributeString": "ERROR", "ValidationErrors": errors}


def together(failed: list[Record]) -> Reply:
    """The 400 of a call that failed as a whole: nothing was stored."""
    bare = [{name: value for name, value in row.items() if name != "StatusAttributeString"} for row in failed]
    body = {"ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred"}
    return Reply(400, {**body, "Elements": bare})
