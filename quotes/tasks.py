"""Celery tasks of the quotes floor."""

from celery import shared_task
from django.utils import timezone

from quotes import services


@shared_task
def expire_quotes(**_: object) -> None:
    """Label quotes whose deadline passed."""
    services.expire_quotes(now=timezone.now())


@shared_task
def delete_expired_answers(**_: object) -> None:
    """Forget yesterday's idempotency keys."""
    services.delete_expired_answers(now=timezone.now())
