"""Outbox handlers that import the ledger's lists and create its sales item."""

from datetime import datetime

from accounting.configuration import imports
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
