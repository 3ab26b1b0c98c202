"""When a list of the ledger is polled: rarely while its webhooks arrive."""

from datetime import datetime, timedelta

from accounting.models import MirrorCursor

WEBHOOKS_TRUSTED_FOR = timedelta(days=7)
# Between two polls while webhooks arrive: these find the events that were lost.
INTERVALS_WITH_WEBHOOKS = {
    "invoices": timedelta(hours=6),
    "credits": timedelta(hours=12),
    "contacts": timedelta(hours=24),
}
# While none arrive: after a change, and at most. In 24 quiet hours these are 23 polls from the last change on.
INTERVALS_WITHOUT_WEBHOOKS = {
    "invoices": (timedelta(minutes=3), timedelta(hours=2)),
    "credits": (timedelta(hours=1), timedelta(hours=8)),
    "contacts": (timedelta(hours=12), timedelta(hours=12)),
}
RETRY_AFTER_REJECTION = timedelta(hours=1)


def get_next_poll_at(cursor: MirrorCursor, *, now: datetime) -> datetime:
    """When the cursor is due again. Every poll that finds nothing doubles the pause."""
    if has_recent_webhooks(cursor, now=now):
        return now + INTERVALS_WITH_WEBHOOKS[cursor.kind]
    first, longest = INTERVALS_WITHOUT_WEBHOOKS[cursor.kind]
    pause: timedelta = min(first * 2 ** min(cursor.empty_polls, 20), longest)
    return now + pause


def has_recent_webhooks(cursor: MirrorCursor, *, now: datetime) -> bool:
    """Whether a webhook told of a change lately, and none was missed since."""
    return cursor.notified_at is not None and now - cursor.notified_at < WEBHOOKS_TRUSTED_FOR
