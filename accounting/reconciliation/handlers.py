"""Outbox handler that reads the ledger's payments back."""

from datetime import datetime

from accounting.reconciliation.ledger_payments import sync_ledger_payments
from merchants.models import Merchant
from wisepay.outbox import handler


@handler("accounting.read_ledger_payments")
def read_ledger_payments(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read the payments of a merchant's books back."""
    sync_ledger_payments(Merchant.objects.get(pk=merchant_id), now=now)
