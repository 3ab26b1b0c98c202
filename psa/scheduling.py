"""Have a worker take the next step of payments at PSA."""

from datetime import datetime

from django_subatomic.db import transaction_required

from psa.models import PsaConnection, PsaPayment
from wisepay import outbox

WAITING = ("planned", "waiting", "sending", "removing")  # what goes on when PSA can be reached


@transaction_required
def schedule_processing(row: PsaPayment, *, now: datetime) -> None:
    """Have a worker take the row's next step at `now`."""
    outbox.schedule(f"psa:payment:{row.pk}", "psa.write_payment", now=now, psa_payment_id=row.pk)


def schedule_poll(connection: PsaConnection, *, now: datetime) -> None:
    """Have a worker read what changed of PSA's invoices, without waiting for the next poll."""
    outbox.schedule(f"psa:poll:{connection.pk}", "psa.poll_invoices", now=now, connection_id=connection.pk)


@transaction_required
def schedule_waiting_payments(connection: PsaConnection, *, now: datetime) -> int:
    """Have everything that waits for PSA go on; answer how much."""
    rows = list(PsaPayment.objects.filter(connection=connection, state__in=WAITING))
    for row in rows:
        schedule_processing(row, now=now)
    return len(rows)
