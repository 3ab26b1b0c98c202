"""Celery tasks of payments."""

from datetime import timedelta

from celery import shared_task

from payments import personal_data
from payments.balance.services import list_accounts_to_sync, schedule_balance_sync
from payments.payment_pages import check
from payments.reversals.disputes import schedule_dispute_checks
from payments.webhooks.silence import schedule_webhook_checks
from wisepay import clock

SYNC_INTERVAL = timedelta(minutes=30)


@shared_task
def sync_balances(**_: object) -> None:
    """Schedule a balance sync of every account that was not synced for half an hour."""
    for account in list_accounts_to_sync(now=clock.now(), every=SYNC_INTERVAL):
        schedule_balance_sync(account, now=clock.now())


@shared_task
def check_webhooks(**_: object) -> None:
    """Schedule a look at every account whether its events arrive."""
    schedule_webhook_checks(now=clock.now())


@shared_task
def follow_disputes(**_: object) -> None:
    """Schedule a look at every open dispute, and at those that only the balance tells of."""
    schedule_dispute_checks(now=clock.now())


@shared_task
def forget_old_devices(**_: object) -> None:
    """Forget from where old payments came."""
    personal_data.forget_old_devices(now=clock.now())


@shared_task
def check_payment_page(**_: object) -> None:
    """Compare the payment page with what was shipped."""
    check.check_payment_page(now=clock.now())
