"""Schedule and retry the sending of postings, and list what waits."""

from datetime import datetime

from django.db import models
from django_subatomic.db import transaction

from accounting.ledger_session import has_drafts
from accounting.ledgers import LEDGERS
from accounting.models import (
    AccountingSettings,
    CreditNote,
    Download,
    ManualTask,
    Posting,
)
from accounting.posting.kinds import get_kind
from connections.models import Connection, Tier
from connections.services import register_waiting_work_counter
from merchants.models import Merchant
from payments.models import Attempt
from wisepay import outbox


def schedule_sending(merchant: Merchant, *, now: datetime) -> None:
    """Have a worker send the merchant's waiting postings."""
    outbox.schedule(f"drain:{merchant.pk}", "accounting.drain_postings", now=now, merchant_id=merchant.pk)


def is_ready_to_post(settings: AccountingSettings, connection: Connection) -> bool:
    """Whether everything is chosen that documents in this connection's ledger need."""
    needs_item = LEDGERS[connection.provider].needs_item
    return settings.is_for(connection.organisation_id) and bool(settings.item or not needs_item)


def retry_postings(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Send everything that waits or was refused again, now; answers how many postings."""
    with transaction():
        refused = Posting.objects.filter(merchant=merchant, state="rejected").order_by("pk")
        for posting in refused:
            posting.move_to("pending", now=now, by=by, reason="retry", error="")
            if get_kind(posting).creates_credit_note:
                CreditNote.objects.get(attempt=posting.attempt_id).move_to("pending", now=now, by=by, reason="retry")
        Connection.objects.filter(merchant=merchant).update(blocked_until=None)
        schedule_sending(merchant, now=now)
        return list_waiting_postings(merchant).count()


def get_waiting_reason(merchant: Merchant, *, now: datetime) -> str:
    """Why postings are not being sent just now, in a sentence; empty while they are."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if connection is None or connection.state != "connected":
        return "The accounting package is not connected. Nothing is lost: it is posted once you connect."
    if chosen is None or not chosen.is_complete:
        return "Choose the clearing account, the prepayments account and the tax code first."
    if not chosen.is_for(connection.organisation_id):
        return f"Choose the accounts and the tax code of {connection.organisation_name} first: it is another company."
    if not is_ready_to_post(chosen, connection):
        return "The item for prepayments is being made, or has to be chosen under Accounts."
    if connection.is_blocked(now) and connection.blocked_until:
        at = connection.blocked_until.astimezone(merchant.zone)
        return f"{connection.last_error}. The next try is at {at:%H:%M:%S}."
    return ""


def list_waiting_postings(merchant: Merchant) -> models.QuerySet[Posting]:
    """Postings that are not in the ledger yet, oldest first."""
    waiting = Posting.objects.filter(merchant=merchant).exclude(state__in=Posting.FINAL_STATES)
    return waiting.select_related("company", "payment").order_by("pk")


def list_unposted_debits(merchant: Merchant) -> models.QuerySet[Attempt]:
    """Processing bank debits that are posted when they settle, because the ledger has no drafts."""
    rows = Attempt.objects.filter(payment__merchant=merchant, state="processing", submitted_at__isnull=False)
    return rows.none() if has_drafts(merchant) else rows


@register_waiting_work_counter
def count_waiting_work(merchant: Merchant) -> dict[str, int]:
    """What waits for each tier's connection: postings and downloads for Wise-Pay, open tasks for Company."""
    downloads = Download.objects.filter(merchant=merchant, state="running").count()
    tasks = ManualTask.objects.filter(merchant=merchant, state="open").count()
    return {Tier.WISE_PAY: list_waiting_postings(merchant).count() + downloads, Tier.COMPANY: tasks}
