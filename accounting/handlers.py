"""The outbox handlers of the accounting floor: those of folders with several stand there, single ones here."""

from datetime import datetime

import accounting.autopay.handlers
import accounting.contacts.handlers
import accounting.credits.handlers
import accounting.mirror.handlers
import accounting.posting.handlers  # noqa: F401 (they register themselves)
from accounting.configuration import imports
from accounting.models import PaymentSync
from accounting.payment_sync.services import sync_payments
from accounting.reconciliation.ledger_payments import sync_ledger_payments
from merchants.models import Merchant
from wisepay.outbox import handler


@handler("accounting.import_lists")
def import_lists(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Import the lists that people choose from in the settings."""
    imports.import_ledger_lists(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.make_item")
def make_item(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Create the item that documents need."""
    imports.create_ledger_item(Merchant.objects.get(pk=merchant_id), now=now)


@handler("accounting.run_payment_sync")
def run_payment_sync(*, sync_id: int, now: datetime, **_: object) -> None:
    """Run a Payment Sync that a person started."""
    sync_payments(PaymentSync.objects.select_related("merchant").get(pk=sync_id), now=now)


@handler("accounting.read_ledger_payments")
def read_ledger_payments(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Sync the payments of a merchant's accounting package."""
    sync_ledger_payments(Merchant.objects.get(pk=merchant_id), now=now)
