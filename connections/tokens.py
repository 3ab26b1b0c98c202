"""Access tokens: get one, refreshed if needed; one refresh serves all workers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError
from django.db import connection as database
from django_subatomic.db import transaction

from connections.availability import record_unavailable
from connections.disconnects import record_disconnect
from connections.models import Connection, DisconnectCause
from connections.providers import PROVIDERS, AppNotConfigured, InvalidGrant, OAuthTokens, open_oauth_client_of_app
from wisepay.errors import Disconnected, Unavailable

REFRESH_MARGIN = timedelta(seconds=90)  # a token that ends sooner than this is refreshed before it is used
# A background task refreshes a token that ends sooner than this, so that nobody waits for it.
BACKGROUND_REFRESH_MARGIN = timedelta(minutes=5)
# A token this new that is refused like the one before it says that not the token but the connection is refused.
NEW_TOKEN_AGE = timedelta(minutes=10)
LOCK_TIMEOUT = "8s"
TOKEN_FIELDS = ("access_token", "refresh_token", "access_expires_at", "refreshed_at")
ENDING_SOON = timedelta(days=14)  # how long before its end people are notified of a permission's end


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """Why there is no token until a person connects again."""

    message: str


def get_access_token(connection: Connection, *, now: datetime, margin: timedelta = REFRESH_MARGIN) -> str:
    """Get a token that is valid for at least `margin`. Raises Disconnected or Unavailable.

    A refresh holds the row's lock during the HTTP request, the only place where a transaction does: a rotating
    refresh token may be used by one caller only.
    """
    if connection.state == "connected" and _is_fresh(connection, now=now, margin=margin):
        return str(connection.access_token.decrypt())
    try:
        found = _refresh(connection, now=now, margin=margin)
    except OperationalError as error:
        raise Unavailable("another worker is refreshing this connection", retry_after=2, maybe_done=False) from error
    except Unavailable as error:
        record_unavailable(connection, error, now=now)
        raise
    if isinstance(found, TokenRefusal):
        raise Disconnected(found.message)
    _copy_tokens(found, to=connection)
    return str(connection.access_token.decrypt())


def _copy_tokens(row: Connection, *, to: Connection) -> None:
    """Give a connection that was read before a refresh the tokens of its row."""
    for name in TOKEN_FIELDS:
        setattr(to, name, getattr(row, name))


def _is_fresh(connection: Connection, *, now: datetime, margin: timedelta) -> bool:
    return connection.access_expires_at is not None and connection.access_expires_at - now > margin


@transaction()
def _refresh(connection: Connection, *, now: datetime, margin: timedelta) -> Connection | TokenRefusal:
    """The row with its new token, or why there is none; a refusal is returned, so that its record is committed."""
    with database.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    row = connection.lock()
    if row.state != "connected":
        return TokenRefusal(f"The accounting package is not connected. {row.last_error}".strip())
    if _is_fresh(row, now=now, margin=margin):
        return row
    try:
        provider = open_oauth_client_of_app(row.provider, client_id=row.client_id)
        tokens = provider.refresh(row.refresh_token.decrypt(), now=now)
    except AppNotConfigured as error:
        return _record_refusal(row, DisconnectCause.APP_GONE, str(error), now=now)
    except InvalidGrant as error:
        cause = DisconnectCause.EXPIRED if is_permission_expired(row, now=now) else DisconnectCause.REVOKED
        return _record_refusal(row, cause, f"The refresh token was refused ({error}).", now=now)
    save_tokens(row, tokens, now=now)
    return row


def _record_refusal(row: Connection, cause: DisconnectCause, reason: str, *, now: datetime) -> TokenRefusal:
    record_disconnect(row, cause=cause, reason=reason, now=now)
    return TokenRefusal("The accounting package no longer accepts our connection.")


def save_tokens(connection: Connection, tokens: OAuthTokens, *, now: datetime) -> None:
    """Save a new pair of tokens."""
    connection.access_token, connection.refresh_token = tokens.access, tokens.refresh
    connection.access_expires_at, connection.refreshed_at = tokens.expires_at, now
    connection.save(update_fields=TOKEN_FIELDS)


def get_permission_end(connection: Connection) -> datetime | None:
    """When the unused refresh token or the consent itself expires, whichever is first; None if unknown."""
    info = PROVIDERS.get(connection.provider)
    issued_at = connection.refreshed_at or connection.connected_at
    if info is None or issued_at is None:
        return None
    idle_end = issued_at + info.lifetime.idle
    if info.lifetime.total and connection.connected_at:
        return min(idle_end, connection.connected_at + info.lifetime.total)
    return idle_end


def is_permission_ending(connection: Connection, *, now: datetime) -> bool:
    """Whether a person should connect again soon."""
    ends = get_permission_end(connection)
    return ends is not None and ends - now < ENDING_SOON


def is_permission_expired(connection: Connection, *, now: datetime) -> bool:
    """Whether the refresh token is too old to be accepted."""
    ends = get_permission_end(connection)
    return ends is not None and ends <= now


@transaction()
def expire_refused_token(connection: Connection, *, now: datetime) -> bool:
    """Expire the connection's token, which was refused, so that the next caller refreshes it first.

    Where another caller has expired or refreshed it since, the row's is taken instead. False when the one before it
    was refused just now, too: then it is the connection itself that is refused.
    """
    row = connection.lock()
    read = (connection.refreshed_at, connection.access_expires_at)
    if row.state == "connected" and (row.refreshed_at, row.access_expires_at) != read:
        _copy_tokens(row, to=connection)
        return True
    is_new = row.refreshed_at is not None and now - row.refreshed_at < NEW_TOKEN_AGE
    if row.state != "connected" or (row.token_was_refused and is_new):
        return False
    Connection.objects.filter(pk=row.pk).update(access_expires_at=None, token_was_refused=True)
    connection.access_expires_at = None
    return True
