"""Change data capture: what was created, changed or deleted since an instant, of many kinds at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.intuit.company import Company, Record
from sandbox.intuit.entities import BY_NAME, render_entity
from sandbox.intuit.errors import IntuitValidationError, build_required_error
from sandbox.intuit.formats import format_timestamp, parse_instant, render_record

MAX_AGE = timedelta(days=30)
MAX_OBJECTS = 1000


def list_captured_changes(company: Company, requested: list[str], since: str) -> list[Record]:
    """One list for each kind; at most 1,000 objects in all, the latest ones. Raises IntuitValidationError."""
    if not requested:
        raise build_required_error("entities")
    for name in requested:
        if name not in BY_NAME:
            raise IntuitValidationError("2000", "Invalid or unsupported object name", f"Object Name: {name}")
    from_text = format_timestamp(parse_start(company, since))
    found = [(name, row) for name in requested for row in list_changed(company, name, from_text)]
    found.sort(key=lambda each: str(each[1]["_at"]), reverse=True)
    newest = found[:MAX_OBJECTS]
    return [render_changes(company, name, [row for kind, row in newest if kind == name]) for name in requested]


def parse_start(company: Company, since: str) -> datetime:
    """The instant that is given; raises IntuitValidationError for none, or for one more than 30 days ago."""
    if not since:
        raise build_required_error("changedSince")
    try:
        start = parse_instant(since)
    except ValueError as error:
        raise IntuitValidationError("2060", "Invalid Date Format", f"Invalid Date Format : {since[:40]}") from error
    if company.now - start > MAX_AGE:
        detail = "The changedSince date is more than 30 days ago."
        raise IntuitValidationError(
            "2190", "Invalid Date Range", f"Invalid Date Range : {detail}", element="changedSince"
        )
    return start


def list_changed(company: Company, name: str, since: str) -> list[Record]:
    """Living and deleted objects of one kind that changed at or after an instant."""
    rows = company.table(name).values()
    alive = [{**row, "_at": row["MetaData"]["LastUpdatedTime"]} for row in rows]
    gone = [
        {
            "domain": "QBO",
            "status": "Deleted",
            "Id": row["Id"],
            "MetaData": {"LastUpdatedTime": row["at"]},
            "_at": row["at"],
        }
        for row in company.data["deleted"]
        if row["entity"] == name
    ]
    return [row for row in [*alive, *gone] if row["_at"] >= since]


def render_changes(company: Company, name: str, rows: list[Record]) -> Record:
    """The objects of one kind as they stand in the answer; nothing when there are none."""
    if not rows:
        return {}
    entity = BY_NAME[name]
    found = [
        render_record(row) if row.get("status") == "Deleted" else render_entity(company, entity, row) for row in rows
    ]
    return {name: found, "startPosition": 1, "maxResults": len(found), "totalCount": len(found)}
