"""Outbox handler that runs a Payment Sync."""

from datetime import datetime

from accounting.models import PaymentSync
from accounting.payment_sync.services import sync_payments
from wisepay.outbox import handler


@handler("accounting.run_payment_sync")
def run_payment_sync(*, sync_id: int, now: datetime, **_: object) -> None:
    """Run a Payment Sync that a person started."""
    sync_payments(PaymentSync.objects.select_related("merchant").get(pk=sync_id), now=now)
