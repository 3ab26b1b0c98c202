"""What the screen Accounting Connections shows: a card for every tier, and what happened in the last 30 days."""

from dataclasses import dataclass
from datetime import datetime

from connections.breaks import words_for
from connections.budget import Usage
from connections.governor import usage_of
from connections.health import KEEP
from connections.models import Connection, ConnectionEvent
from connections.providers import LABELS, registered
from connections.queues import count_waiting
from connections.services import live_connections, tiers_of
from connections.tokens import is_ending, permission_ends_at
from merchants.models import Merchant

SHOWN = 60
BY = {"provider": "the accounting package", "operator": "an operator", "": "Wise-Pay"}
TONES = {"connected": "good", "broken": "bad", "test_passed": "good", "test_failed": "bad", "unavailable": "busy"}


@dataclass(frozen=True, slots=True)
class Card:
    """One tier's connection as people see it."""

    connection: Connection
    waiting: int
    usage: Usage | None
    ends_at: datetime | None
    is_ending: bool
    sentence: str
    is_away: bool

    @property
    def minute_left(self) -> int | None:
        """Calls left this minute; all of them where none was counted, nothing where nobody can count."""
        return left(self.usage.minute_left, self.usage.minute_limit, self.usage) if self.usage else None

    @property
    def has_day_limit(self) -> bool:
        """Whether the calls of a day are limited at all."""
        return self.usage is None or self.usage.day_limit > 0

    @property
    def day_left(self) -> int | None:
        """The same for today."""
        return left(self.usage.day_left, self.usage.day_limit, self.usage) if self.usage else None

    @property
    def is_live(self) -> bool:
        """Whether there is anything to test or to disconnect."""
        return self.connection.state in ("connected", "broken")


def left(known: int | None, limit: int, usage: Usage) -> int | None:
    """What is left; a note says that somebody should know and does not."""
    return limit if known is None and not usage.queue_note else known


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the history."""

    at: datetime
    tier: str
    title: str
    tone: str
    text: str
    by: str


def cards_of(merchant: Merchant, *, now: datetime) -> list[Card]:
    """One for each tier that the merchant has, connected or not."""
    held = {c.tier: c for c in Connection.objects.filter(merchant=merchant).select_related("merchant")}
    waiting = count_waiting(merchant)
    blank = {"merchant": merchant, "state": "never"}
    rows = [held.get(tier) or Connection(tier=tier, **blank) for tier in tiers_of(merchant)]
    return [card_of(row, waiting=waiting.get(row.tier, 0), now=now) for row in rows]


def offered_to(merchant: Merchant) -> dict[str, str]:
    """The accounting packages that the merchant can choose: the one in use, or those that are set up here."""
    used = live_connections(merchant).values_list("provider", flat=True).first()
    if used in LABELS:
        return {used: LABELS[used]}
    ready = {name: label for name, label in LABELS.items() if registered(name).by_tier["wise_pay"].client_id}
    return ready or LABELS


def card_of(connection: Connection, *, waiting: int, now: datetime) -> Card:
    """One tier's."""
    is_connected = connection.state == "connected"
    return Card(
        connection=connection,
        waiting=waiting,
        usage=usage_of(connection) if is_connected else None,
        ends_at=permission_ends_at(connection) if is_connected else None,
        is_ending=is_connected and is_ending(connection, now=now),
        sentence=sentence_for(connection, now=now),
        is_away=is_connected and connection.unavailable_since is not None,
    )


def sentence_for(connection: Connection, *, now: datetime) -> str:
    """The last error in words; empty while all is well."""
    if connection.state == "broken":
        return words_for(connection) or connection.last_error
    if connection.unavailable_since is not None:
        label = LABELS.get(connection.provider, "The accounting package")
        return f"{label} is unavailable. Nothing is lost: what waits goes on by itself. ({connection.last_error})"
    return connection.last_error if connection.is_blocked(now) else ""


def history_of(merchant: Merchant, *, now: datetime) -> list[Line]:
    """What happened to the merchant's connections in the last 30 days, newest first."""
    lines: list[Line] = []
    for connection in Connection.objects.filter(merchant=merchant):
        tier = connection.get_tier_display()
        for step in connection.history().filter(at__gt=now - KEEP):
            by = BY.get(step.by, step.by)
            lines.append(Line(step.at, tier, TITLES[step.to_state], TONES.get(step.to_state, ""), step.reason, by))
        for event in ConnectionEvent.objects.filter(connection=connection, at__gt=now - KEEP):
            tone, by = TONES.get(event.kind, ""), BY.get(event.by, event.by)
            lines.append(Line(event.at, tier, event.get_kind_display(), tone, event.text, by))
    return sorted(lines, key=lambda line: line.at, reverse=True)[:SHOWN]


TITLES = {"connected": "Connected", "broken": "Broken", "disconnected": "Disconnected", "never": "Not connected"}


@dataclass(frozen=True, slots=True)
class Notice:
    """What the dashboard says of connections: what is broken, what is missing, what is away."""

    broken: list[Connection]
    missing: list[str]
    away: Connection | None

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.broken or self.missing or self.away)


def notice_for(merchant: Merchant) -> Notice:
    """The merchant's connections that do not work; before the first was made there is nothing to say."""
    held = {c.tier: c for c in Connection.objects.filter(merchant=merchant)}
    tiers = tiers_of(merchant) if held else []
    rows = [held.get(tier) or Connection(tier=tier, state="never") for tier in tiers]
    return Notice(
        broken=[row for row in rows if row.state == "broken"],
        missing=[row.get_tier_display() for row in rows if row.state in ("never", "disconnected")],
        away=next((row for row in rows if row.state == "connected" and row.unavailable_since), None),
    )
