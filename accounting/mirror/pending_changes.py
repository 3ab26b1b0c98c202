"""What the books said changed, or may have: what of it is still to be read, and what a reading answers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import Any

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction_required

from accounting.ledgers.protocol import RemotePage
from accounting.mirror.store import ReadContext
from accounting.models import LedgerContact, LedgerCredit, LedgerInvoice, PendingChange
from accounting.refetch_requests import STALE_MARKER
from merchants.models import Merchant

PAYMENTS = "payments"  # not mirrored by themselves: one only says that some documents changed
CHUNK = 2_000
STORED_MODELS: dict[str, tuple[type[Any], str, Q]] = {
    "contacts": (LedgerContact, "contact_id", Q(is_active=True)),
    "invoices": (LedgerInvoice, "ledger_id", ~Q(status="deleted")),
    "credits": (LedgerCredit, "ledger_id", ~Q(status="deleted")),
}


def list_pending_changes(merchant: Merchant, organisation_id: str) -> QuerySet[PendingChange]:
    """What the books said changed and nobody read since."""
    return PendingChange.objects.filter(merchant=merchant, organisation_id=organisation_id, read_at=None)


@transaction_required
def resolve_changes_in_page(context: ReadContext, kind: str, page: RemotePage[Any]) -> bool:
    """Call read what this page tells of, as of its events or later; whether there was any such event.

    A page that does not say as of when it is answers nothing.
    """
    keys = [*(row.id for row in page.rows), *page.tombstones]
    if page.as_of is None or not keys:
        return False
    told = list_pending_changes(context.merchant, context.organisation_id).filter(
        kind=kind, ledger_id__in=keys, event_at__lte=page.as_of
    )
    rows = dict(told.select_for_update(of=("self",)).order_by("kind", "ledger_id").values_list("pk", "event_at"))
    if rows:
        PendingChange.objects.filter(pk__in=rows).update(read_at=context.asked_at)
    return any(at > STALE_MARKER for at in rows.values())


@transaction_required
def resolve_changes(changes: Sequence[PendingChange], *, now: datetime) -> None:
    """Call these read, but for what was heard once more since."""
    known = {row.pk: row.notified_at for row in changes}
    rows = PendingChange.objects.select_for_update(of=("self",)).filter(pk__in=known).order_by("kind", "ledger_id")
    answered = [row.pk for row in rows if row.notified_at == known[row.pk]]
    PendingChange.objects.filter(pk__in=answered).update(read_at=now)


@transaction_required
def mark_all_stale(context: ReadContext, kind: str) -> None:
    """Ask again, one by one, for everything that is held and that no page will tell of.

    For books that rows can leave: whoever reads all of them meets what is there, but never hears of what is not.
    """
    for keys in batched(list_stored_ids(context, kind), CHUNK):
        PendingChange.objects.bulk_create(
            [
                PendingChange(
                    **context.owner_columns,
                    kind=kind,
                    ledger_id=key,
                    event_at=STALE_MARKER,
                    notified_at=context.asked_at,
                )
                for key in keys
            ],
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", "kind", "ledger_id"],
            update_fields=["notified_at", "read_at"],
        )


def list_stored_ids(context: ReadContext, kind: str) -> Iterator[str]:
    """The ids of everything that is held as if it were in the books."""
    model, name, stands = STORED_MODELS[kind]
    rows = model.objects.filter(stands, **context.owner_columns)
    yield from rows.order_by(name).values_list(name, flat=True).iterator(CHUNK)
