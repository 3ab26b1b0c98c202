"""Celery tasks of the payments floor."""

from datetime import timedelta

from celery import shared_task

from payments.balance.services import list_accounts_to_sync, schedule_balance_sync
from wisepay import clock

SYNC_INTERVAL = timedelta(minutes=30)


@shared_task
def sync_balances(**_: object) -> None:
    """Let workers read what moved at every account that was not looked at for half an hour."""
    for account in list_accounts_to_sync(now=clock.now(), every=SYNC_INTERVAL):
        schedule_balance_sync(account, now=clock.now())
