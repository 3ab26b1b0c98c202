"""Reading the audit log: the filters of its pages, and its lines as CSV."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from wisepay.audit_log.descriptions import (
    DESCRIPTIONS,
    KIND_OF_ACTION,
    KIND_OF_PREFIX,
    KINDS,
    describe_action,
    get_kind,
    list_prefixes,
)
from wisepay.audit_log.models import AuditEntry

ERASED = "[erased]"
CHUNK = 1_000  # entries in one statement
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n")
CSV_HEADINGS = ("at", "who", "email", "kind", "what", "action", "about", "detail", "from", "browser", "number")


def list_entries(merchant_id: int | None) -> QuerySet[AuditEntry]:
    """The log of a merchant, or of the operators, newest first."""
    rows: QuerySet[AuditEntry] = AuditEntry.objects.filter(merchant_id=merchant_id)
    return rows.select_related("details").order_by("-at", "-details_id")


def list_people(merchant_id: int | None) -> list[str]:
    """The addresses of everybody who acted in the log, for the filter."""
    found = AuditEntry.objects.filter(merchant_id=merchant_id).exclude(details__email="")
    return list(found.order_by("details__email").values_list("details__email", flat=True).distinct()[:500])


def filter_entries(
    rows: QuerySet[AuditEntry],
    *,
    person: str = "",
    kind: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    text: str = "",
) -> QuerySet[AuditEntry]:
    """The entries of that person (by address), kind, time, and with that text in what one reads of them."""
    if person:
        rows = rows.filter(details__email=person)
    if kind:
        rows = rows.filter(build_kind_filter(kind))
    if since:
        rows = rows.filter(at__gte=since)
    if until:
        rows = rows.filter(at__lt=until)
    for word in text.split():
        rows = rows.filter(build_word_filter(word))
    return rows


def build_kind_filter(kind: str) -> Q:
    """The actions of a kind."""
    named = [action for action, found in KIND_OF_ACTION.items() if found == kind]
    elsewhere = [action for action, found in KIND_OF_ACTION.items() if found != kind]
    by_prefix = Q(action__in=[])
    for prefix in list_prefixes(kind):
        by_prefix |= Q(action__startswith=f"{prefix}.")
    if kind == "books":
        by_prefix = Q()
        for prefix in KIND_OF_PREFIX:
            by_prefix &= ~Q(action__startswith=f"{prefix}.")
    return Q(action__in=named) | (by_prefix & ~Q(action__in=elsewhere))


def build_word_filter(word: str) -> Q:
    """The entries that have a word in their description, subject, detail, person or address."""
    described = [action for action, words in DESCRIPTIONS.items() if word.lower() in words.lower()]
    found = Q(action__in=described) | Q(action__icontains=word)
    for name in ("subject", "detail", "name", "email", "ip"):
        found |= Q(**{f"details__{name}__icontains": word})
    return found


def describe_entry(entry: AuditEntry) -> dict[str, Any]:
    """An entry as the page shows it."""
    details = entry.details
    is_person_erased, is_content_erased = bool(details.person_erasure), bool(details.content_erasure)
    itself = "Somebody who was not signed in" if details.ip else "Wise-Pay itself"
    return {
        "at": entry.at,
        "who": ERASED if is_person_erased else details.name or details.email or itself,
        "email": details.email if details.name else "",
        "what": describe_action(entry.action),
        "kind": KINDS[get_kind(entry.action)],
        "action": entry.action,
        "subject": ERASED if is_content_erased else details.subject,
        "detail": details.detail,
        "ip": details.ip,
        "agent": details.agent,
        "number": entry.details_id,
    }


def read_newest_first(rows: QuerySet[AuditEntry]) -> Iterator[AuditEntry]:
    """Read the entries in batches by key, so that no cursor stays open between two of them."""
    batch = list(rows[:CHUNK])
    while batch:
        yield from batch
        last = batch[-1]
        older = Q(at__lt=last.at) | Q(at=last.at, details_id__lt=last.details_id)
        batch = list(rows.filter(older)[:CHUNK]) if len(batch) == CHUNK else []


class EchoFile:
    """A file that returns what is written to it."""

    def write(self, value: str) -> str:
        return value


def render_csv_lines(rows: QuerySet[AuditEntry], zone: ZoneInfo) -> Iterator[str]:
    """Render the entries line by line, with times of that zone, as cells that no spreadsheet takes for formulas."""
    writer = csv.writer(EchoFile())
    yield "\ufeff" + writer.writerow(CSV_HEADINGS)
    for entry in read_newest_first(rows):
        row = describe_entry(entry)
        cells = (
            row["at"].astimezone(zone).isoformat(timespec="seconds"), row["who"], entry.details.email, row["kind"],
            row["what"], row["action"], row["subject"], row["detail"], row["ip"], row["agent"], str(row["number"]),
        )  # fmt: skip
        yield writer.writerow(escape_cells(cells))


def escape_cells(cells: Iterable[str]) -> list[str]:
    """The cells with an apostrophe before what a spreadsheet would compute."""
    return [f"'{cell}" if cell.lstrip(" ").startswith(FORMULA_PREFIXES) else cell for cell in cells]
