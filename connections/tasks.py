"""Celery tasks of the connections floor."""

from celery import shared_task

from connections import availability, verification
from connections.models import Connection
from connections.oauth_flow import delete_old_authorisations
from wisepay import clock


@shared_task
def check_connections(**_: object) -> None:
    """Send a task for every connection that is due for a check."""
    for pk in verification.reserve_due_connections(now=clock.now()):
        check_connection.apply_async(kwargs={"connection_id": pk}, expires=30)


@shared_task
def check_connection(*, connection_id: int, **_: object) -> None:
    """Refresh and verify one connection."""
    connection = Connection.objects.select_related("merchant").get(pk=connection_id)
    verification.refresh_and_verify(connection, now=clock.now())


@shared_task
def delete_old_records(**_: object) -> None:
    """Delete old authorisations, and events that the history no longer shows."""
    delete_old_authorisations(now=clock.now())
    availability.delete_old_events(now=clock.now())
