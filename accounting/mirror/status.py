"""What of the books is mirrored, as of when, and what is stuck: the panel beside the postings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Model, OuterRef

from accounting.mirror.pending_changes import PAYMENTS
from accounting.mirror.reader import MIRRORED_KINDS
from accounting.models import LedgerContact, LedgerCredit, LedgerInvoice, MirrorCursor, PendingChange
from connections.models import Connection, LinkedOrganisation, Tier
from merchants.models import Merchant

LABELS: dict[str, tuple[str, type[Model]]] = {
    "contacts": ("Contacts", LedgerContact),
    "invoices": ("Invoices", LedgerInvoice),
    "credits": ("Credit notes", LedgerCredit),
}
OVERDUE_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """One kind of document of a merchant's books. `progress` in words while it is read, `problem` what is wrong."""

    label: str
    count: int
    as_of: datetime | None
    progress: str
    problem: str


def list_mirror_statuses(merchant: Merchant, *, now: datetime) -> list[MirrorStatus]:
    """Every kind of the connected organisation; empty while nothing was ever connected."""
    held = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).exclude(organisation_id="").first()
    if held is None:
        return []
    mine = {"merchant": merchant, "organisation_id": held.organisation_id}
    cursors = {cursor.kind: cursor for cursor in MirrorCursor.objects.filter(**mine)}
    unread = PendingChange.objects.filter(**mine, read_at=None, notified_at__lte=now - OVERDUE_AFTER)
    late = set(unread.values_list("kind", flat=True))
    late |= {"invoices", "credits"} if PAYMENTS in late else set()
    return [
        MirrorStatus(
            label=LABELS[kind][0],
            count=LABELS[kind][1]._default_manager.filter(**mine).count(),
            as_of=get_as_of(cursors.get(kind)),
            progress=get_progress(cursors.get(kind)),
            problem=get_problem(cursors.get(kind), is_late=kind in late, now=now),
        )
        for kind in MIRRORED_KINDS
    ]


def get_as_of(cursor: MirrorCursor | None) -> datetime | None:
    """Up to when all changes are known: a look at everything, or the books' own word since."""
    if cursor is None or cursor.polled_at is None:
        return None
    return max(cursor.polled_at, cursor.notified_at or cursor.polled_at)


def get_as_of_by_merchant(merchants: Iterable[Merchant]) -> dict[int, datetime]:
    """Up to when everything in each merchant's linked books is known, by key, if it was ever read. One statement."""
    linked = LinkedOrganisation.objects.filter(
        merchant=OuterRef("merchant"), organisation_id=OuterRef("organisation_id")
    )
    rows = MirrorCursor.objects.filter(Exists(linked), merchant__in=list(merchants), kind__in=MIRRORED_KINDS)
    found: dict[int, list[datetime | None]] = {}
    for cursor in rows:
        found.setdefault(cursor.merchant_id, []).append(get_as_of(cursor))
    return {
        key: min(at for at in moments if at)
        for key, moments in found.items()
        if all(moments) and len(moments) == len(MIRRORED_KINDS)
    }


def get_progress(cursor: MirrorCursor | None) -> str:
    """How far the reading under way is, in words; empty while there is none."""
    if cursor is None or not cursor.page:
        return ""
    return f"{cursor.page} of {cursor.pages} pages"


def get_problem(cursor: MirrorCursor | None, *, is_late: bool, now: datetime) -> str:
    """What a person should know, in a sentence."""
    if cursor is None:
        return ""
    if cursor.error:
        return cursor.error
    if is_late:
        return "Changes that the accounting package told us of are waiting to be read."
    if cursor.due_at < now - OVERDUE_AFTER:
        return "Should have been read again by now."
    return ""
