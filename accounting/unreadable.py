"""What of the ledger could not be read or kept: one record holds up itself only, and people see which and why."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import DataError, IntegrityError
from django.db.models import Count
from django_subatomic.db import savepoint, transaction, transaction_required

from accounting.ledger_session import get_guide
from accounting.ledgers.remote_documents import UnreadableRow
from accounting.models import UnreadableRecord
from connections.models import Connection, Tier
from merchants.models import Merchant

UNKEEPABLE = (IntegrityError, DataError, ValueError, OverflowError)
MAX_SHOWN = 20
KIND_LABELS = {
    "contacts": "Contact",
    "invoices": "Invoice",
    "credits": "Credit note",
    "payments": "Payment",
    "accounts": "Account",
    "tax_codes": "Tax rate",
    "items": "Item",
    "terms": "Terms",
}
MIRROR_KINDS = ("contacts", "invoices", "credits")
LIST_KINDS = ("accounts", "tax_codes", "items")
SETTING_KINDS = (*LIST_KINDS, "terms")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """One record that could not be read: what it is, what it is called, and why."""

    label: str
    name: str
    reason: str


@transaction_required
def keep_apart[T](rows: Sequence[T], save: Callable[[Sequence[T]], list[Any]]) -> tuple[list[Any], list[UnreadableRow]]:
    """Save the rows together, or, where the database forbids one of them, all but that one.

    Returns what `save` returned, and the rows that could not be kept.
    """
    try:
        with savepoint():
            return save(rows), []
    except UNKEEPABLE as error:
        if len(rows) <= 1:
            return [], [describe_unkeepable(row, error) for row in rows]
    middle = len(rows) // 2
    saved, refused = keep_apart(rows[:middle], save)
    more_saved, more_refused = keep_apart(rows[middle:], save)
    return [*saved, *more_saved], [*refused, *more_refused]


def describe_unkeepable(row: Any, error: Exception) -> UnreadableRow:
    """Describe a row that the database forbids, for people."""
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or type(error).__name__
    key = str(getattr(row, "code", "") or getattr(row, "id", "") or "")
    name = str(getattr(row, "number", "") or getattr(row, "name", ""))
    log.error("mirror.unkeepable", document=key, constraint=constraint)
    return UnreadableRow(key[:60], name[:160], f"One of its values cannot be right ({constraint}).")


@transaction_required
def record_unreadable(
    merchant: Merchant,
    organisation_id: str,
    kind: str,
    faults: Iterable[UnreadableRow],
    *,
    readable_ids: Iterable[str],
    now: datetime,
) -> None:
    """Record what could not be read, and forget what by now can be read, or is gone."""
    owner = {"merchant": merchant, "organisation_id": organisation_id, "kind": kind}
    known = UnreadableRecord.objects.filter(**owner)
    if mended := {*known.values_list("ledger_id", flat=True)} & {*readable_ids}:
        known.filter(ledger_id__in=mended).delete()
    rows = {
        fault.id: UnreadableRecord(**owner, ledger_id=fault.id, name=fault.name, reason=fault.reason, read_at=now)
        for fault in faults
    }
    if rows:
        UnreadableRecord.objects.bulk_create(
            rows.values(),
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", "kind", "ledger_id"],
            update_fields=["name", "reason", "read_at"],
        )


def replace_unreadable(
    merchant: Merchant, organisation_id: str, kind: str, faults: Iterable[UnreadableRow], *, now: datetime
) -> None:
    """Record what of a list could not be read, after all of it was read."""
    with transaction():
        forget_unreadable(merchant, organisation_id, kind)
        record_unreadable(merchant, organisation_id, kind, faults, readable_ids=(), now=now)


@transaction_required
def forget_unreadable(merchant: Merchant, organisation_id: str, kind: str) -> None:
    """Forget what of a kind could not be read, before all of it is read again."""
    UnreadableRecord.objects.filter(merchant=merchant, organisation_id=organisation_id, kind=kind).delete()


@dataclass(frozen=True, slots=True)
class UnreadableSummary:
    """What could not be read, for a page: how many, in which package, and the first of them."""

    package: str
    count: int
    rows: tuple[UnreadableLine, ...]


def summarise_unreadable(merchant: Merchant, kinds: Iterable[str]) -> UnreadableSummary:
    """Summarise what of these kinds could not be read in the connected organisation."""
    organisation_id = get_organisation_id(merchant)
    found = UnreadableRecord.objects.filter(merchant=merchant, organisation_id=organisation_id, kind__in=list(kinds))
    rows = list(found.order_by("kind", "name", "pk")[: MAX_SHOWN + 1]) if organisation_id else []
    count = len(rows) if len(rows) <= MAX_SHOWN else found.count()
    lines = tuple(UnreadableLine(KIND_LABELS[row.kind], str(row), row.reason) for row in rows[:MAX_SHOWN])
    return UnreadableSummary(get_guide(merchant).package, count, lines)


def find_unreadable_reason(merchant: Merchant, organisation_id: str, kind: str, ledger_id: str) -> str:
    """Why a record could not be read, or one without an id, which it may be; empty if neither is so."""
    rows = UnreadableRecord.objects.filter(
        merchant=merchant, organisation_id=organisation_id, kind=kind, ledger_id__in=(ledger_id, "")
    )
    return rows.order_by("-ledger_id").values_list("reason", flat=True).first() or ""


def get_organisation_id(merchant: Merchant) -> str:
    """The organisation that the merchant connected last; empty before the first time."""
    rows = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY)
    return rows.values_list("organisation_id", flat=True).first() or ""


def count_unreadable_by_kind(merchant: Merchant, organisation_id: str) -> dict[str, int]:
    """Count by kind what could not be read."""
    rows = UnreadableRecord.objects.filter(merchant=merchant, organisation_id=organisation_id)
    return dict(rows.values_list("kind").annotate(count=Count("pk")).order_by())
