"""Verifying that a token is still valid: by a button, by a task every few seconds, and after a refused call."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse
from django_subatomic.db import transaction

from connections.availability import ConnectionEventKind, record_connection_event, record_success, record_unavailable
from connections.disconnects import record_disconnect
from connections.models import Connection, DisconnectCause
from connections.providers import PROVIDER_LABELS, PROVIDERS, AppNotConfigured, InvalidGrant, open_oauth_client_of_app
from connections.rate_limiter.limiter import Priority
from connections.tokens import (
    BACKGROUND_REFRESH_MARGIN,
    expire_refused_token,
    get_access_token,
    get_permission_end,
    is_permission_ending,
)
from merchants.models import EventNotification
from merchants.services import notify_merchant
from wisepay.errors import Disconnected, Unavailable

RECENT_SUCCESS = timedelta(seconds=10)  # a call that succeeded this recently stands for a verification
BATCH = 500


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """The result of a verification; without a `cause` the access is valid."""

    cause: DisconnectCause | None = None
    reason: str = ""


def verify_access(connection: Connection, *, now: datetime, priority: Priority = "company") -> VerificationResult:
    """Ask the provider whether we have access; some count it as a call of the budget. Raises Unavailable."""
    try:
        token = get_access_token(connection, now=now)
        provider = open_oauth_client_of_app(connection.provider, client_id=connection.client_id)
        is_allowed = provider.has_access(token, organisation_id=connection.organisation_id, priority=priority)
    except Disconnected as error:
        return VerificationResult(DisconnectCause.REVOKED, str(error))
    except AppNotConfigured as error:
        return VerificationResult(DisconnectCause.APP_GONE, str(error))
    except InvalidGrant as error:
        return retry_verification(connection, error, now=now)
    except Unavailable as error:
        record_unavailable(connection, error, now=now)
        raise
    if is_allowed:
        return VerificationResult()
    return VerificationResult(DisconnectCause.DISCONNECTED, "The organisation is not among those that we may open.")


def retry_verification(connection: Connection, error: InvalidGrant, *, now: datetime) -> VerificationResult:
    """Verify once more with a new token, after one was refused before its end."""
    if not expire_refused_token(connection, now=now):
        return VerificationResult(DisconnectCause.REVOKED, str(error))
    result = verify_access(connection, now=now)
    if result.cause is None:
        Connection.objects.filter(pk=connection.pk).update(token_was_refused=False)
    return result


def verify_connection(connection: Connection, *, now: datetime, by: str = "") -> bool:
    """Test the connection for a person, and record the result. Raises Unavailable.

    Where a verification costs a call, one that just succeeded is the result.
    """
    result = VerificationResult()
    if not has_recent_success(connection, now=now):
        result = verify_access(connection, now=now, priority="interactive")
        apply_verification(connection, result, now=now)
    is_good = result.cause is None
    with transaction():
        Connection.objects.filter(pk=connection.pk).update(tested_at=now, test_passed=is_good)
        kind = ConnectionEventKind.TEST_PASSED if is_good else ConnectionEventKind.TEST_FAILED
        record_connection_event(connection, kind, text=result.reason, by=by, now=now)
    return is_good


def has_recent_success(connection: Connection, *, now: datetime) -> bool:
    """Whether a verification would cost a call and tell nothing new."""
    if connection.state != "connected" or connection.succeeded_at is None:
        return False
    return PROVIDERS[connection.provider].verification_costs_call and now - connection.succeeded_at < RECENT_SUCCESS


def apply_verification(connection: Connection, result: VerificationResult, *, now: datetime) -> None:
    """Record the success, or a disconnect unless the connection was connected again meanwhile."""
    if result.cause is None:
        record_success(connection, now=now, is_work=False)
        return
    with transaction():
        row = connection.lock()
        if row.state == "connected" and row.connected_at == connection.connected_at:
            record_disconnect(row, cause=result.cause, reason=result.reason, now=now)


def handle_unauthorised(connection: Connection, *, now: datetime) -> bool:
    """Handle a call that was refused as unauthorised. True: try again with a new token.

    False: the connection is broken now, with its cause. Raises Unavailable while the provider can't be asked.
    """
    if expire_refused_token(connection, now=now):
        return True
    result = verify_access(connection, now=now)
    if result.cause is None:
        result = VerificationResult(
            DisconnectCause.USER_REMOVED, "Calls are refused though the organisation is listed."
        )
    apply_verification(connection, result, now=now)
    return False


def reserve_due_connections(*, now: datetime) -> list[int]:
    """Reserve for this caller the connections without a recent success, or whose token ends soon; answer their keys."""
    due, unreserved = Q(access_expires_at__lte=now + BACKGROUND_REFRESH_MARGIN), Q(checked_at=None)
    for name, info in PROVIDERS.items():
        quiet = now - info.verify_after
        due |= Q(provider=name) & (Q(succeeded_at=None) | Q(succeeded_at__lte=quiet))
        unreserved |= Q(provider=name, checked_at__lte=quiet) | Q(checked_at__lte=now - BACKGROUND_REFRESH_MARGIN)
    rows = Connection.objects.filter(due, state="connected")
    keys = rows.filter(unreserved).order_by("checked_at", "pk").values_list("pk", flat=True)[:BATCH]
    return [pk for pk in keys if rows.filter(unreserved, pk=pk).update(checked_at=now)]


def refresh_and_verify(connection: Connection, *, now: datetime) -> None:
    """Refresh the token before anybody has to wait for it, and verify it unless a call just succeeded.

    An unavailable provider is recorded, not raised.
    """
    with suppress(Unavailable, Disconnected):
        get_access_token(connection, now=now, margin=BACKGROUND_REFRESH_MARGIN)
        connection.refresh_from_db()
        quiet = now - PROVIDERS[connection.provider].verify_after
        if connection.succeeded_at is None or connection.succeeded_at <= quiet:
            apply_verification(connection, verify_access(connection, now=now), now=now)
    connection.refresh_from_db()
    if connection.state == "connected" and is_permission_ending(connection, now=now):
        notify_permission_ending(connection, now=now)


def notify_permission_ending(connection: Connection, *, now: datetime) -> None:
    """Notify the merchant once that the permission ends soon."""
    ends = get_permission_end(connection)
    label = PROVIDER_LABELS.get(connection.provider, "your accounting package")
    with transaction():
        notify_merchant(
            connection.merchant,
            event=EventNotification.Event.CONNECTION_BROKEN,
            key=f"ending:{connection.pk}:{ends:%Y-%m-%d}",
            title=f"The permission for {label} runs out on {ends:%d %b %Y}",
            body=f"Connect {connection.organisation_name} again before then, and nothing is interrupted.",
            path=reverse("connections:list", args=[connection.merchant.reference]),
            now=now,
        )
