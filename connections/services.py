"""Orders about connections: start, finish, test, disconnect."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django_subatomic.db import transaction, transaction_required

from connections.models import Connection, Tier
from connections.providers import AppNotConfigured, open_oauth_client_of_app
from connections.tokens import get_access_token
from merchants.models import Merchant
from wisepay import events
from wisepay.errors import Disconnected, Unavailable


def get_connection(merchant: Merchant, *, tier: str) -> Connection:
    """The connection that carries `tier`'s work: while tiers are not split, the Wise-Pay one. Raises Disconnected."""
    used = Tier(tier) if merchant.has_multi_connection else Tier.WISE_PAY
    found = Connection.objects.select_related("merchant").filter(merchant=merchant, tier=used).first()
    if found is None and merchant.has_multi_connection:
        raise Disconnected(f"The {used.label} connection is not connected.")
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
    """The tiers that the merchant sees and connects."""
    return list(Tier) if merchant.has_multi_connection else [Tier.WISE_PAY]


def list_live_connections(merchant: Merchant) -> QuerySet[Connection]:
    """What somebody connected and nobody disconnected."""
    return Connection.objects.filter(merchant=merchant, state__in=["connected", "broken"]).order_by("pk")


@transaction_required
def announce_restored_connection(merchant: Merchant, *, now: datetime) -> None:
    """Announce that a connection works, so that everything that waits for it goes on."""
    events.announce("connections.connection.restored", now=now, merchant_id=merchant.pk)


def disconnect(connection: Connection, *, by: str, now: datetime) -> None:
    """Give the access back to the provider, as far as it answers, and forget the tokens."""
    if connection.state in ("connected", "broken") and not is_access_shared(connection):
        try:
            token = get_access_token(connection, now=now)
            door = open_oauth_client_of_app(connection.provider, client_id=connection.client_id)
            door.disconnect(token, remote_id=connection.remote_id)
        except (Unavailable, Disconnected, AppNotConfigured):
            pass  # ours is forgotten all the same; an unused token dies by itself
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
    """Whether another tier stands on the same access: a provider has one per app, person and organisation."""
    others = Connection.objects.filter(merchant=connection.merchant_id, state="connected").exclude(pk=connection.pk)
    same = {"provider": connection.provider, "client_id": connection.client_id, "remote_id": connection.remote_id}
    return bool(connection.remote_id) and others.filter(**same).exists()


def disconnect_all(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Give back everything, so that another company can be connected; answers how many."""
    held = list(list_live_connections(merchant).select_related("merchant"))
    for connection in held:
        disconnect(connection, by=by, now=now)
    return len(held)


def update_multi_connection(merchant: Merchant, *, is_on: bool, now: datetime) -> bool:
    """Divide the work between three connections, or not; False if it was so. What is not needed is given back."""
    changed = Merchant.objects.filter(pk=merchant.pk, has_multi_connection=not is_on).update(has_multi_connection=is_on)
    merchant.has_multi_connection = is_on
    if not is_on:
        for connection in list_live_connections(merchant).exclude(tier=Tier.WISE_PAY).select_related("merchant"):
            disconnect(connection, by="operator", now=now)
    with transaction():
        announce_restored_connection(merchant, now=now)
    return bool(changed)
