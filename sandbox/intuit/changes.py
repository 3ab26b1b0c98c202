"""Change data capture: what was created, changed or deleted since an instant, of many kinds at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.intuit.books import Company, Record
from sandbox.intuit.entities import BY_NAME, view
from sandbox.intuit.errors import InvalidError, required
from sandbox.intuit.wire import instant, shown, stamp

REACH = timedelta(days=30)
MOST = 1000


def captured(company: Company, wanted: list[str], since: str) -> list[Record]:
    """One list for each kind; at most 1,000 objects in all, the latest ones. Raises InvalidError."""
    if not wanted:
        raise required("entities")
    for name in wanted:
        if name not in BY_NAME:
            raise InvalidError("2000", "Invalid or unsupported object name", f"Object Name: {name}")
    from_text = stamp(start_of(company, since))
    found = [(name, row) for name in wanted for row in changed(company, name, from_text)]
    found.sort(key=lambda each: str(each[1]["_at"]), reverse=True)
    newest = found[:MOST]
    return [listed(company, name, [row for kind, row in newest if kind == name]) for name in wanted]


def start_of(company: Company, since: str) -> datetime:
    """The instant that was told; raises InvalidError for none, or for one more than 30 days ago."""
    if not since:
        raise required("changedSince")
    try:
        start = instant(since)
    except ValueError as error:
        raise InvalidError("2060", "Invalid Date Format", f"Invalid Date Format : {since[:40]}") from error
    if company.now - start > REACH:
        told = "The changedSince date is more than 30 days ago."
        raise InvalidError("2190", "Invalid Date Range", f"Invalid Date Range : {told}", element="changedSince")
    return start


def changed(company: Company, name: str, since: str) -> list[Record]:
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


def listed(company: Company, name: str, rows: list[Record]) -> Record:
    """The objects of one kind as they stand in the answer; nothing when there are none."""
    if not rows:
        return {}
    entity = BY_NAME[name]
    found = [shown(row) if row.get("status") == "Deleted" else view(company, entity, row) for row in rows]
    return {name: found, "startPosition": 1, "maxResults": len(found), "totalCount": len(found)}
