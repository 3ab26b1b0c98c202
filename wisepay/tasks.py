"""Celery tasks of the ground: delivering and sweeping the outbox."""

from celery import shared_task
from django.utils import timezone

from wisepay import outbox
from wisepay.hints import hint


@shared_task
def deliver(*, keys: list[str], **_: object) -> None:
    """Deliver the first message, if it is still due; the others are hinted at again, for whoever is free."""
    for key in keys[1:]:
        hint(key)
    outbox.deliver(keys[0], now=timezone.now())


@shared_task
def sweep_outbox(**_: object) -> None:
    """Hint again at everything that is due."""
    for key in outbox.due_keys(now=timezone.now()):
        hint(key)


@shared_task
def prune_outbox(**_: object) -> None:
    """Forget what was done long ago."""
    outbox.prune(now=timezone.now())
