"""The mirror's engine: lists are read page by page with a cursor, and what the books said changed by its ids.

Everybody reads through here: the poller, the books' own events, people who ask for the latest, the command.
A page and the cursor behind it commit together, so whoever is killed repeats one page at most.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import ledger_session
from accounting.ledgers.protocol import Ledger, RemotePage
from accounting.mirror.pending_changes import (
    PAYMENTS,
    list_pending_changes,
    mark_all_stale,
    resolve_changes,
    resolve_changes_in_page,
)
from accounting.mirror.polling import RETRY_AFTER_REJECTION, get_next_poll_at
from accounting.mirror.store import (
    ReadContext,
    mark_contacts_deleted,
    mark_credits_deleted,
    mark_invoices_deleted,
    upsert_contacts,
    upsert_credits,
    upsert_invoices,
)
from accounting.models import MirrorCursor, PendingChange
from accounting.refetch_requests import STALE_MARKER
from connections.models import Connection
from connections.rate_limiter.budget import Priority
from merchants.models import Merchant
from wisepay.errors import Rejected
from wisepay.outbox import Retry

LEASE = timedelta(seconds=100)  # more than one call may take, less than the outbox's own
TIME_SLICE = 45.0  # seconds that one delivery reads before it lets others have their turn
OVERLAP = timedelta(seconds=60)  # what commits late in the books carries an earlier time
MISSED_EVENT_AFTER = timedelta(minutes=5)  # an event that did not come for so long is lost
PENDING_CHANGES_CURSOR = "heard"  # the cursor that holds who reads what was heard
OnPage = Callable[[MirrorCursor, int], None]


@dataclass(frozen=True, slots=True)
class MirroredKind:
    """One kind of document: the ledger's verbs that read a page or some ids, and how what they tell is written down."""

    kind: str
    page_method: str
    by_ids_method: str
    upsert: Callable[[ReadContext, Any], list[datetime]]
    mark_deleted: Callable[[ReadContext, RemotePage[Any]], int]

    def read_page(self, ledger: Ledger, page: int, *, since: datetime | None) -> RemotePage[Any]:
        """One page of the list."""
        found: RemotePage[Any] = getattr(ledger, self.page_method)(page, since=since)
        return found

    def read_documents(self, ledger: Ledger, ids: list[str]) -> RemotePage[Any]:
        """The documents of these ids."""
        found: RemotePage[Any] = getattr(ledger, self.by_ids_method)(ids)
        return found

    @transaction_required
    def save_page(self, context: ReadContext, page: RemotePage[Any]) -> list[datetime]:
        """Write a page down; answers when each document that was news had changed."""
        changes = self.upsert(context, page.rows)
        dropped = self.mark_deleted(context, page) if page.tombstones else 0
        return [*changes, *[page.as_of or context.asked_at] * dropped]


MIRRORED_KINDS = {
    "contacts": MirroredKind("contacts", "read_contact_page", "read_contacts", upsert_contacts, mark_contacts_deleted),
    "invoices": MirroredKind("invoices", "read_invoice_page", "read_invoices", upsert_invoices, mark_invoices_deleted),
    "credits": MirroredKind(
        "credits", "read_credit_note_page", "read_credit_notes_by_id", upsert_credits, mark_credits_deleted
    ),
}


def get_mirror_cursor(merchant: Merchant, organisation_id: str, kind: str) -> MirrorCursor:
    """The cursor, made on first sight."""
    found, _ = MirrorCursor.objects.get_or_create(merchant=merchant, organisation_id=organisation_id, kind=kind)
    return found


def schedule_full_sync(merchant: Merchant, organisation_id: str, *, now: datetime) -> None:
    """Let everything be read again from the first page; rows that did not change are not written."""
    keys = [get_mirror_cursor(merchant, organisation_id, kind).pk for kind in MIRRORED_KINDS]
    MirrorCursor.objects.filter(pk__in=keys).update(since=None, asked_at=None, page=0, pages=None, due_at=now)


@contextmanager
def lock_cursor(cursor: MirrorCursor, *, now: datetime) -> Iterator[None]:
    """Be the only one who reads by this cursor for the length of the block. Raises Retry while another one does."""
    if not acquire_cursor_lease(cursor, now=now):
        raise Retry("another worker is reading these", after=2)
    try:
        yield
    finally:
        release_cursor_lease(cursor)


def acquire_cursor_lease(cursor: MirrorCursor, *, now: datetime) -> bool:
    """Hold the cursor, unless somebody does; a dead worker's hold ends by itself."""
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return bool(MirrorCursor.objects.filter(free, pk=cursor.pk).update(lease_until=now + LEASE))


def release_cursor_lease(cursor: MirrorCursor) -> None:
    """Let others have the cursor."""
    MirrorCursor.objects.filter(pk=cursor.pk).update(lease_until=None)


class MirrorReader:
    """One worker's reading of one organisation; `deadline` is on the monotonic clock."""

    def __init__(
        self, connection: Connection, ledger: Ledger, *, now: datetime, deadline: float, on_page: OnPage | None = None
    ) -> None:
        self.merchant = connection.merchant
        self.organisation_id = connection.organisation_id
        self.ledger = ledger
        self.now = now
        self.begin = time.monotonic()
        self.deadline = deadline
        self.on_page = on_page

    @property
    def context(self) -> ReadContext:
        """Whose books, read now."""
        return ReadContext(self.merchant, self.organisation_id, self.now)

    def read_kind(self, kind: str) -> bool:
        """Read what changed since the last time, page by page; False when the time was up before the end.

        Raises Retry while another worker reads the same, and what the ledger raises.
        """
        with lock_cursor(cursor := get_mirror_cursor(self.merchant, self.organisation_id, kind), now=self.now):
            cursor.refresh_from_db()
            while True:
                if self.read_page(MIRRORED_KINDS[kind], cursor):
                    return True
                if time.monotonic() > self.deadline:
                    return False

    def read_page(self, mirrored_kind: MirroredKind, cursor: MirrorCursor) -> bool:
        """One page, committed with the cursor; True when it was the last one.

        Where more changed than the books tell of at once, everything is read anew instead.
        """
        since = cursor.since - OVERLAP if cursor.since else None
        found = mirrored_kind.read_page(self.ledger, cursor.page + 1, since=since)
        if found.is_truncated:
            schedule_full_sync(self.merchant, self.organisation_id, now=self.now)
            cursor.refresh_from_db()
            return False
        with transaction():
            row = MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
            if (row.since, row.asked_at, row.page) != (cursor.since, cursor.asked_at, cursor.page):
                raise Retry("another worker read this page", after=2)
            cursor.notified_at = row.notified_at
            if self.ledger.deletion_feed_window is not None and cursor.since is None and not cursor.page:
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
        """Put the cursor behind this page, or to rest behind the last one."""
        cursor.asked_at = cursor.asked_at or found.as_of or self.now
        cursor.page, cursor.pages = cursor.page + 1, max(found.pages, 1)
        cursor.changed += len(changes)
        cursor.lease_until = self.now + timedelta(seconds=time.monotonic() - self.begin) + LEASE
        if cursor.since and any(at < cursor.asked_at - MISSED_EVENT_AFTER for at in changes):
            cursor.notified_at = None
        if cursor.page < cursor.pages:
            return False
        cursor.empty_polls = 0 if cursor.changed else cursor.empty_polls + 1
        cursor.since, cursor.polled_at, cursor.error = cursor.asked_at, self.now, ""
        cursor.due_at = get_next_poll_at(cursor, now=self.now)
        cursor.asked_at, cursor.page, cursor.pages, cursor.changed = None, 0, None, 0
        return True

    def share_watermark(self, kinds: Sequence[str]) -> list[str]:
        """What to read instead of these kinds: all of them from the same instant on, where one call tells of all.

        An instant from which on the books do not tell what left them any more is none: everything is read anew.
        """
        all_kinds, reach = (
            [kind for kind in MIRRORED_KINDS if kind in self.ledger.mirrored_kinds],
            self.ledger.deletion_feed_window,
        )
        wanted = [kind for kind in all_kinds if kind in kinds]
        if reach is None or not wanted:
            return wanted
        mine = MirrorCursor.objects.filter(**self.context.owner_columns, kind__in=all_kinds)
        with transaction():
            rows = list(mine.select_for_update(of=("self",)).order_by("pk"))
            known = [row.since for row in rows if row.since and not row.page]
            if len(known) < len(all_kinds):
                return wanted
            if min(known) < self.now - reach:
                schedule_full_sync(self.merchant, self.organisation_id, now=self.now)
            else:
                mine.exclude(since=min(known)).update(since=min(known))
        return all_kinds

    def read_changes(self, changes: Sequence[PendingChange]) -> None:
        """Let one call tell what changed in all kinds, which answers what does not say whereof it tells.

        Raises Retry while everything is read for the first time.
        """
        kinds = self.share_watermark(list(MIRRORED_KINDS))
        known = MirrorCursor.objects.filter(**self.context.owner_columns, kind__in=kinds).exclude(since=None)
        if known.count() < len(kinds):
            raise Retry("everything is read first", after=30)
        for kind in kinds:
            if not read_kind_or_record_error(self, kind):
                raise Retry("there is more to read", after=0)
        with transaction():
            resolve_changes(changes, now=self.now)

    def read_pending_changes(self) -> None:
        """Read again what the books said changed, as many of a kind as go in one call, until nothing is left."""
        unread = list_pending_changes(self.merchant, self.organisation_id)
        if self.ledger.deletion_feed_window is not None:
            self.read_changes(list(unread.filter(kind=PAYMENTS)))
        unread = unread.filter(kind__in=MIRRORED_KINDS).order_by("kind", "pk")
        while rows := list(unread[: self.ledger.batch_size]):
            if time.monotonic() > self.deadline:
                raise Retry("more was heard", after=0)
            same = [row for row in rows if row.kind == rows[0].kind]
            self.read_by_ids(MIRRORED_KINDS[rows[0].kind], same)

    def read_by_ids(self, mirrored_kind: MirroredKind, changes: Sequence[PendingChange]) -> None:
        """One call, committed with the notes that it answers; what was heard once more meanwhile is read once more.

        What the books refuse to tell by id is left to the next look at everything.
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


def sync_kinds(connection: Connection, *, priority: Priority, now: datetime, kinds: Sequence[str]) -> None:
    """Read these kinds for as long as one delivery may; Retry when there is more.

    A refusal is written on the cursor and asked again later. Raises Unavailable, Retry, Disconnected.
    """
    with ledger_session(connection, priority=priority, now=now) as ledger:
        reader = MirrorReader(connection, ledger, now=now, deadline=time.monotonic() + TIME_SLICE)
        for kind in reader.share_watermark(kinds):
            if not read_kind_or_record_error(reader, kind):
                raise Retry("there is more to read", after=0)


def read_kind_or_record_error(reader: MirrorReader, kind: str) -> bool:
    """Read one kind; a refusal of the books becomes a sentence for people. False when there is more."""
    try:
        return reader.read_kind(kind)
    except Rejected as error:
        cursor = get_mirror_cursor(reader.merchant, reader.organisation_id, kind)
        record_cursor_error(cursor, error, due_at=reader.now + RETRY_AFTER_REJECTION)
        return True


def record_cursor_error(cursor: MirrorCursor, error: Rejected, *, due_at: datetime) -> None:
    """Write down in words that the books refused, and when they are asked again."""
    text = f"The accounting package refused: {error.message}"
    MirrorCursor.objects.filter(pk=cursor.pk).update(error=text[:300], due_at=due_at)


def sync_organisation_changes(connection: Connection, *, now: datetime) -> None:
    """Read what was heard, unless somebody does already: they see what came meanwhile before they let go."""
    ears = get_mirror_cursor(connection.merchant, connection.organisation_id, PENDING_CHANGES_CURSOR)
    unread = list_pending_changes(connection.merchant, connection.organisation_id)
    while unread.exists() and acquire_cursor_lease(ears, now=now):
        try:
            with ledger_session(connection, priority="company", now=now) as ledger:
                MirrorReader(connection, ledger, now=now, deadline=time.monotonic() + TIME_SLICE).read_pending_changes()
        finally:
            release_cursor_lease(ears)
