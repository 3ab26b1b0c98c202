"""Celery tasks of the connections floor."""

from celery import shared_task
from django.utils import timezone

from connections import checks, health, services
from connections.models import Connection


@shared_task
def check_connections(**_: object) -> None:
    """Let a worker look after every connection that is due."""
    for pk in checks.due_checks(now=timezone.now()):
        check_connection.apply_async(kwargs={"connection_id": pk}, expires=30)


@shared_task
def check_connection(*, connection_id: int, **_: object) -> None:
    """Look after one connection."""
    connection = Connection.objects.select_related("merchant").get(pk=connection_id)
    checks.look_after(connection, now=timezone.now())


@shared_task
def forget_authorisations(**_: object) -> None:
    """Forget walks to consent pages that are over, and what the history no longer shows."""
    services.forget_authorisations(now=timezone.now())
    health.forget_events(now=timezone.now())
