"""The outbox handlers of the accounting floor: those of folders with several stand there, single ones here."""

from datetime import datetime

from django_subatomic.db import transaction

import accounting.autopay.handlers
import accounting.contacts.handlers
import accounting.credits.handlers
import accounting.mirror.services
import accounting.posting.handlers  # noqa: F401 (they register themselves)
from accounting.autopay.settings import schedule_planning
from accounting.autopay.terms import list_current_terms, schedule_terms_import
from accounting.configuration import imports
from accounting.models import AccountingSettings, LedgerPaymentCursor, MirrorCursor, PaymentSync
from accounting.payment_sync.services import sync_payments
from accounting.reconciliation.ledger_payments import schedule_ledger_payments_sync, sync_ledger_payments
from merchants.models import Merchant
from wisepay.outbox import handler


@handler("accounting.import_lists")
def import_lists(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Import the lists that people choose from in the settings; of another company's books the terms too, and plan."""
    merchant = Merchant.objects.get(pk=merchant_id)
    rows = AccountingSettings.objects.filter(merchant=merchant).values_list("lists_of", flat=True)
    before = rows.first()
    imports.import_ledger_lists(merchant, now=now)
    if before and rows.first() != before:  # another company is connected
        schedule_planning(merchant, now=now)
        if merchant.billing_terms.exists() and not list_current_terms(merchant).exists():
            schedule_terms_import(merchant, now=now)


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


@handler("accounting.retry_failed_readings")
def retry_failed_readings(*, merchant_id: int, now: datetime, **_: object) -> None:
    """Read again what could not be read: why is over now that a connection works again."""
    merchant = Merchant.objects.get(pk=merchant_id)
    MirrorCursor.objects.filter(merchant=merchant).exclude(error="").update(error="", due_at=now)
    if LedgerPaymentCursor.objects.filter(merchant=merchant).exclude(error="").update(error=""):
        with transaction():
            schedule_ledger_payments_sync(merchant, now=now)
