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

from django.db import transaction
from django.db.models import Q

from accounting.ledgers.words import Ledger, Page
from accounting.mirror_gone import drop_contacts, drop_credits, drop_invoices
from accounting.mirror_heard import DOUBT, PAYMENTS, answer, doubt_held, settle, unread_of
from accounting.mirror_keeping import Books, keep_contacts, keep_credits, keep_invoices
from accounting.mirror_pace import REFUSED, next_look
from accounting.models import HeardChange, MirrorCursor
from accounting.speaking import speaking
from connections.budget import Lane
from connections.models import Connection
from merchants.models import Merchant
from wisepay.errors import Rejected
from wisepay.outbox import Retry

LEASE = timedelta(seconds=100)  # more than one call may take, less than the outbox's own
SLICE = 45.0  # seconds that one delivery reads before it lets others have their turn
OVERLAP = timedelta(seconds=60)  # what commits late in the books carries an earlier time
MISSED = timedelta(minutes=5)  # an event that did not come for so long is lost
EARS = "heard"  # the cursor that holds who reads what was heard
OnPage = Callable[[MirrorCursor, int], None]


@dataclass(frozen=True, slots=True)
class Desk:
    """One kind of document: the ledger's verbs that read a page or some ids, and how what they tell is written down."""

    kind: str
    page: str
    some: str
    keep: Callable[[Books, Any], list[datetime]]
    drop: Callable[[Books, Page[Any]], int]

    def read_page(self, ledger: Ledger, page: int, *, since: datetime | None) -> Page[Any]:
        """One page of the list."""
        found: Page[Any] = getattr(ledger, self.page)(page, since=since)
        return found

    def read_some(self, ledger: Ledger, ids: list[str]) -> Page[Any]:
        """The documents of these ids."""
        found: Page[Any] = getattr(ledger, self.some)(ids)
        return found

    def write(self, books: Books, page: Page[Any]) -> list[datetime]:
        """Write a page down; answers when each document that was news had changed. A step of an open transaction."""
        changes = self.keep(books, page.rows)
        dropped = self.drop(books, page) if page.gone else 0
        return [*changes, *[page.as_of or books.asked_at] * dropped]


DESKS = {
    "contacts": Desk("contacts", "read_contact_page", "read_contacts", keep_contacts, drop_contacts),
    "invoices": Desk("invoices", "read_invoice_page", "read_invoices", keep_invoices, drop_invoices),
    "credits": Desk("credits", "read_credit_page", "read_credits", keep_credits, drop_credits),
}


def cursor_of(merchant: Merchant, organisation_id: str, kind: str) -> MirrorCursor:
    """The cursor, made on first sight."""
    found, _ = MirrorCursor.objects.get_or_create(merchant=merchant, organisation_id=organisation_id, kind=kind)
    return found


def begin_anew(merchant: Merchant, organisation_id: str, *, now: datetime) -> None:
    """Let everything be read again from the first page; rows that did not change are not written."""
    keys = [cursor_of(merchant, organisation_id, kind).pk for kind in DESKS]
    MirrorCursor.objects.filter(pk__in=keys).update(since=None, asked_at=None, page=0, pages=None, due_at=now)


@contextmanager
def held(cursor: MirrorCursor, *, now: datetime) -> Iterator[None]:
    """Be the only one who reads by this cursor for the length of the block. Raises Retry while another one does."""
    if not take(cursor, now=now):
        raise Retry("another worker is reading these", after=2)
    try:
        yield
    finally:
        let_go(cursor)


def take(cursor: MirrorCursor, *, now: datetime) -> bool:
    """Hold the cursor, unless somebody does; a dead worker's hold ends by itself."""
    free = Q(reading_until=None) | Q(reading_until__lt=now)
    return bool(MirrorCursor.objects.filter(free, pk=cursor.pk).update(reading_until=now + LEASE))


def let_go(cursor: MirrorCursor) -> None:
    """Let others have the cursor."""
    MirrorCursor.objects.filter(pk=cursor.pk).update(reading_until=None)


class Reader:
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
    def books(self) -> Books:
        """Whose books, read now."""
        return Books(self.merchant, self.organisation_id, self.now)

    def read_kind(self, kind: str) -> bool:
        """Read what changed since the last time, page by page; False when the time was up before the end.

        Raises Retry while another worker reads the same, and what the ledger raises.
        """
        with held(cursor := cursor_of(self.merchant, self.organisation_id, kind), now=self.now):
            cursor.refresh_from_db()
            while True:
                if self.read_page(DESKS[kind], cursor):
                    return True
                if time.monotonic() > self.deadline:
                    return False

    def read_page(self, desk: Desk, cursor: MirrorCursor) -> bool:
        """One page, committed with the cursor; True when it was the last one.

        Where more changed than the books tell of at once, everything is read anew instead.
        """
        since = cursor.since - OVERLAP if cursor.since else None
        found = desk.read_page(self.ledger, cursor.page + 1, since=since)
        if found.is_cut:
            begin_anew(self.merchant, self.organisation_id, now=self.now)
            cursor.refresh_from_db()
            return False
        with transaction.atomic(durable=True):
            row = MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
            if (row.since, row.asked_at, row.page) != (cursor.since, cursor.asked_at, cursor.page):
                raise Retry("another worker read this page", after=2)
            cursor.heard_at = row.heard_at
            if self.ledger.tells_gone is not None and cursor.since is None and not cursor.page:
                doubt_held(self.books, desk.kind)
            changes = desk.write(self.books, found)
            if answer(self.books, desk.kind, found):
                cursor.heard_at = self.now
            is_last = self.move(cursor, found, changes)
            cursor.save()
        if self.on_page:
            self.on_page(cursor, len(changes))
        return is_last

    def move(self, cursor: MirrorCursor, found: Page[Any], changes: Sequence[datetime]) -> bool:
        """Put the cursor behind this page, or to rest behind the last one."""
        cursor.asked_at = cursor.asked_at or found.as_of or self.now
        cursor.page, cursor.pages = cursor.page + 1, max(found.pages, 1)
        cursor.changed += len(changes)
        cursor.reading_until = self.now + timedelta(seconds=time.monotonic() - self.begin) + LEASE
        if cursor.since and any(at < cursor.asked_at - MISSED for at in changes):
            cursor.heard_at = None
        if cursor.page < cursor.pages:
            return False
        cursor.quiet = 0 if cursor.changed else cursor.quiet + 1
        cursor.since, cursor.polled_at, cursor.error = cursor.asked_at, self.now, ""
        cursor.due_at = next_look(cursor, now=self.now)
        cursor.asked_at, cursor.page, cursor.pages, cursor.changed = None, 0, None, 0
        return True

    def together(self, kinds: Sequence[str]) -> list[str]:
        """What to read instead of these kinds: all of them from the same instant on, where one call tells of all.

        An instant from which on the books do not tell what left them any more is none: everything is read anew.
        """
        all_kinds, reach = [kind for kind in DESKS if kind in self.ledger.mirror_kinds], self.ledger.tells_gone
        wanted = [kind for kind in all_kinds if kind in kinds]
        if reach is None or not wanted:
            return wanted
        mine = MirrorCursor.objects.filter(**self.books.mine, kind__in=all_kinds)
        with transaction.atomic(durable=True):
            rows = list(mine.select_for_update(of=("self",)).order_by("pk"))
            known = [row.since for row in rows if row.since and not row.page]
            if len(known) < len(all_kinds):
                return wanted
            if min(known) < self.now - reach:
                begin_anew(self.merchant, self.organisation_id, now=self.now)
            else:
                mine.exclude(since=min(known)).update(since=min(known))
        return all_kinds

    def look(self, pointers: Sequence[HeardChange]) -> None:
        """Let one call tell what changed in all kinds, which answers what does not say whereof it tells.

        Raises Retry while everything is read for the first time.
        """
        kinds = self.together(list(DESKS))
        known = MirrorCursor.objects.filter(**self.books.mine, kind__in=kinds).exclude(since=None)
        if known.count() < len(kinds):
            raise Retry("everything is read first", after=30)
        for kind in kinds:
            if not read_or_note(self, kind):
                raise Retry("there is more to read", after=0)
        with transaction.atomic(durable=True):
            settle(pointers, now=self.now)

    def read_heard(self) -> None:
        """Read again what the books said changed, as many of a kind as go in one call, until nothing is left."""
        unread = unread_of(self.merchant, self.organisation_id)
        if self.ledger.tells_gone is not None:
            self.look(list(unread.filter(kind=PAYMENTS)))
        unread = unread.filter(kind__in=DESKS).order_by("kind", "pk")
        while rows := list(unread[: self.ledger.batch_size]):
            if time.monotonic() > self.deadline:
                raise Retry("more was heard", after=0)
            same = [row for row in rows if row.kind == rows[0].kind]
            self.read_ids(DESKS[rows[0].kind], same)

    def read_ids(self, desk: Desk, heard: Sequence[HeardChange]) -> None:
        """One call, committed with the notes that it answers; what was heard once more meanwhile is read once more.

        What the books refuse to tell by id is left to the next look at everything.
        """
        cursor = cursor_of(self.merchant, self.organisation_id, desk.kind)
        try:
            found = desk.read_some(self.ledger, [row.ledger_id for row in heard])
        except Rejected as error:
            note_refusal(cursor, error, due_at=self.now)
            found = Page((), 1)
        with transaction.atomic(durable=True):
            MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
            desk.write(self.books, found)
            settle(heard, now=self.now)
            if any(row.event_at > DOUBT for row in heard):
                MirrorCursor.objects.filter(pk=cursor.pk).update(heard_at=self.now)


def read_due(connection: Connection, *, lane: Lane, now: datetime, kinds: Sequence[str]) -> None:
    """Read these kinds for as long as one delivery may; Retry when there is more.

    A refusal is written on the cursor and asked again later. Raises Unavailable, Retry, Disconnected.
    """
    with speaking(connection, lane=lane, now=now) as ledger:
        reader = Reader(connection, ledger, now=now, deadline=time.monotonic() + SLICE)
        for kind in reader.together(kinds):
            if not read_or_note(reader, kind):
                raise Retry("there is more to read", after=0)


def read_or_note(reader: Reader, kind: str) -> bool:
    """Read one kind; a refusal of the books becomes a sentence for people. False when there is more."""
    try:
        return reader.read_kind(kind)
    except Rejected as error:
        cursor = cursor_of(reader.merchant, reader.organisation_id, kind)
        note_refusal(cursor, error, due_at=reader.now + REFUSED)
        return True


def note_refusal(cursor: MirrorCursor, error: Rejected, *, due_at: datetime) -> None:
    """Write down in words that the books refused, and when they are asked again."""
    text = f"The accounting package refused: {error.message}"
    MirrorCursor.objects.filter(pk=cursor.pk).update(error=text[:300], due_at=due_at)


def read_heard(connection: Connection, *, now: datetime) -> None:
    """Read what was heard, unless somebody does already: they see what came meanwhile before they let go."""
    ears = cursor_of(connection.merchant, connection.organisation_id, EARS)
    unread = unread_of(connection.merchant, connection.organisation_id)
    while unread.exists() and take(ears, now=now):
        try:
            with speaking(connection, lane="company", now=now) as ledger:
                Reader(connection, ledger, now=now, deadline=time.monotonic() + SLICE).read_heard()
        finally:
            let_go(ears)
