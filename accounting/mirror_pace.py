"""When a part of the books is looked at without a reason: rarely while the books tell us of their changes."""

from datetime import datetime, timedelta

from accounting.models import MirrorCursor

TRUST = timedelta(days=7)
# Between two looks while the books tell us of changes: what was lost on the way is found then.
TOLD = {"invoices": timedelta(hours=6), "credits": timedelta(hours=12), "contacts": timedelta(hours=24)}
# While they don't: after a change, and at most. In 24 quiet hours these are 23 looks from the last change on.
UNTOLD = {
    "invoices": (timedelta(minutes=3), timedelta(hours=2)),
    "credits": (timedelta(hours=1), timedelta(hours=8)),
    "contacts": (timedelta(hours=12), timedelta(hours=12)),
}
REFUSED = timedelta(hours=1)


def next_look(cursor: MirrorCursor, *, now: datetime) -> datetime:
    """When the cursor is due again."""
    if is_told(cursor, now=now):
        return now + TOLD[cursor.kind]
    first, longest = UNTOLD[cursor.kind]
    pause: timedelta = min(first * 2 ** min(cursor.quiet, 20), longest)
    return now + pause


def is_told(cursor: MirrorCursor, *, now: datetime) -> bool:
    """Whether the books recently told us of a change by themselves, and did not keep one to themselves since."""
    return cursor.heard_at is not None and now - cursor.heard_at < TRUST
