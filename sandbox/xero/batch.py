"""Arrays of elements: written one by one, refused one by one or all together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sandbox.xero.calls import RecordView, XeroCall, XeroReply
from sandbox.xero.errors import XeroValidationError, build_bad_request
from sandbox.xero.formats import ZERO_ID, parse_day
from sandbox.xero.organisation import Record

MAX_ELEMENTS = 50
DATE_FIELDS = ("Date", "DueDate", "ExpectedPaymentDate", "PlannedPaymentDate", "FullyPaidOnDate")
ElementAction = Callable[[Record], Record]


class ElementShape(NamedTuple):
    """How a kind of element is named in answers: the array, its id, and the field that flags errors."""

    plural: str
    id_field: str
    flag: str | None


def parse_elements(sent: Any, plural: str) -> list[Record]:
    """The array of a body; a single element counts as one. Raises RefusedError (400)."""
    if isinstance(sent, dict) and plural not in sent and sent:
        sent = {plural: [sent]}
    rows = sent.get(plural) if isinstance(sent, dict) else sent
    if not isinstance(rows, list) or not rows:
        message = f"No data has been processed for this endpoint. This endpoint is expecting {plural} data."
        raise build_bad_request(17, "NoDataProcessedException", message)
    if not all(isinstance(row, dict) for row in rows):
        raise build_bad_request(14, "PostDataInvalidException", f"{plural} must be an array of objects")
    if len(rows) > MAX_ELEMENTS:
        raise build_bad_request(10, "ValidationException", f"A call takes at most {MAX_ELEMENTS} elements")
    return rows


def run_batch(call: XeroCall, shape: ElementShape, work: ElementAction, view: RecordView) -> XeroReply:
    """Do `work` on every element that was sent and show what became of each."""
    shown: list[Record] = []
    failed: list[Record] = []
    for sent in parse_elements(call.sent, shape.plural):
        try:
            with call.org.savepoint():
                row = view(work(sent))
        except XeroValidationError as refusal:
            row = render_invalid_element(shape, sent, refusal)
            failed.append(row)
        else:
            row |= {} if call.summarize else {"StatusAttributeString": "OK"}
        shown.append(row)
    if failed and call.summarize:
        call.org.rollback()
        return build_batch_error(failed)
    return call.ok(**{shape.plural: shown})


def render_invalid_element(shape: ElementShape, sent: Record, refusal: XeroValidationError) -> Record:
    """A bad element as it was sent, with what is wrong with it."""
    echo: Record = {
        shape.id_field: ZERO_ID,
        **{name: value for name, value in sent.items() if name not in DATE_FIELDS},
    }
    for name in DATE_FIELDS:
        try:
            echo |= {name: parse_day(sent[name])} if sent.get(name) else {}
        except ValueError:
            continue
    echo |= {shape.flag: True} if shape.flag else {}
    errors = [{"Message": message} for message in refusal.messages]
    return {**echo, "StatusAttributeString": "ERROR", "ValidationErrors": errors}


def build_batch_error(failed: list[Record]) -> XeroReply:
    """The 400 of a call that failed as a whole: nothing was stored."""
    bare = [{name: value for name, value in row.items() if name != "StatusAttributeString"} for row in failed]
    body = {"ErrorNumber": 10, "Type": "ValidationException", "Message": "A validation exception occurred"}
    return XeroReply(400, {**body, "Elements": bare})
