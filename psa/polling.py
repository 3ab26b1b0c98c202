"""Ask PSA every some minutes whether a down-payment invoice was written, and wake what waits for one."""

from contextlib import suppress
from datetime import datetime, timedelta

from django_subatomic.db import transaction

from psa.models import PsaConnection, PsaPayment
from psa.processing import schedule_processing, schedule_waiting_payments
from psa.session import open_psa_session
from wisepay.errors import Disconnected, Rejected, Unavailable

OVERLAP = timedelta(minutes=5)  # PSA's clock and ours are not the same
QUIET = timedelta(hours=1)  # without a success, a connection is verified
LOOK_ANYWAY = timedelta(hours=24)  # deleted and merged records are not among the changes


def poll_every_connection(*, now: datetime) -> int:
    """Poll the connections with something that waits; answer for how many payments it goes on."""
    waiting = PsaPayment.objects.filter(state="waiting").values("connection")
    count = 0
    for connection in PsaConnection.objects.select_related("merchant").filter(pk__in=waiting, state="connected"):
        with suppress(Disconnected, Unavailable, Rejected):
            count += poll_connection(connection, now=now)
    return count


def poll_connection(connection: PsaConnection, *, now: datetime) -> int:
    """One call: whether a down-payment invoice changed since the last one; wake what waits if so.

    Raises Unavailable, Rejected or Disconnected, and the next poll asks for the same time again.
    """
    since = connection.polled_at or now - LOOK_ANYWAY
    with open_psa_session(connection, priority="service", now=now) as psa:
        has_changed = psa.has_changed_down_payments(since - OVERLAP)
    count = wake_waiting(connection, now=now) if has_changed else 0
    PsaConnection.objects.filter(pk=connection.pk).update(polled_at=now)
    return count


def wake_waiting(connection: PsaConnection, *, now: datetime) -> int:
    """Look again for the invoices that payments wait for; answer how many."""
    with transaction():
        rows = list(PsaPayment.objects.filter(connection=connection, state="waiting"))
        for row in rows:
            schedule_processing(row, now=now)
    return len(rows)


def verify_quiet_connections(*, now: datetime) -> int:
    """Prove the keys of connections without a recent success, and look for what waits at least once a day."""
    quiet = PsaConnection.objects.select_related("merchant").filter(state="connected", succeeded_at__lte=now - QUIET)
    count = 0
    for connection in quiet:
        with suppress(Disconnected, Unavailable, Rejected):
            with open_psa_session(connection, priority="service", now=now) as psa:
                psa.check_keys()
            count += 1
    for connection in PsaConnection.objects.filter(state="connected"):
        late = connection.payments.filter(state="waiting", state_at__lte=now - LOOK_ANYWAY)
        if late.exists() or connection.payments.filter(state="planned", state_at__lte=now - QUIET).exists():
            with transaction():
                schedule_waiting_payments(connection, now=now)
    return count
