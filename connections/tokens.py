"""Access tokens: whoever needs one asks here, and one refresh serves everybody."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError, transaction
from django.db import connection as database

from connections.breaks import break_connection
from connections.health import note_unavailable
from connections.models import Cause, Connection
from connections.providers import PROVIDERS, AppGone, RefusedGrant, Tokens, reopen_provider
from wisepay.errors import Disconnected, Unavailable

MARGIN = timedelta(seconds=90)  # a token that ends sooner than this is refreshed before it is used
EARLY = timedelta(minutes=5)  # and one that ends sooner than this by a background task, so that nobody waits for it
NEW = timedelta(minutes=10)  # a token so young that was refused like the one before it says that both were good
LOCK_WAIT = "8s"
SOON = timedelta(days=14)  # how long before its end a permission is warned of


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no token, and why only a person can change that."""

    sentence: str


def fresh_access_token(connection: Connection, *, now: datetime, margin: timedelta = MARGIN) -> str:
    """A token that is good for at least `margin`. Raises Disconnected or Unavailable.

    Holds the row's lock across the provider's answer: the one place where a transaction spans HTTP,
    because a rotating refresh token may be used by one caller only.
    """
    if connection.state == "connected" and _is_fresh(connection, now=now, margin=margin):
        return str(connection.access_token.reveal())
    try:
        found = _refresh(connection, now=now, margin=margin)
    except OperationalError as error:
        raise Unavailable("another worker is refreshing this connection", retry_after=2, maybe_done=False) from error
    except Unavailable as error:
        note_unavailable(connection, error, now=now)
        raise
    if isinstance(found, Refusal):
        raise Disconnected(found.sentence)
    return found


def _is_fresh(connection: Connection, *, now: datetime, margin: timedelta) -> bool:
    return connection.access_expires_at is not None and connection.access_expires_at - now > margin


@transaction.atomic(durable=True)
def _refresh(connection: Connection, *, now: datetime, margin: timedelta) -> str | Refusal:
    """The token, or why there is none; a refusal is committed, so it is answered and not raised."""
    with database.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    row = connection.lock()
    if row.state != "connected":
        return Refusal(f"The accounting package is not connected. {row.last_error}".strip())
    if _is_fresh(row, now=now, margin=margin):
        return str(row.access_token.reveal())
    try:
        provider = reopen_provider(row.provider, client_id=row.client_id)
        tokens = provider.refresh(row.refresh_token.reveal(), now=now)
    except AppGone as error:
        return _end(row, Cause.APP_GONE, str(error), now=now)
    except RefusedGrant as error:
        cause = Cause.EXPIRED if has_ended(row, now=now) else Cause.REVOKED
        return _end(row, cause, f"The refresh token was refused ({error}).", now=now)
    store_tokens(row, tokens, now=now)
    return tokens.access


def _end(row: Connection, cause: Cause, reason: str, *, now: datetime) -> Refusal:
    break_connection(row, cause=cause, reason=reason, now=now)
    return Refusal("The accounting package no longer accepts our connection.")


def store_tokens(connection: Connection, tokens: Tokens, *, now: datetime) -> None:
    """Write a new pair; it is committed before anybody uses it."""
    connection.access_token, connection.refresh_token = tokens.access, tokens.refresh
    connection.access_expires_at, connection.refreshed_at = tokens.expires_at, now
    connection.save(update_fields=["access_token", "refresh_token", "access_expires_at", "refreshed_at"])


def permission_ends_at(connection: Connection) -> datetime | None:
    """When the refresh token dies if nothing happens, or consent itself does, whichever is first."""
    about = PROVIDERS.get(connection.provider)
    begun = connection.refreshed_at or connection.connected_at
    if about is None or begun is None:
        return None
    life = about.life
    ends = begun + life.idle
    if life.total and connection.connected_at:
        return min(ends, connection.connected_at + life.total)
    return ends


def is_ending(connection: Connection, *, now: datetime) -> bool:
    """Whether somebody should connect again soon."""
    ends = permission_ends_at(connection)
    return ends is not None and ends - now < SOON


def has_ended(connection: Connection, *, now: datetime) -> bool:
    """Whether the refresh token was too old to be accepted."""
    ends = permission_ends_at(connection)
    return ends is not None and ends <= now


@transaction.atomic(durable=True)
def doubt_token(connection: Connection, *, now: datetime) -> bool:
    """A token was refused before its time, so the next caller refreshes it first.

    False when the one before was refused just now, too: then it is the connection itself that is refused.
    """
    row = connection.lock()
    is_new = row.refreshed_at is not None and now - row.refreshed_at < NEW
    if row.state != "connected" or (row.is_doubted and is_new):
        return False
    Connection.objects.filter(pk=row.pk).update(access_expires_at=None, is_doubted=True)
    connection.access_expires_at = None
    return True
