"""Which connection carries which work, and its availability: when its provider last answered, or since when not."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction_if_not_already

from connections.models import Connection, ConnectionEvent, Tier
from merchants.models import Merchant
from wisepay.errors import Disconnected, Unavailable

ConnectionEventKind = ConnectionEvent.Kind
EVENT_RETENTION = timedelta(days=30)
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0  # seconds between tries while nothing is answered


def get_connection(merchant: Merchant, *, tier: str) -> Connection:
    """Get the connection of `tier`, or the Wise-Pay one while work is not divided. Raises Disconnected."""
    tier_in_use = Tier(tier) if merchant.has_multi_connection else Tier.WISE_PAY
    found = Connection.objects.select_related("merchant").filter(merchant=merchant, tier=tier_in_use).first()
    if found is None and merchant.has_multi_connection:
        raise Disconnected(f"The {tier_in_use.label} connection is not connected.")
    if found is None:
        raise Disconnected("No accounting package is connected.")
    return found


def find_working_connection(merchant: Merchant, *, tier: Tier) -> Connection | None:
    """The connection that carries `tier`'s work, if there is one and it is connected."""
    try:
        connection = get_connection(merchant, tier=tier)
    except Disconnected:
        return None
    return connection if connection.state == "connected" else None


def list_tiers(merchant: Merchant) -> list[Tier]:
    """List the tiers that the merchant connects."""
    return list(Tier) if merchant.has_multi_connection else [Tier.WISE_PAY]


def list_live_connections(merchant: Merchant) -> QuerySet[Connection]:
    """List the merchant's connections that are connected or broken."""
    return Connection.objects.filter(merchant=merchant, state__in=["connected", "broken"]).order_by("pk")


def record_success(connection: Connection, *, now: datetime, is_work: bool = True) -> None:
    """Record that the provider accepted our token, for work or (`is_work` False) for a verification only.

    A verification says nothing about work that failed, so the failures stay until the next work succeeds.
    """
    change = {"succeeded_at": now}
    rows = Connection.objects.filter(pk=connection.pk)
    if is_work:
        rows.update(**change, blocked_until=None, failures=0, token_was_refused=False)
    else:
        rows.update(**change)
    available = rows.filter(Q(failures=0), state="connected")
    with transaction_if_not_already():
        if available.exclude(unavailable_since=None).update(unavailable_since=None, last_error=""):
            record_connection_event(connection, ConnectionEventKind.AVAILABLE, now=now)
        elif is_work:
            available.update(last_error="")


def record_unavailable(connection: Connection, error: Unavailable, *, now: datetime) -> None:
    """Record that the provider does not answer; a rate limit does not count, because it is an answer."""
    if is_rate_limit(error):
        return
    text = str(error)[:300]
    with transaction_if_not_already():
        available = Connection.objects.filter(pk=connection.pk, state="connected", unavailable_since=None)
        if available.update(unavailable_since=now, last_error=text):
            record_connection_event(connection, ConnectionEventKind.UNAVAILABLE, text=text, now=now)


def record_outage(connection: Connection, error: Unavailable, *, now: datetime) -> float:
    """Record that work failed, and block calls for a while; answer after how many seconds to retry."""
    record_unavailable(connection, error, now=now)
    pause = error.retry_after or min(FIRST_PAUSE * 2 ** min(connection.failures, 10), LONGEST_PAUSE)
    Connection.objects.filter(pk=connection.pk).update(
        blocked_until=now + timedelta(seconds=pause),
        last_error=str(error)[:300],
        failures=connection.failures + (0 if is_rate_limit(error) else 1),
    )
    return pause + 1


def is_rate_limit(error: Unavailable) -> bool:
    """Whether the call was refused because there were too many, with the time of the next one."""
    return error.retry_after is not None and not error.maybe_done


def record_connection_event(
    connection: Connection, kind: ConnectionEventKind, *, now: datetime, text: str = "", by: str = ""
) -> None:
    """Add an entry to the connection's history."""
    ConnectionEvent.objects.create(connection_id=connection.pk, kind=kind, text=text[:300], by=by[:254], at=now)


def delete_old_events(*, now: datetime) -> int:
    """Delete the events that the history no longer shows; answer how many."""
    return ConnectionEvent.objects.filter(at__lt=now - EVENT_RETENTION).delete()[0]
