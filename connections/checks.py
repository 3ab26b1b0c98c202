"""Whether a token is still valid: asked by a button, by a task every few seconds, and after a refused call."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from connections.breaks import break_connection
from connections.health import Kind, note_accepted, note_unavailable, record_event
from connections.models import Cause, Connection
from connections.providers import LABELS, AppGone, RefusedGrant, Tokens, reopen_provider
from connections.tokens import EARLY, doubt_token, fresh_access_token, is_ending, permission_ends_at
from merchants.models import EventNotification
from merchants.services import notify_merchant
from wisepay.errors import Disconnected, Unavailable

CHECK_AFTER = timedelta(seconds=35)  # of silence; with the task's 15 s a break is seen within a minute
BATCH = 500


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the provider said; without a `cause` all is well."""

    cause: Cause | None = None
    reason: str = ""


def examine(connection: Connection, *, now: datetime) -> Verdict:
    """Ask the provider's front door. Costs no call of the organisation's budget. Raises Unavailable."""
    try:
        token = fresh_access_token(connection, now=now)
        provider = reopen_provider(connection.provider, client_id=connection.client_id)
        found = provider.organisations(Tokens(access=token, refresh="", expires_at=now))
    except Disconnected as error:
        return Verdict(Cause.REVOKED, str(error))
    except AppGone as error:
        return Verdict(Cause.APP_GONE, str(error))
    except RefusedGrant as error:
        return examine_again(connection, error, now=now)
    except Unavailable as error:
        note_unavailable(connection, error, now=now)
        raise
    if any(o.id == connection.organisation_id for o in found):
        return Verdict()
    return Verdict(Cause.DISCONNECTED, "The organisation is not among those that we may open.")


def examine_again(connection: Connection, error: RefusedGrant, *, now: datetime) -> Verdict:
    """The front door refused a token before its time: once more with a fresh one."""
    if not doubt_token(connection):
        return Verdict(Cause.REVOKED, str(error))
    verdict = examine(connection, now=now)
    if verdict.cause is None:
        Connection.objects.filter(pk=connection.pk).update(is_doubted=False)
    return verdict


def verify_connection(connection: Connection, *, now: datetime, by: str = "") -> bool:
    """Test the token because somebody wants to know, and write down the answer and the time. Raises Unavailable."""
    verdict = examine(connection, now=now)
    is_good = verdict.cause is None
    heed_verdict(connection, verdict, now=now)
    with transaction.atomic(durable=True):
        Connection.objects.filter(pk=connection.pk).update(tested_at=now, test_passed=is_good)
        kind = Kind.TEST_PASSED if is_good else Kind.TEST_FAILED
        record_event(connection, kind, text=verdict.reason, by=by, now=now)
    return is_good


def heed_verdict(connection: Connection, verdict: Verdict, *, now: datetime) -> None:
    """Break what the provider no longer accepts; otherwise note that it does."""
    if verdict.cause is None:
        note_accepted(connection, now=now, is_work=False)
        return
    with transaction.atomic(durable=True):
        row = connection.lock()
        if row.state == "connected":
            break_connection(row, cause=verdict.cause, reason=verdict.reason, now=now)


def heed_refusal(connection: Connection, *, now: datetime) -> bool:
    """A call was refused as not allowed. True: another try with a fresh token is worth it.

    False: the connection is broken now, its cause told apart. Raises Unavailable while nobody can say.
    """
    if doubt_token(connection):
        return True
    verdict = examine(connection, now=now)
    if verdict.cause is None:
        verdict = Verdict(Cause.USER_REMOVED, "Calls are refused though the organisation is listed.")
    heed_verdict(connection, verdict, now=now)
    return False


# ---- in the background -------------------------------------------------------------------------------


def due_checks(*, now: datetime) -> list[int]:
    """Connections that nothing was heard of for a while, or whose token ends soon; each is taken by this call."""
    quiet = now - CHECK_AFTER
    due = Connection.objects.filter(
        Q(succeeded_at=None) | Q(succeeded_at__lte=quiet) | Q(access_expires_at__lte=now + EARLY), state="connected"
    )
    free = due.filter(Q(checked_at=None) | Q(checked_at__lte=quiet)).order_by("checked_at", "pk")
    return [pk for pk in free.values_list("pk", flat=True)[:BATCH] if take_check(pk, now=now)]


def take_check(pk: int, *, now: datetime) -> bool:
    """Whether nobody else looks after this connection at the moment."""
    free = Q(checked_at=None) | Q(checked_at__lte=now - CHECK_AFTER)
    return bool(Connection.objects.filter(free, pk=pk).update(checked_at=now))


def look_after(connection: Connection, *, now: datetime) -> None:
    """Refresh the token before anybody has to wait for it, and see whether it is still accepted.

    Where a call just succeeded nothing is asked. A provider that is away is noted, not raised.
    """
    with suppress(Unavailable, Disconnected):
        fresh_access_token(connection, now=now, margin=EARLY)
        connection.refresh_from_db()
        if connection.succeeded_at is None or connection.succeeded_at <= now - CHECK_AFTER:
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
