"""Celery tasks of the quotes floor."""

from celery import shared_task

from quotes import polls, services
from wisepay import clock


@shared_task
def expire_quotes(**_: object) -> None:
    """Expire quotes whose deadline passed."""
    services.expire_quotes(now=clock.now())


@shared_task
def delete_expired_answers(**_: object) -> None:
    """Delete expired answers to idempotency keys."""
    services.delete_expired_answers(now=clock.now())


@shared_task
def poll_cpq(**_: object) -> None:
    """Look for quotes that were accepted in CPQ."""
    polls.poll_connections(now=clock.now())


@shared_task
def delete_old_polled_versions(**_: object) -> None:
    """Delete what the poll has dealt with and will not see again."""
    polls.delete_old_polled_versions(now=clock.now())
