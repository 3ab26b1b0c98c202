"""Whether a token is still valid: asked by a button, by a task every few seconds, and after a refused call."""

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
from connections.rate_limiter.budget import Priority
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

RECENT_SUCCESS = timedelta(seconds=10)  # so long an answer to work says that the next call would be accepted as well
BATCH = 500


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What the provider said; without a `cause` all is well."""

    cause: DisconnectCause | None = None
    reason: str = ""


def verify_access(connection: Connection, *, now: datetime, priority: Priority = "company") -> VerificationResult:
    """Ask the provider's front door, which for some costs a call of the organisation's budget. Raises Unavailable."""
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
    """The front door refused a token before its time: once more with a fresh one."""
    if not expire_refused_token(connection, now=now):
        return VerificationResult(DisconnectCause.REVOKED, str(error))
    verdict = verify_access(connection, now=now)
    if verdict.cause is None:
        Connection.objects.filter(pk=connection.pk).update(token_was_refused=False)
    return verdict


def verify_connection(connection: Connection, *, now: datetime, by: str = "") -> bool:
    """Test the token because somebody wants to know, and write down the answer and the time. Raises Unavailable.

    Where asking costs a call, one that just succeeded is the answer.
    """
    verdict = VerificationResult()
    if not has_recent_success(connection, now=now):
        verdict = verify_access(connection, now=now, priority="interactive")
        apply_verification(connection, verdict, now=now)
    is_good = verdict.cause is None
    with transaction():
        Connection.objects.filter(pk=connection.pk).update(tested_at=now, test_passed=is_good)
        kind = ConnectionEventKind.TEST_PASSED if is_good else ConnectionEventKind.TEST_FAILED
        record_connection_event(connection, kind, text=verdict.reason, by=by, now=now)
    return is_good


def has_recent_success(connection: Connection, *, now: datetime) -> bool:
    """Whether asking again would cost a call and tell nothing new."""
    if connection.state != "connected" or connection.succeeded_at is None:
        return False
    return PROVIDERS[connection.provider].verification_costs_call and now - connection.succeeded_at < RECENT_SUCCESS


def apply_verification(connection: Connection, result: VerificationResult, *, now: datetime) -> None:
    """Break what is no longer accepted, unless it was connected anew meanwhile; otherwise note that it is accepted."""
    if result.cause is None:
        record_success(connection, now=now, is_work=False)
        return
    with transaction():
        row = connection.lock()
        if row.state == "connected" and row.connected_at == connection.connected_at:
            record_disconnect(row, cause=result.cause, reason=result.reason, now=now)


def handle_unauthorised(connection: Connection, *, now: datetime) -> bool:
    """A call was refused as not allowed. True: another try with a fresh token is worth it.

    False: the connection is broken now, its cause told apart. Raises Unavailable while nobody can say.
    """
    if expire_refused_token(connection, now=now):
        return True
    verdict = verify_access(connection, now=now)
    if verdict.cause is None:
        verdict = VerificationResult(
            DisconnectCause.USER_REMOVED, "Calls are refused though the organisation is listed."
        )
    apply_verification(connection, verdict, now=now)
    return False


# ---- in the background -------------------------------------------------------------------------------


def reserve_due_connections(*, now: datetime) -> list[int]:
    """Connections that nothing was heard of for a while, or whose token ends soon; each is taken by this call."""
    due, free = Q(access_expires_at__lte=now + BACKGROUND_REFRESH_MARGIN), Q(checked_at=None)
    for name, about in PROVIDERS.items():
        quiet = now - about.verify_after
        due |= Q(provider=name) & (Q(succeeded_at=None) | Q(succeeded_at__lte=quiet))
        free |= Q(provider=name, checked_at__lte=quiet) | Q(checked_at__lte=now - BACKGROUND_REFRESH_MARGIN)
    rows = Connection.objects.filter(due, state="connected")
    keys = rows.filter(free).order_by("checked_at", "pk").values_list("pk", flat=True)[:BATCH]
    return [pk for pk in keys if rows.filter(free, pk=pk).update(checked_at=now)]


def refresh_and_verify(connection: Connection, *, now: datetime) -> None:
    """Refresh the token before anybody has to wait for it, and see whether it is still accepted.

    Where a call just succeeded nothing is asked. A provider that is away is noted, not raised.
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
    """Tell people once that the permission runs out."""
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
