"""Celery tasks of the ground: delivering and sweeping the outbox."""

from celery import shared_task
from django.utils import timezone

from wisepay import outbox


@shared_task
def deliver(*, key: str, **_: object) -> None:
    """Deliver one message, if it is still due."""
    outbox.deliver(key, now=timezone.now())


@shared_task
def sweep_outbox(**_: object) -> None:
    """Hint again at everything that is due."""
    for key in outbox.due_keys(now=timezone.now()):
        outbox.hint(key)


@shared_task
def prune_outbox(**_: object) -> None:
    """Forget what was done long ago."""
    outbox.prune(now=timezone.now())
