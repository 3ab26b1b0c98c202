"""Celery tasks of the payments floor."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from payments.movements import arm_movements, due_accounts

EVERY = timedelta(minutes=30)


@shared_task
def read_movements(**_: object) -> None:
    """Let workers read what moved at every account that was not looked at for half an hour."""
    for account in due_accounts(now=timezone.now(), every=EVERY):
        arm_movements(account, now=timezone.now())
