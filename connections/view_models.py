"""The view models of Accounting Connections: a card for each tier, the history, the dashboard's alert."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connections.availability import EVENT_RETENTION, list_live_connections, list_tiers
from connections.disconnects import get_disconnect_message
from connections.models import Connection, ConnectionEvent
from connections.providers import PROVIDER_LABELS, get_registered_apps
from connections.rate_limiter.limiter import BudgetUsage, get_budget_usage
from connections.services import count_waiting_work
from connections.tokens import get_permission_end, is_permission_ending
from merchants.models import Merchant

HISTORY_LIMIT = 60
ACTOR_LABELS = {"provider": "the accounting package", "operator": "an operator", "": "Wise-Pay"}
BADGE_TONES = {"connected": "good", "broken": "bad", "test_passed": "good", "test_failed": "bad", "unavailable": "busy"}


@dataclass(frozen=True, slots=True)
class ConnectionCard:
    """One tier's connection as the page shows it."""

    connection: Connection
    waiting_count: int
    usage: BudgetUsage | None
    ends_at: datetime | None
    is_ending: bool
    error_message: str
    is_unavailable: bool

    @property
    def minute_left(self) -> int | None:
        """Calls left this minute; all of them if none was counted, None if they can't be counted."""
        return get_calls_left(self.usage.minute_left, self.usage.minute_limit, self.usage) if self.usage else None

    @property
    def has_day_limit(self) -> bool:
        """Whether the calls of a day are limited at all."""
        return self.usage is None or self.usage.day_limit > 0

    @property
    def day_left(self) -> int | None:
        """Calls left today, likewise."""
        return get_calls_left(self.usage.day_left, self.usage.day_limit, self.usage) if self.usage else None

    @property
    def is_live(self) -> bool:
        """Whether the connection can be tested or disconnected."""
        return self.connection.state in ("connected", "broken")


def get_calls_left(known: int | None, limit: int, usage: BudgetUsage) -> int | None:
    """Calls left of one limit: the known number, or the limit itself unless a note says that counting fails."""
    return limit if known is None and not usage.queue_note else known


@dataclass(frozen=True, slots=True)
class ConnectionHistoryEntry:
    """One line of the history."""

    at: datetime
    tier: str
    title: str
    tone: str
    text: str
    by: str


def list_connection_cards(merchant: Merchant, *, now: datetime) -> list[ConnectionCard]:
    """List a card for each tier that the merchant has, connected or not."""
    by_tier = {c.tier: c for c in Connection.objects.filter(merchant=merchant).select_related("merchant")}
    waiting = count_waiting_work(merchant)
    blank = {"merchant": merchant, "state": "never"}
    rows = [by_tier.get(tier) or Connection(tier=tier, **blank) for tier in list_tiers(merchant)]
    return [get_connection_card(row, waiting_count=waiting.get(row.tier, 0), now=now) for row in rows]


def describe_budgets(cards: Sequence[ConnectionCard]) -> str:
    """Whether the connections that are made share a call budget; empty for fewer than two.

    The accounting package counts calls by app and company.
    """
    names: dict[tuple[str, str, str], list[str]] = {}
    for row in (card.connection for card in cards if card.connection.state == "connected"):
        names.setdefault((row.provider, row.client_id, row.organisation_id), []).append(row.get_tier_display())
    count = sum(map(len, names.values()))
    if count < 2:
        return ""
    if len(names) == 1:
        return (
            f"These {count} connections share one call budget, because they were made with the same app: what one uses "
            "the others lack. People go first. An app for each connection gives each a budget of its own."
        )
    if len(names) == count:
        return f"Each of these {count} connections has a call budget of its own, because each has an app of its own."
    shared = "; ".join(" and ".join(group) for group in names.values() if len(group) > 1)
    return f"There are {len(names)} call budgets for these {count} connections. One is shared, by {shared}."


def list_available_providers(merchant: Merchant) -> dict[str, str]:
    """List the accounting packages that the merchant can connect: the one in use, or those that are configured."""
    provider = list_live_connections(merchant).values_list("provider", flat=True).first()
    if provider in PROVIDER_LABELS:
        return {provider: PROVIDER_LABELS[provider]}
    configured = {
        name: label
        for name, label in PROVIDER_LABELS.items()
        if get_registered_apps(name).by_tier["wise_pay"].client_id
    }
    return configured or PROVIDER_LABELS


def get_connection_card(connection: Connection, *, waiting_count: int, now: datetime) -> ConnectionCard:
    """Build the card of one tier."""
    is_connected = connection.state == "connected"
    return ConnectionCard(
        connection=connection,
        waiting_count=waiting_count,
        usage=get_budget_usage(connection) if is_connected else None,
        ends_at=get_permission_end(connection) if is_connected else None,
        is_ending=is_connected and is_permission_ending(connection, now=now),
        error_message=get_error_message(connection, now=now),
        is_unavailable=is_connected and connection.unavailable_since is not None,
    )


def get_error_message(connection: Connection, *, now: datetime) -> str:
    """The last error for people; empty without one."""
    if connection.state == "broken":
        return get_disconnect_message(connection) or connection.last_error
    if connection.unavailable_since is not None:
        label = PROVIDER_LABELS.get(connection.provider, "The accounting package")
        return f"{label} is unavailable. Nothing is lost: what waits continues automatically. ({connection.last_error})"
    return connection.last_error if connection.is_blocked(now) else ""


def list_connection_history(merchant: Merchant, *, now: datetime) -> list[ConnectionHistoryEntry]:
    """List what happened to the merchant's connections in the last 30 days, newest first."""
    lines: list[ConnectionHistoryEntry] = []
    for connection in Connection.objects.filter(merchant=merchant):
        tier = connection.get_tier_display()
        for step in connection.list_state_changes().filter(at__gt=now - EVENT_RETENTION):
            by = ACTOR_LABELS.get(step.by, step.by)
            lines.append(
                ConnectionHistoryEntry(
                    step.at, tier, STATE_TITLES[step.to_state], BADGE_TONES.get(step.to_state, ""), step.reason, by
                )
            )
        for event in ConnectionEvent.objects.filter(connection=connection, at__gt=now - EVENT_RETENTION):
            tone, by = BADGE_TONES.get(event.kind, ""), ACTOR_LABELS.get(event.by, event.by)
            lines.append(ConnectionHistoryEntry(event.at, tier, event.get_kind_display(), tone, event.text, by))
    return sorted(lines, key=lambda line: line.at, reverse=True)[:HISTORY_LIMIT]


STATE_TITLES = {"connected": "Connected", "broken": "Broken", "disconnected": "Disconnected", "never": "Not connected"}


@dataclass(frozen=True, slots=True)
class ConnectionAlert:
    """What the dashboard shows of connections: those broken, missing, unavailable."""

    broken: list[Connection]
    missing: list[str]
    unavailable: Connection | None

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.broken or self.missing or self.unavailable)


def get_connection_alert(merchant: Merchant) -> ConnectionAlert:
    """Get the merchant's connections that do not work; empty before the first connection."""
    by_tier = {c.tier: c for c in Connection.objects.filter(merchant=merchant)}
    tiers = list_tiers(merchant) if by_tier else []
    rows = [by_tier.get(tier) or Connection(tier=tier, state="never") for tier in tiers]
    return ConnectionAlert(
        broken=[row for row in rows if row.state == "broken"],
        missing=[row.get_tier_display() for row in rows if row.state in ("never", "disconnected")],
        unavailable=next((row for row in rows if row.state == "connected" and row.unavailable_since), None),
    )
