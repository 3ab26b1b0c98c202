"""Celery tasks of the quotes floor."""

from celery import shared_task

from quotes import services
from wisepay import clock


@shared_task
def expire_quotes(**_: object) -> None:
    """Expire quotes whose deadline passed."""
    services.expire_quotes(now=clock.now())


@shared_task
def delete_expired_answers(**_: object) -> None:
    """Delete expired answers to idempotency keys."""
    services.delete_expired_answers(now=clock.now())
