"""Ask for documents to be read again from the ledger."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django_subatomic.db import transaction_required

from accounting.models import PendingChange
from wisepay import outbox

STALE_MARKER = datetime(2000, 1, 1, tzinfo=UTC)  # the time of an event that was none


def schedule_pending_changes(merchant_id: int, *, now: datetime) -> None:
    """Let a worker read what was heard of a merchant's books."""
    outbox.schedule(f"heard:{merchant_id}", "accounting.read_heard", now=now, merchant_id=merchant_id)


@transaction_required
def schedule_refetch(merchant_id: int, documents: Iterable[tuple[str, str, str]], *, now: datetime) -> None:
    """Let these be read again at once, each named by organisation, kind and id."""
    rows = [
        PendingChange(
            merchant_id=merchant_id,
            organisation_id=organisation_id,
            kind=kind,
            ledger_id=ledger_id,
            event_at=STALE_MARKER,
            notified_at=now,
        )
        for organisation_id, kind, ledger_id in documents
    ]
    PendingChange.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["merchant", "organisation_id", "kind", "ledger_id"],
        update_fields=["notified_at", "read_at"],
    )
    schedule_pending_changes(merchant_id, now=now)
