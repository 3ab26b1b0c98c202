"""Have a worker take the next step of payments at PSA."""

from datetime import datetime

from django.db.models import F, Q
from django_subatomic.db import transaction_required

from psa.models import PsaConnection, PsaPayment
from wisepay import outbox

STANDING = ("written", "present")
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
    """Have everything go on that waits for PSA, or of which money may have gone back meanwhile; answer how much."""
    went_back = Q(attempt__refunds__isnull=False) | (Q(attempt__isnull=False) & ~Q(attempt__state="succeeded"))
    is_elsewhere = Q(allocation__isnull=False) & ~Q(allocation__invoice=F("ledger_invoice"))
    standing = Q(state__in=STANDING) & (went_back | is_elsewhere)
    rows = list(PsaPayment.objects.filter(Q(state__in=WAITING) | standing, connection=connection).distinct())
    for row in rows:
        schedule_processing(row, now=now)
    return len(rows)
