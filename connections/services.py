"""Disconnect, divide the work between connections, and count what waits for each."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django_subatomic.db import transaction, transaction_required

from connections.availability import list_live_connections
from connections.models import Connection, Tier
from connections.providers import AppNotConfigured, open_oauth_client_of_app
from connections.tokens import get_access_token
from merchants.models import Merchant
from wisepay import events
from wisepay.errors import Disconnected, Unavailable
from wisepay.events import add_once

WaitingWorkCounter = Callable[[Merchant], Mapping[str, int]]
WAITING_WORK_COUNTERS: list[WaitingWorkCounter] = []


@transaction_required
def announce_restored_connection(merchant: Merchant, *, now: datetime) -> None:
    """Announce that a connection works again, so that all waiting work is scheduled."""
    events.announce("connections.connection.restored", now=now, merchant_id=merchant.pk)


def register_waiting_work_counter(function: WaitingWorkCounter) -> WaitingWorkCounter:
    """Register a function that counts what waits for a merchant's connections, by tier."""
    return add_once(WAITING_WORK_COUNTERS, function)


def count_waiting_work(merchant: Merchant) -> dict[str, int]:
    """Count what waits, by tier; the Wise-Pay connection has all of it while tiers are not divided."""
    total: Counter[str] = Counter()
    for counter in WAITING_WORK_COUNTERS:
        total.update(counter(merchant))
    if not merchant.has_multi_connection:
        return {Tier.WISE_PAY.value: sum(total.values())}
    return {tier.value: total[tier.value] for tier in Tier}


def disconnect(connection: Connection, *, by: str, now: datetime) -> None:
    """Revoke the access at the provider, if it answers, and delete the tokens."""
    if connection.state in ("connected", "broken") and not is_access_shared(connection):
        try:
            token = get_access_token(connection, now=now)
            client = open_oauth_client_of_app(connection.provider, client_id=connection.client_id)
            client.disconnect(token, remote_id=connection.remote_id)
        except (Unavailable, Disconnected, AppNotConfigured):
            pass  # our tokens are deleted all the same, and an unused refresh token expires
    ended: dict[str, Any] = {
        "access_token": "",
        "refresh_token": "",
        "access_expires_at": None,
        "last_error": "",
        "cause": "",
    }
    with transaction():
        connection.move_to(
            "disconnected", now=now, by=by, **ended, unavailable_since=None, blocked_until=None, token_was_refused=False
        )


def is_access_shared(connection: Connection) -> bool:
    """Whether another tier uses the same access: a provider gives one per app, person and organisation."""
    others = Connection.objects.filter(merchant=connection.merchant_id, state="connected").exclude(pk=connection.pk)
    same = {"provider": connection.provider, "client_id": connection.client_id, "remote_id": connection.remote_id}
    return bool(connection.remote_id) and others.filter(**same).exists()


def disconnect_all(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Disconnect all connections, so that another company can be connected; answer how many."""
    connections = list(list_live_connections(merchant).select_related("merchant"))
    for connection in connections:
        disconnect(connection, by=by, now=now)
    return len(connections)


def update_multi_connection(merchant: Merchant, *, is_on: bool, now: datetime) -> bool:
    """Divide the work between three connections, or not; answer whether that is new. Unused ones are disconnected."""
    changed = Merchant.objects.filter(pk=merchant.pk, has_multi_connection=not is_on).update(has_multi_connection=is_on)
    merchant.has_multi_connection = is_on
    if not is_on:
        for connection in list_live_connections(merchant).exclude(tier=Tier.WISE_PAY).select_related("merchant"):
            disconnect(connection, by="operator", now=now)
    with transaction():
        announce_restored_connection(merchant, now=now)
    return bool(changed)
