"""Pending changes: documents that the ledger has changed, or may have, and that were not read again since."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from django.db.models import QuerySet
from django_subatomic.db import transaction_required

from accounting.ledgers.protocol import RemotePage
from accounting.mirror.kinds import MIRRORED_KINDS
from accounting.mirror.store import ReadContext
from accounting.models import PendingChange
from accounting.refetch_requests import STALE_MARKER, upsert_pending_changes
from merchants.models import Merchant

CHUNK = 2_000


def list_pending_changes(merchant: Merchant, organisation_id: str) -> QuerySet[PendingChange]:
    """The organisation's changes that were not read yet."""
    return PendingChange.objects.filter(merchant=merchant, organisation_id=organisation_id, read_at=None)


@transaction_required
def resolve_changes_in_page(context: ReadContext, kind: str, page: RemotePage[Any]) -> bool:
    """Mark the changes read whose documents this page shows as of their events or later.

    Answers whether one of them came from a webhook. A page without a time resolves nothing.
    """
    keys = [*(row.id for row in page.rows), *page.tombstones]
    if page.as_of is None or not keys:
        return False
    shown = list_pending_changes(context.merchant, context.organisation_id).filter(
        kind=kind, ledger_id__in=keys, event_at__lte=page.as_of
    )
    rows = dict(shown.select_for_update(of=("self",)).order_by("kind", "ledger_id").values_list("pk", "event_at"))
    if rows:
        PendingChange.objects.filter(pk__in=rows).update(read_at=context.asked_at)
    return any(event_at > STALE_MARKER for event_at in rows.values())


@transaction_required
def resolve_changes(changes: Sequence[PendingChange], *, now: datetime) -> None:
    """Mark these changes read, except where another event came meanwhile."""
    notified_at = {row.pk: row.notified_at for row in changes}
    rows = PendingChange.objects.select_for_update(of=("self",)).filter(pk__in=notified_at)
    unchanged = [row.pk for row in rows.order_by("kind", "ledger_id") if row.notified_at == notified_at[row.pk]]
    PendingChange.objects.filter(pk__in=unchanged).update(read_at=now)


@transaction_required
def mark_all_stale(context: ReadContext, kind: str) -> None:
    """Let every stored document of the kind be read again by its id, until a page shows it.

    For ledgers that documents can leave: a reading of the whole list shows what is there, but not what is missing.
    """
    for ids in batched(list_stored_ids(context, kind), CHUNK):
        upsert_pending_changes(
            PendingChange(
                **context.owner_columns,
                kind=kind,
                ledger_id=ledger_id,
                event_at=STALE_MARKER,
                notified_at=context.asked_at,
            )
            for ledger_id in ids
        )


@transaction_required
def list_stored_ids(context: ReadContext, kind: str) -> Iterator[str]:
    """The ids of the stored documents that the ledger still has, as far as is known."""
    mirrored = MIRRORED_KINDS[kind]
    rows = mirrored.model._default_manager.filter(mirrored.present, **context.owner_columns)
    return rows.order_by(mirrored.id_column).values_list(mirrored.id_column, flat=True).iterator(CHUNK)
