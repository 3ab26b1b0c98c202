"""Celery tasks of the PSA floor."""

from celery import shared_task

from psa import callbacks, mirror, polling, services
from psa.agreements import reading
from wisepay import clock


@shared_task
def poll_invoices(**_: object) -> None:
    """Read what changed of PSA's invoices, and wake what waits for them."""
    polling.poll_every_connection(now=clock.now())


@shared_task
def check_connections(**_: object) -> None:
    """Verify quiet connections and every callback, and delete events and invoices that are no longer shown."""
    polling.verify_quiet_connections(now=clock.now())
    callbacks.check_every_callback(now=clock.now())
    services.delete_old_events(now=clock.now())
    mirror.delete_old_invoices(now=clock.now())


@shared_task
def read_agreements(**_: object) -> None:
    """Have the agreements read again that merchants use for Auto-Pay."""
    reading.schedule_agreement_readings(now=clock.now())
