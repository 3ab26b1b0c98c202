"""What is known of a provider's willingness: when it last accepted us, since when it is silent."""

from datetime import datetime, timedelta

from django.db.models import Q
from django_subatomic.db import transaction_if_not_already

from connections.models import Connection, ConnectionEvent
from wisepay.errors import Unavailable

ConnectionEventKind = ConnectionEvent.Kind
EVENT_RETENTION = timedelta(days=30)
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0  # seconds between tries while nothing is answered


def record_success(connection: Connection, *, now: datetime, is_work: bool = True) -> None:
    """The provider accepted our token: for work, or (`is_work` False) only at its front door.

    A front door that answers says nothing about work that failed, so that is left to the next work.
    """
    change = {"succeeded_at": now}
    rows = Connection.objects.filter(pk=connection.pk)
    if is_work:
        rows.update(**change, blocked_until=None, failures=0, token_was_refused=False)
    else:
        rows.update(**change)
    silent = rows.filter(Q(failures=0), state="connected")
    with transaction_if_not_already():
        if silent.exclude(unavailable_since=None).update(unavailable_since=None, last_error=""):
            record_connection_event(connection, ConnectionEventKind.AVAILABLE, now=now)
        elif is_work:
            silent.update(last_error="")


def record_unavailable(connection: Connection, error: Unavailable, *, now: datetime) -> None:
    """The provider does not answer. A limit is no silence: it says when to come back."""
    if is_rate_limit(error):
        return
    text = str(error)[:300]
    with transaction_if_not_already():
        fresh = Connection.objects.filter(pk=connection.pk, state="connected", unavailable_since=None)
        if fresh.update(unavailable_since=now, last_error=text):
            record_connection_event(connection, ConnectionEventKind.UNAVAILABLE, text=text, now=now)


def record_outage(connection: Connection, error: Unavailable, *, now: datetime) -> float:
    """Work was not done: write down until when the provider is left alone; answers the seconds."""
    record_unavailable(connection, error, now=now)
    pause = error.retry_after or min(FIRST_PAUSE * 2 ** min(connection.failures, 10), LONGEST_PAUSE)
    Connection.objects.filter(pk=connection.pk).update(
        blocked_until=now + timedelta(seconds=pause),
        last_error=str(error)[:300],
        failures=connection.failures + (0 if is_rate_limit(error) else 1),
    )
    return pause + 1


def is_rate_limit(error: Unavailable) -> bool:
    """Whether nothing was done because there were too many calls, and it is known when there may be more."""
    return error.retry_after is not None and not error.maybe_done


def record_connection_event(
    connection: Connection, kind: ConnectionEventKind, *, now: datetime, text: str = "", by: str = ""
) -> None:
    """One line of the connection's history."""
    ConnectionEvent.objects.create(connection_id=connection.pk, kind=kind, text=text[:300], by=by[:254], at=now)


def delete_old_events(*, now: datetime) -> int:
    """Delete what is older than the history shows; answers how many."""
    return ConnectionEvent.objects.filter(at__lt=now - EVENT_RETENTION).delete()[0]
