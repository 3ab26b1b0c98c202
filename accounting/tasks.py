"""Celery tasks of the accounting floor."""

from celery import shared_task

from accounting.autopay.charging import schedule_due_payments
from accounting.autopay.notices import schedule_announcements, schedule_due_notices
from accounting.autopay.settings import schedule_planning
from accounting.autopay.terms import schedule_terms_import
from accounting.configuration.services import schedule_lists_import
from accounting.invoices.pdf import delete_old_documents as delete_documents
from accounting.mirror.services import delete_read_changes, schedule_mirror_syncs, schedule_unreadable_invoices
from accounting.models import AutoPaySettings, Posting
from accounting.posting.services import schedule_sending
from accounting.reconciliation.ledger_payments import list_due_merchants, schedule_ledger_payments_sync
from connections.models import Connection, Tier
from merchants.models import Merchant
from wisepay import clock


@shared_task
def import_ledger_lists(**_: object) -> None:
    """Have workers read again, once a day, what merchants chose in their ledgers: what vanished there is noticed."""
    for connection in Connection.objects.filter(tier=Tier.WISE_PAY, state="connected").select_related("merchant"):
        schedule_lists_import(connection.merchant, now=clock.now())
        schedule_terms_import(connection.merchant, now=clock.now())


@shared_task
def sweep_postings(**_: object) -> None:
    """Schedule the sending of every merchant's waiting postings."""
    waiting = Posting.objects.filter(state__in=Posting.UNSENT_STATES).values("merchant")
    for merchant in Merchant.objects.filter(pk__in=waiting):
        schedule_sending(merchant, now=clock.now())


@shared_task
def run_autopay(**_: object) -> None:
    """Have workers charge every automatic payment that is due, and tell payers of what comes."""
    schedule_due_notices(now=clock.now())
    schedule_announcements(now=clock.now())
    schedule_due_payments(now=clock.now())


@shared_task
def plan_autopay(**_: object) -> None:
    """Compare every merchant's scheduled payments with the invoices."""
    for chosen in AutoPaySettings.objects.select_related("merchant"):
        schedule_planning(chosen.merchant, now=clock.now())


@shared_task
def poll_ledgers(**_: object) -> None:
    """Have workers read what is due of the mirrored ledgers."""
    schedule_mirror_syncs(now=clock.now())
    schedule_unreadable_invoices(now=clock.now())


@shared_task
def delete_old_pending_changes(**_: object) -> None:
    """Delete pending changes that were read long ago."""
    delete_read_changes(now=clock.now())


@shared_task
def delete_old_documents(**_: object) -> None:
    """Delete the copies of invoice PDFs that are old or too many."""
    delete_documents(now=clock.now())


@shared_task
def schedule_ledger_payment_syncs(**_: object) -> None:
    """Have workers read the ledgers' payments back where payments were posted, once a day."""
    for merchant in list_due_merchants(now=clock.now()):
        schedule_ledger_payments_sync(merchant, now=clock.now())
