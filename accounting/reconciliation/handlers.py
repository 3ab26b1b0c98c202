"""The outbox handler that syncs the payments of the accounting package."""

from datetime import datetime

from accounting.reconciliation.ledger_payments import sync_ledger_payments
from merchants.models import Merchant
from wisepay.outbox import handler


@handler("accounting.read_ledger_payments")
def read_ledger_payments(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Sync the payments of a merchant's accounting package."""
    sync_ledger_payments(Merchant.objects.get(pk=merchant_id), now=now)
