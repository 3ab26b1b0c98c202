"""Outbox handlers of Sync Invoices: read for a preview, and make what was confirmed."""

from datetime import datetime

from psa.invoice_sync.models import InvoiceSync
from psa.invoice_sync.preview import preview_sync
from psa.invoice_sync.sending import sync_invoices
from wisepay.outbox import handler


def get_sync(sync_id: int) -> InvoiceSync:
    """A run with its merchant."""
    return InvoiceSync.objects.select_related("merchant").get(pk=sync_id)


@handler("psa.preview_invoice_sync")
def preview(*, sync_id: int, now: datetime, **_: object) -> None:
    """Read the invoices of a run, and compare them with the books."""
    preview_sync(get_sync(sync_id), now=now)


@handler("psa.sync_invoices")
def send(*, sync_id: int, now: datetime, **_: object) -> None:
    """Make the next invoices of a run."""
    sync_invoices(get_sync(sync_id), now=now)
