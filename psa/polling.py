"""Ask PSA every some minutes what became of its invoices, and wake what waits for one."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db.models import Q
from django_subatomic.db import transaction

from psa.mirror import read_invoices
from psa.models import PsaConnection, PsaPayment, Writer
from psa.scheduling import schedule_processing, schedule_waiting_payments
from psa.session import open_psa_session
from wisepay.errors import Disconnected, Rejected, Unavailable

QUIET = timedelta(hours=1)  # without a success, a connection is verified
LOOK_ANYWAY = timedelta(hours=24)  # deleted and merged records are not among the changes


def poll_every_connection(*, now: datetime) -> int:
    """Poll the connections whose invoices are of use, or that something waits for; answer how many payments go on."""
    waiting = Q(pk__in=PsaPayment.objects.filter(state="waiting").values("connection"))
    used = waiting | Q(written_by=Writer.US) | Q(shows_documents=True) | Q(uses_terms=True)
    count = 0
    for connection in PsaConnection.objects.select_related("merchant").filter(used, state="connected"):
        with suppress(Disconnected, Unavailable, Rejected):
            count += poll_connection(connection, now=now)
    return count


def poll_connection(connection: PsaConnection, *, now: datetime) -> int:
    """Read the invoices that changed since the last poll, one call where few did, and wake what waits for them.

    Answers for how many quotes it goes on. Raises Unavailable, Rejected or Disconnected, and the next poll asks for
    the same time again.
    """
    with open_psa_session(connection, priority="service", now=now) as psa:
        has_changed = read_invoices(psa, connection, now=now)
    return wake_waiting(connection, now=now) if has_changed else 0


def wake_waiting(connection: PsaConnection, *, now: datetime) -> int:
    """Look again for the down-payment invoices that quotes wait for; answer how many."""
    with transaction():
        rows = list(PsaPayment.objects.filter(connection=connection, state="waiting", ledger_invoice=None))
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
