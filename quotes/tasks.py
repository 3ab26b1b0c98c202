"""Celery tasks of the quotes floor."""

from celery import shared_task
from django.utils import timezone

from quotes import services


@shared_task
def expire_quotes(**_: object) -> None:
    """Label quotes whose deadline passed."""
    services.expire_quotes(now=timezone.now())
