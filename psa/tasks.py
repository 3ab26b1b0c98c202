"""Celery tasks of the PSA floor."""

from celery import shared_task

from psa import callbacks, polling, services
from wisepay import clock


@shared_task
def poll_invoices(**_: object) -> None:
    """Ask whether the down-payment invoices that payments wait for are there."""
    polling.poll_every_connection(now=clock.now())


@shared_task
def check_connections(**_: object) -> None:
    """Verify quiet connections and every callback, and delete events that the history no longer shows."""
    polling.verify_quiet_connections(now=clock.now())
    callbacks.check_every_callback(now=clock.now())
    services.delete_old_events(now=clock.now())
