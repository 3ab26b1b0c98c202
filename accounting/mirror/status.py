"""The mirror's status: how many documents of each kind, as of when, and what is wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from accounting.mirror.kinds import MIRRORED_KINDS, PAYMENTS
from accounting.models import MirrorCursor, PendingChange
from accounting.unreadable import count_unreadable_by_kind
from connections.models import Connection, LinkedOrganisation, Tier
from merchants.models import Merchant

OVERDUE_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """One kind of document. `progress` is a phrase while it is read, `problem` a sentence when something is wrong."""

    label: str
    count: int
    as_of: datetime | None
    progress: str
    problem: str


def list_mirror_statuses(merchant: Merchant, *, now: datetime) -> list[MirrorStatus]:
    """The status of every kind in the connected organisation; empty while none was ever connected."""
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).exclude(organisation_id="").first()
    if connection is None:
        return []
    owner = {"merchant": merchant, "organisation_id": connection.organisation_id}
    cursors = {cursor.kind: cursor for cursor in MirrorCursor.objects.filter(**owner)}
    unread = PendingChange.objects.filter(**owner, read_at=None, notified_at__lte=now - OVERDUE_AFTER)
    late = set(unread.values_list("kind", flat=True))
    late |= {"invoices", "credits"} if PAYMENTS in late else set()
    unreadable = count_unreadable_by_kind(merchant, connection.organisation_id)
    return [
        MirrorStatus(
            label=mirrored.label,
            count=mirrored.model._default_manager.filter(**owner).count(),
            as_of=get_as_of(cursors.get(kind)),
            progress=get_progress(cursors.get(kind)),
            problem=get_problem(cursors.get(kind), is_late=kind in late, unreadable=unreadable.get(kind, 0), now=now),
        )
        for kind, mirrored in MIRRORED_KINDS.items()
    ]


def get_as_of(cursor: MirrorCursor | None) -> datetime | None:
    """Up to when all changes are known: the last poll, or the last webhook since."""
    if cursor is None or cursor.polled_at is None:
        return None
    return max(cursor.polled_at, cursor.notified_at or cursor.polled_at)


def get_as_of_by_merchant(merchants: Iterable[Merchant]) -> dict[int, datetime]:
    """Up to when all changes in each merchant's linked organisation are known, by key. One query.

    Merchants whose organisation was not read to the end yet are left out.
    """
    linked = LinkedOrganisation.objects.filter(
        merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id")
    )
    rows = MirrorCursor.objects.filter(Exists(linked), merchant__in=list(merchants), kind__in=MIRRORED_KINDS)
    instants: dict[int, list[datetime | None]] = {}
    for cursor in rows:
        instants.setdefault(cursor.merchant_id, []).append(get_as_of(cursor))
    return {
        merchant_id: min(at for at in read if at)
        for merchant_id, read in instants.items()
        if all(read) and len(read) == len(MIRRORED_KINDS)
    }


def get_progress(cursor: MirrorCursor | None) -> str:
    """How far the reading under way is, as a phrase; empty when none is."""
    if cursor is None or not cursor.page:
        return ""
    return f"{cursor.page} of {cursor.pages} pages"


def get_problem(cursor: MirrorCursor | None, *, is_late: bool, unreadable: int, now: datetime) -> str:
    """What is wrong, as a sentence for people; empty when nothing is."""
    if cursor is None:
        return ""
    if cursor.error:
        return cursor.error
    if is_late:
        return "Changes that the accounting package told us of are waiting to be read."
    if cursor.due_at < now - OVERDUE_AFTER:
        return "Should have been read again by now."
    return f"{unreadable} more can't be read." if unreadable else ""
