"""Breaking a connection that only a person can mend, and telling people once."""

from datetime import datetime, timedelta

from django.urls import reverse

from connections.models import Cause, Connection
from connections.providers import LABELS
from merchants.models import EventNotification
from merchants.services import notify_merchant

TOGETHER = timedelta(minutes=10)  # connections that break for one cause within this are one break to people

# What happened and what to do, for people; {label} is the accounting package, {organisation} the merchant's.
WORDS = {
    Cause.REVOKED: "Somebody took Wise-Pay's access to {label} back. Connect again to allow it anew.",
    Cause.USER_REMOVED: "{label} no longer lets us into {organisation}: the person who connected it was removed there, "
    "or may no longer manage connections. Somebody who may has to connect again.",
    Cause.DISCONNECTED: "{organisation} was disconnected from Wise-Pay inside {label}. Connect again if that was not "
    "meant.",
    Cause.EXPIRED: "The permission for {organisation} ran out because it was not used for too long. Connect again.",
    Cause.APP_GONE: "This server no longer has the {label} app that the connection was made with. Connect again.",
}


def words_for(connection: Connection) -> str:
    """Why a broken connection is broken, and what to do; empty for one that is not."""
    sentence = WORDS.get(Cause(connection.cause)) if connection.cause else None
    if sentence is None:
        return ""
    label = LABELS.get(connection.provider, "the accounting package")
    return sentence.format(label=label, organisation=connection.organisation_name or "The organisation")


def break_connection(connection: Connection, *, cause: Cause, reason: str, now: datetime) -> None:
    """Only a person can mend this connection now; they are told once per break. A step of an open transaction."""
    is_told = is_one_of_several(connection, cause, now=now)
    ended = {"last_error": reason[:300], "cause": cause.value, "access_expires_at": None, "unavailable_since": None}
    if not connection.move_to("broken", now=now, by="provider", reason=f"{cause.label}: {reason}", **ended) or is_told:
        return
    notify_merchant(
        connection.merchant,
        event=EventNotification.Event.CONNECTION_BROKEN,
        key=f"broken:{connection.pk}:{now.isoformat()}",
        title="Your accounting package is disconnected",
        body=f"{words_for(connection)} Payments go on. What has to be booked waits until then; nothing is lost.",
        path=reverse("connections:list", args=[connection.merchant.reference]),
        now=now,
    )


def is_one_of_several(connection: Connection, cause: Cause, *, now: datetime) -> bool:
    """Whether another connection of the merchant broke for the same cause just now, so that people know already."""
    others = Connection.objects.filter(merchant=connection.merchant_id, state="broken", cause=cause)
    return others.filter(state_at__gt=now - TOGETHER).exclude(pk=connection.pk).exists()
