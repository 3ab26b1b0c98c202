"""Recording that a connection is broken until a person connects again, and notifying people once."""

from datetime import datetime, timedelta

from django.urls import reverse
from django_subatomic.db import transaction_required

from connections.models import Connection, DisconnectCause
from connections.providers import PROVIDER_LABELS
from merchants.models import EventNotification
from merchants.services import notify_merchant

GROUPING_WINDOW = timedelta(minutes=10)  # disconnects of one cause within this are notified once

# What happened and what to do, for people; {label} is the accounting package, {organisation} the merchant's.
DISCONNECT_MESSAGES = {
    DisconnectCause.REVOKED: "Somebody took Wise-Pay's access to {label} back. Connect again to allow it anew.",
    DisconnectCause.USER_REMOVED: (
        "{label} no longer lets us into {organisation}: the person who connected it was removed there, or may no "
        "longer manage connections. Somebody who may has to connect again."
    ),
    DisconnectCause.DISCONNECTED: (
        "{organisation} was disconnected from Wise-Pay inside {label}. Connect again if that was not meant."
    ),
    DisconnectCause.EXPIRED: (
        "The permission for {organisation} ran out because it was not used for too long. Connect again."
    ),
    DisconnectCause.APP_GONE: (
        "This server no longer has the {label} app that the connection was made with. Connect again."
    ),
}


def get_disconnect_message(connection: Connection) -> str:
    """Explain why a connection is broken and what to do; empty for one that is not broken."""
    message = DISCONNECT_MESSAGES.get(DisconnectCause(connection.cause)) if connection.cause else None
    if message is None:
        return ""
    label = PROVIDER_LABELS.get(connection.provider, "the accounting package")
    return message.format(label=label, organisation=connection.organisation_name or "The organisation")


@transaction_required
def record_disconnect(connection: Connection, *, cause: DisconnectCause, reason: str, now: datetime) -> None:
    """Move the connection to broken, and notify the merchant once of each cause."""
    is_known = is_repeated_disconnect(connection, cause, now=now)
    ended = {"last_error": reason[:300], "cause": cause.value, "access_expires_at": None, "unavailable_since": None}
    if not connection.move_to("broken", now=now, by="provider", reason=f"{cause.label}: {reason}", **ended) or is_known:
        return
    notify_merchant(
        connection.merchant,
        event=EventNotification.Event.CONNECTION_BROKEN,
        key=f"broken:{connection.pk}:{now.isoformat()}",
        title="Your accounting package is disconnected",
        body=(
            f"The {connection.get_tier_display()} connection to {connection.organisation_name or 'it'}: "
            f"{get_disconnect_message(connection)} Payments go on. What has to be booked waits until then; "
            "nothing is lost."
        ),
        path=reverse("connections:list", args=[connection.merchant.reference]),
        now=now,
    )


def is_repeated_disconnect(connection: Connection, cause: DisconnectCause, *, now: datetime) -> bool:
    """Whether another connection of the merchant broke for the same cause just now, of which people were notified."""
    others = Connection.objects.filter(merchant=connection.merchant_id, state="broken", cause=cause)
    return others.filter(state_at__gt=now - GROUPING_WINDOW).exclude(pk=connection.pk).exists()
