"""Access tokens: whoever needs one asks here, and one refresh serves everybody."""

from datetime import datetime, timedelta

from django.db import OperationalError, transaction
from django.db import connection as database
from django.urls import reverse

from connections.models import Connection
from connections.providers import RefusedGrant, Tokens, open_provider
from merchants.models import EventNotification
from merchants.services import notify_merchant
from wisepay.errors import Disconnected, Unavailable

MARGIN = timedelta(seconds=90)  # a token that ends sooner than this is refreshed before it is used
LOCK_WAIT = "8s"


def fresh_access_token(connection: Connection, *, now: datetime) -> str:
    """A token that is good for at least MARGIN. Raises Disconnected or Unavailable.

    Holds the row's lock across the provider's answer: the one place where a transaction spans HTTP,
    because a rotating refresh token may be used by one caller only.
    """
    if connection.state == "connected" and _is_fresh(connection, now=now):
        return str(connection.access_token.reveal())
    try:
        token, refusal = _refresh(connection, now=now)
    except OperationalError as error:
        raise Unavailable("another worker is refreshing this connection", retry_after=2) from error
    if refusal:
        raise Disconnected(refusal)
    return token


def _is_fresh(connection: Connection, *, now: datetime) -> bool:
    return connection.access_expires_at is not None and connection.access_expires_at - now > MARGIN


@transaction.atomic(durable=True)
def _refresh(connection: Connection, *, now: datetime) -> tuple[str, str]:
    """The token, or why there is none; a refusal is committed, so it is answered and not raised."""
    with database.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    row = connection.lock()
    if row.state != "connected":
        return "", "The accounting package is not connected."
    if _is_fresh(row, now=now):
        return row.access_token.reveal(), ""
    try:
        tokens = open_provider(row.provider).refresh(row.refresh_token.reveal(), now=now)
    except RefusedGrant as error:
        break_connection(row, reason=f"The refresh token was refused ({error}).", now=now)
        return "", "The accounting package no longer accepts our connection."
    store_tokens(row, tokens)
    return tokens.access, ""


def store_tokens(connection: Connection, tokens: Tokens) -> None:
    """Write a new pair; it is committed before anybody uses it."""
    connection.access_token, connection.refresh_token = tokens.access, tokens.refresh
    connection.access_expires_at = tokens.expires_at
    connection.save(update_fields=["access_token", "refresh_token", "access_expires_at"])


@transaction.atomic(durable=True)
def doubt_token(connection: Connection) -> bool:
    """A token was refused before its time, so the next caller refreshes it first.

    False when the one before was refused too: then it is the connection itself that is refused.
    """
    row = connection.lock()
    if row.state != "connected" or row.is_doubted:
        return False
    Connection.objects.filter(pk=row.pk).update(access_expires_at=None, is_doubted=True)
    connection.access_expires_at = None
    return True


def trust_token(connection: Connection) -> None:
    """A token was accepted."""
    Connection.objects.filter(pk=connection.pk, is_doubted=True).update(is_doubted=False)


def break_connection(connection: Connection, *, reason: str, now: datetime) -> None:
    """Only a person can mend this connection now; they are told once per break. A step of an open transaction."""
    ended = {"last_error": reason[:300], "access_expires_at": None}
    if connection.move_to("broken", now=now, by="provider", reason=reason, **ended):
        notify_merchant(
            connection.merchant,
            event=EventNotification.Event.CONNECTION_BROKEN,
            key=f"broken:{connection.pk}:{now.isoformat()}",
            title="Your accounting package is disconnected",
            body="Payments go on. What has to be booked waits until you connect again.",
            path=reverse("connections:list", args=[connection.merchant.reference]),
            now=now,
        )
