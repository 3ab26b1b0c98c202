"""Whether a token is still valid: asked by a button, by a task every few seconds, and after a refused call."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from connections.breaks import break_connection
from connections.budget import Lane
from connections.health import Kind, note_accepted, note_unavailable, record_event
from connections.models import Cause, Connection
from connections.providers import LABELS, PROVIDERS, AppGone, RefusedGrant, reopen_provider
from connections.tokens import EARLY, doubt_token, fresh_access_token, is_ending, permission_ends_at
from merchants.models import EventNotification
from merchants.services import notify_merchant
from wisepay.errors import Disconnected, Unavailable

JUST = timedelta(seconds=10)  # so long an answer to work says that the next call would be accepted as well
BATCH = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the provider said; without a `cause` all is well."""

    cause: Cause | None = None
    reason: str = ""


def examine(connection: Connection, *, now: datetime, lane: Lane = "company") -> Verdict:
    """Ask the provider's front door, which for some costs a call of the organisation's budget. Raises Unavailable."""
    try:
        token = fresh_access_token(connection, now=now)
        provider = reopen_provider(connection.provider, client_id=connection.client_id)
        is_allowed = provider.allows(token, organisation_id=connection.organisation_id, lane=lane)
    except Disconnected as error:
        return Verdict(Cause.REVOKED, str(error))
    except AppGone as error:
        return Verdict(Cause.APP_GONE, str(error))
    except RefusedGrant as error:
        return examine_again(connection, error, now=now)
    except Unavailable as error:
        note_unavailable(connection, error, now=now)
        raise
    if is_allowed:
        return Verdict()
    return Verdict(Cause.DISCONNECTED, "The organisation is not among those that we may open.")


def examine_again(connection: Connection, error: RefusedGrant, *, now: datetime) -> Verdict:
    """The front door refused a token before its time: once more with a fresh one."""
    if not doubt_token(connection, now=now):
        return Verdict(Cause.REVOKED, str(error))
    verdict = examine(connection, now=now)
    if verdict.cause is None:
        Connection.objects.filter(pk=connection.pk).update(is_doubted=False)
    return verdict


def verify_connection(connection: Connection, *, now: datetime, by: str = "") -> bool:
    """Test the token because somebody wants to know, and write down the answer and the time. Raises Unavailable.

    Where asking costs a call, one that just succeeded is the answer.
    """
    verdict = Verdict()
    if not was_just_accepted(connection, now=now):
        verdict = examine(connection, now=now, lane="interactive")
        heed_verdict(connection, verdict, now=now)
    is_good = verdict.cause is None
    with transaction.atomic(durable=True):
        Connection.objects.filter(pk=connection.pk).update(tested_at=now, test_passed=is_good)
        kind = Kind.TEST_PASSED if is_good else Kind.TEST_FAILED
        record_event(connection, kind, text=verdict.reason, by=by, now=now)
    return is_good


def was_just_accepted(connection: Connection, *, now: datetime) -> bool:
    """Whether asking again would cost a call and tell nothing new."""
    if connection.state != "connected" or connection.succeeded_at is None:
        return False
    return PROVIDERS[connection.provider].costs and now - connection.succeeded_at < JUST


def heed_verdict(connection: Connection, verdict: Verdict, *, now: datetime) -> None:
    """Break what is no longer accepted, unless it was connected anew meanwhile; otherwise note that it is accepted."""
    if verdict.cause is None:
        note_accepted(connection, now=now, is_work=False)
        return
    with transaction.atomic(durable=True):
        row = connection.lock()
        if row.state == "connected" and row.connected_at == connection.connected_at:
            break_connection(row, cause=verdict.cause, reason=verdict.reason, now=now)


def heed_refusal(connection: Connection, *, now: datetime) -> bool:
    """A call was refused as not allowed. True: another try with a fresh token is worth it.

    False: the connection is broken now, its cause told apart. Raises Unavailable while nobody can say.
    """
    if doubt_token(connection, now=now):
        return True
    verdict = examine(connection, now=now)
    if verdict.cause is None:
        verdict = Verdict(Cause.USER_REMOVED, "Calls are refused though the organisation is listed.")
    heed_verdict(connection, verdict, now=now)
    return False


# ---- in the background -------------------------------------------------------------------------------


def due_checks(*, now: datetime) -> list[int]:
    """Connections that nothing was heard of for a while, or whose token ends soon; each is taken by this call."""
    due, free = Q(access_expires_at__lte=now + EARLY), Q(checked_at=None)
    for name, about in PROVIDERS.items():
        quiet = now - about.quiet
        due |= Q(provider=name) & (Q(succeeded_at=None) | Q(succeeded_at__lte=quiet))
        free |= Q(provider=name, checked_at__lte=quiet) | Q(checked_at__lte=now - EARLY)
    rows = Connection.objects.filter(due, state="connected")
    keys = rows.filter(free).order_by("checked_at", "pk").values_list("pk", flat=True)[:BATCH]
    return [pk for pk in keys if rows.filter(free, pk=pk).update(checked_at=now)]


def look_after(connection: Connection, *, now: datetime) -> None:
    """Refresh the token before anybody has to wait for it, and see whether it is still accepted.

    Where a call just succeeded nothing is asked. A provider that is away is noted, not raised.
    """
    with suppress(Unavailable, Disconnected):
        fresh_access_token(connection, now=now, margin=EARLY)
        connection.refresh_from_db()
        quiet = now - PROVIDERS[connection.provider].quiet
        if connection.succeeded_at is None or connection.succeeded_at <= quiet:
            heed_verdict(connection, examine(connection, now=now), now=now)
    connection.refresh_from_db()
    if connection.state == "connected" and is_ending(connection, now=now):
        warn_of_end(connection, now=now)


def warn_of_end(connection: Connection, *, now: datetime) -> None:
    """Tell people once that the permission runs out."""
    ends = permission_ends_at(connection)
    label = LABELS.get(connection.provider, "your accounting package")
    with transaction.atomic(durable=True):
        notify_merchant(
            connection.merchant,
            event=EventNotification.Event.CONNECTION_BROKEN,
            key=f"ending:{connection.pk}:{ends:%Y-%m-%d}",
            title=f"The permission for {label} runs out on {ends:%d %b %Y}",
            body=f"Connect {connection.organisation_name} again before then, and nothing is interrupted.",
            path=reverse("connections:list", args=[connection.merchant.reference]),
            now=now,
        )
