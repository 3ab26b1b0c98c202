"""Pending changes: ask for documents of the ledger to be read again."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django_subatomic.db import transaction_required

from accounting.models import PendingChange
from wisepay import outbox

STALE_MARKER = datetime(2000, 1, 1, tzinfo=UTC)  # the event time of a request that no webhook caused


def schedule_pending_changes(merchant_id: int, *, now: datetime) -> None:
    """Let a worker read a merchant's pending changes."""
    outbox.schedule(f"heard:{merchant_id}", "accounting.read_heard", now=now, merchant_id=merchant_id)


@transaction_required
def schedule_refetch(merchant_id: int, documents: Iterable[tuple[str, str, str]], *, now: datetime) -> None:
    """Let these documents be read again at once, each named by organisation, kind and id."""
    upsert_pending_changes(
        PendingChange(
            merchant_id=merchant_id,
            organisation_id=organisation_id,
            kind=kind,
            ledger_id=ledger_id,
            event_at=STALE_MARKER,
            notified_at=now,
        )
        for organisation_id, kind, ledger_id in documents
    )
    schedule_pending_changes(merchant_id, now=now)


@transaction_required
def upsert_pending_changes(changes: Iterable[PendingChange], *, are_events: bool = False) -> None:
    """Let each of these documents be read again, whether that is asked for the first time or not. One statement.

    The time of the newest event stays, unless these `are_events` themselves.
    """
    PendingChange.objects.bulk_create(
        # Whoever locks several rows locks them in this order.
        sorted(changes, key=lambda change: (change.kind, change.ledger_id)),
        update_conflicts=True,
        unique_fields=["merchant", "organisation_id", "kind", "ledger_id"],
        update_fields=["notified_at", "read_at", *(["event_at"] if are_events else [])],
    )
