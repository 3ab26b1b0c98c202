"""The mirror's reader: lists are read page by page with a cursor, and pending changes by their ids.

Polls, webhooks, downloads and the command all read through here. A page and its cursor are committed together, so a
worker that is killed repeats one page at most.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from django.db.models import QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import open_ledger_session
from accounting.ledgers.protocol import Ledger, RemotePage
from accounting.mirror.kinds import MIRRORED_KINDS, PAYMENTS, MirroredKind, get_next_poll_at
from accounting.mirror.store import ReadContext
from accounting.models import MirrorCursor, PendingChange
from accounting.refetch_requests import STALE_MARKER, upsert_pending_changes
from accounting.unreadable import forget_unreadable
from connections.models import Connection
from connections.rate_limiter.limiter import Priority
from merchants.models import Merchant
from wisepay import clock
from wisepay.errors import Rejected
from wisepay.leases import LEASE
from wisepay.outbox import Retry

TIME_SLICE = 45.0  # seconds that one delivery reads before others have their turn
OVERLAP = timedelta(seconds=60)  # what the ledger commits late carries an earlier time
RETRY_AFTER_REJECTION = timedelta(hours=1)
MISSED_EVENT_AFTER = timedelta(minutes=5)  # an event that did not arrive for so long is lost
PENDING_CHANGES_CURSOR = "heard"  # the kind of the cursor whose lease says who reads the pending changes
OnPage = Callable[[MirrorCursor, int], None]
CHUNK = 2_000


def get_mirror_cursor(merchant: Merchant, organisation_id: str, kind: str) -> MirrorCursor:
    """The cursor, created when there is none."""
    return MirrorCursor.objects.get_or_create(merchant=merchant, organisation_id=organisation_id, kind=kind)[0]


def schedule_full_sync(merchant: Merchant, organisation_id: str, *, now: datetime) -> None:
    """Let everything be read again from the first page; rows that did not change are not written."""
    keys = [get_mirror_cursor(merchant, organisation_id, kind).pk for kind in MIRRORED_KINDS]
    first_page = {"known_until": None, "read_started_at": None, "page": 0, "pages": None}
    MirrorCursor.objects.filter(pk__in=keys).update(due_at=now, **first_page)


class MirrorReader:
    """Reads one organisation for one worker; `deadline` is on the monotonic clock."""

    def __init__(
        self, connection: Connection, ledger: Ledger, *, now: datetime, deadline: float, on_page: OnPage | None = None
    ) -> None:
        self.merchant = connection.merchant
        self.organisation_id = connection.organisation_id
        self.ledger = ledger
        self.now = now
        self.deadline = deadline
        self.on_page = on_page

    @property
    def context(self) -> ReadContext:
        """The organisation and the instant that rows are saved with."""
        return ReadContext(self.merchant, self.organisation_id, self.now)

    def read_kind(self, kind: str) -> bool:
        """Read what changed since the last time, page by page; False when the time was up before the end.

        Raises Retry while another worker reads the same kind, and what the ledger raises.
        """
        cursor = get_mirror_cursor(self.merchant, self.organisation_id, kind)
        with cursor.hold_lease(now=self.now):
            while True:
                if self.read_page(MIRRORED_KINDS[kind], cursor):
                    return True
                if time.monotonic() > self.deadline:
                    return False

    def read_page(self, mirrored_kind: MirroredKind, cursor: MirrorCursor) -> bool:
        """Read and save one page with the cursor; True when it was the last one.

        When more changed than the ledger answers at once, everything is read anew instead.
        """
        since = cursor.known_until - OVERLAP if cursor.known_until else None
        found = mirrored_kind.read_page(self.ledger, cursor.page + 1, since=since)
        if found.is_truncated:
            schedule_full_sync(self.merchant, self.organisation_id, now=self.now)
            cursor.refresh_from_db()
            return False
        with transaction():
            row = MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
            if get_position(row) != get_position(cursor):
                raise Retry("another worker read this page", after=2)
            cursor.notified_at = row.notified_at
            if cursor.known_until is None and not cursor.page:
                forget_unreadable(self.merchant, self.organisation_id, mirrored_kind.kind)
                if self.ledger.deletion_feed_window is not None:
                    mark_all_stale(self.context, mirrored_kind.kind)
            changes = mirrored_kind.save_page(self.context, found)
            if resolve_changes_in_page(self.context, mirrored_kind.kind, found):
                cursor.notified_at = self.now
            is_last = self.advance_cursor(cursor, found, changes)
            cursor.save()
        if self.on_page:
            self.on_page(cursor, len(changes))
        return is_last

    def advance_cursor(self, cursor: MirrorCursor, found: RemotePage[Any], changes: Sequence[datetime]) -> bool:
        """Move the cursor behind this page, and to its rest behind the last one; answers whether it was the last."""
        cursor.read_started_at = cursor.read_started_at or found.as_of or self.now
        cursor.page, cursor.pages = cursor.page + 1, max(found.pages, 1)
        cursor.changed += len(changes)
        cursor.lease_until = clock.now() + LEASE
        if cursor.known_until and any(at < cursor.read_started_at - MISSED_EVENT_AFTER for at in changes):
            cursor.notified_at = None
        if cursor.page < cursor.pages:
            return False
        cursor.empty_polls = 0 if cursor.changed else cursor.empty_polls + 1
        cursor.known_until, cursor.polled_at, cursor.error = cursor.read_started_at, self.now, ""
        cursor.due_at = get_next_poll_at(cursor, now=self.now)
        cursor.read_started_at, cursor.page, cursor.pages, cursor.changed = None, 0, None, 0
        return True

    def share_watermark(self, kinds: Sequence[str]) -> list[str]:
        """The kinds to read instead of these: all of them since one instant, where one call tells of all changes.

        When the deletion feed does not reach back to that instant, everything is read anew.
        """
        all_kinds = [kind for kind in MIRRORED_KINDS if kind in self.ledger.mirrored_kinds]
        window = self.ledger.deletion_feed_window
        chosen = [kind for kind in all_kinds if kind in kinds]
        if window is None or not chosen:
            return chosen
        cursors = MirrorCursor.objects.filter(**self.context.owner_columns, kind__in=all_kinds)
        with transaction():
            rows = list(cursors.select_for_update(of=("self",)).order_by("pk"))
            watermarks = [row.known_until for row in rows if row.known_until and not row.page]
            if len(watermarks) < len(all_kinds):
                return chosen
            oldest = min(watermarks)
            if oldest < self.now - window:
                schedule_full_sync(self.merchant, self.organisation_id, now=self.now)
            else:
                cursors.exclude(known_until=oldest).update(known_until=oldest)
        return all_kinds

    def read_changes(self, changes: Sequence[PendingChange]) -> None:
        """Resolve changes that do not name their documents: one call tells what changed in all kinds.

        Raises Retry while everything is read for the first time.
        """
        kinds = self.share_watermark(list(MIRRORED_KINDS))
        complete = MirrorCursor.objects.filter(**self.context.owner_columns, kind__in=kinds).exclude(known_until=None)
        if complete.count() < len(kinds):
            raise Retry("everything is read first", after=30)
        for kind in kinds:
            if not read_kind_or_record_error(self, kind):
                raise Retry("there is more to read", after=0)
        with transaction():
            resolve_changes(changes, now=self.now)

    def read_pending_changes(self) -> None:
        """Read every pending change, as many of one kind as go in one call."""
        unread = list_pending_changes(self.merchant, self.organisation_id)
        if self.ledger.deletion_feed_window is not None:
            self.read_changes(list(unread.filter(kind=PAYMENTS)))
        unread = unread.filter(kind__in=MIRRORED_KINDS).order_by("kind", "pk")
        while rows := list(unread[: self.ledger.batch_size]):
            if time.monotonic() > self.deadline:
                raise Retry("more changes are pending", after=0)
            same = [row for row in rows if row.kind == rows[0].kind]
            self.read_by_ids(MIRRORED_KINDS[rows[0].kind], same)

    def read_by_ids(self, mirrored_kind: MirroredKind, changes: Sequence[PendingChange]) -> None:
        """Read these documents in one call, and resolve their changes with it.

        Documents that the ledger refuses to read by id are left to the next poll.
        """
        cursor = get_mirror_cursor(self.merchant, self.organisation_id, mirrored_kind.kind)
        try:
            found = mirrored_kind.read_documents(self.ledger, [row.ledger_id for row in changes])
        except Rejected as error:
            record_cursor_error(cursor, error, due_at=self.now)
            found = RemotePage((), 1)
        with transaction():
            MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
            mirrored_kind.save_page(self.context, found)
            resolve_changes(changes, now=self.now)
            if any(row.event_at > STALE_MARKER for row in changes):
                MirrorCursor.objects.filter(pk=cursor.pk).update(notified_at=self.now)


def get_position(cursor: MirrorCursor) -> tuple[datetime | None, datetime | None, int]:
    """Where the cursor stands: two readers of the same page start from the same position."""
    return cursor.known_until, cursor.read_started_at, cursor.page


def sync_kinds(connection: Connection, *, priority: Priority, now: datetime, kinds: Sequence[str]) -> None:
    """Read these kinds for as long as one delivery may. Raises Retry when there is more, Unavailable, Disconnected.

    A refusal is recorded on the cursor, and the kind is read again later.
    """
    with open_ledger_session(connection, priority=priority, now=now) as ledger:
        reader = MirrorReader(connection, ledger, now=now, deadline=time.monotonic() + TIME_SLICE)
        for kind in reader.share_watermark(kinds):
            if not read_kind_or_record_error(reader, kind):
                raise Retry("there is more to read", after=0)


def read_kind_or_record_error(reader: MirrorReader, kind: str) -> bool:
    """Read one kind, or record that the ledger refused it. False when there is more."""
    try:
        return reader.read_kind(kind)
    except Rejected as error:
        cursor = get_mirror_cursor(reader.merchant, reader.organisation_id, kind)
        record_cursor_error(cursor, error, due_at=reader.now + RETRY_AFTER_REJECTION)
        return True


def record_cursor_error(cursor: MirrorCursor, error: Rejected, *, due_at: datetime) -> None:
    """Record that the ledger refused, as a sentence for people, and when the cursor is due again."""
    text = f"The accounting package refused: {error.message}"
    MirrorCursor.objects.filter(pk=cursor.pk).update(error=text[:300], due_at=due_at)


def sync_organisation_changes(connection: Connection, *, now: datetime) -> None:
    """Read the pending changes, unless another worker does: it finds those that come until it releases the lease."""
    cursor = get_mirror_cursor(connection.merchant, connection.organisation_id, PENDING_CHANGES_CURSOR)
    unread = list_pending_changes(connection.merchant, connection.organisation_id)
    while unread.exists() and cursor.acquire_lease(now=now):
        try:
            with open_ledger_session(connection, priority="company", now=now) as ledger:
                MirrorReader(connection, ledger, now=now, deadline=time.monotonic() + TIME_SLICE).read_pending_changes()
        finally:
            cursor.release_lease()


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
