"""Celery tasks of the connections floor."""

from celery import shared_task
from django.utils import timezone

from connections import services


@shared_task
def forget_authorisations(**_: object) -> None:
    """Forget walks to consent pages that are over."""
    services.forget_authorisations(now=timezone.now())
