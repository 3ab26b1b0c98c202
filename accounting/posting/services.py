"""Orders about the books: choose accounts, try again, let a worker send what waits."""

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
from accounting.posting.kinds import POSTING_KIND_BY_VALUE
from connections.models import Connection, Tier
from connections.waiting_work import register_waiting_work_counter
from merchants.models import Merchant
from payments.models import Attempt
from wisepay import outbox


def schedule_sending(merchant: Merchant, *, now: datetime) -> None:
    """Let a worker send what waits for this merchant's books."""
    outbox.schedule(f"drain:{merchant.pk}", "accounting.drain_postings", now=now, merchant_id=merchant.pk)


def is_ready_to_post(settings: AccountingSettings, connection: Connection) -> bool:
    """Whether everything is chosen that documents in these books need."""
    needs_item = LEDGERS[connection.provider].needs_item
    return settings.is_for(connection.organisation_id) and bool(settings.item or not needs_item)


def retry_postings(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Send again, now, everything that waits or was refused; answers how many documents."""
    with transaction():
        refused = Posting.objects.filter(merchant=merchant, state="rejected").order_by("pk")
        for posting in refused:
            posting.move_to("pending", now=now, by=by, reason="retry", error="")
            if POSTING_KIND_BY_VALUE[posting.kind].creates_credit_note:
                CreditNote.objects.get(attempt=posting.attempt_id).move_to("pending", now=now, by=by, reason="retry")
        Connection.objects.filter(merchant=merchant).update(blocked_until=None)
        schedule_sending(merchant, now=now)
        return list_waiting_postings(merchant).count()


def list_waiting_postings(merchant: Merchant) -> models.QuerySet[Posting]:
    """What is not in the books yet, oldest first."""
    waiting = Posting.objects.filter(merchant=merchant).exclude(state__in=Posting.FINAL_STATES)
    return waiting.select_related("company", "payment").order_by("pk")


def list_unposted_debits(merchant: Merchant) -> models.QuerySet[Attempt]:
    """Bank debits on their way that the books hear of when they settle, because they have no drafts."""
    rows = Attempt.objects.filter(payment__merchant=merchant, state="processing", submitted_at__isnull=False)
    return rows.none() if has_drafts(merchant) else rows


@register_waiting_work_counter
def count_waiting_work(merchant: Merchant) -> dict[str, int]:
    """What waits for each tier's connection: documents and downloads for Wise-Pay, looks at tasks for Company."""
    downloads = Download.objects.filter(merchant=merchant, state="running").count()
    looks = ManualTask.objects.filter(merchant=merchant, state="open").count()
    return {Tier.WISE_PAY: list_waiting_postings(merchant).count() + downloads, Tier.COMPANY: looks}
