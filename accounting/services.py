"""Orders about the books: choose accounts, try again, let a worker send what waits."""

from datetime import datetime

from django.db import models, transaction

from accounting.desks import DESK_OF
from accounting.ledgers import LEDGERS, has_drafts
from accounting.models import (
    AccountingSettings,
    CreditNote,
    Download,
    HandTask,
    LedgerAccount,
    LedgerItem,
    LedgerTaxCode,
    Posting,
)
from connections.models import Connection, Tier
from connections.queues import queue_counter
from merchants.models import Merchant
from payments.models import Attempt
from wisepay import outbox

NEW_ITEM = "new"
ITEM_NAME = "Wise-Pay quote payments"


def arm_drain(merchant: Merchant, *, now: datetime) -> None:
    """Let a worker send what waits for this merchant's books."""
    outbox.arm(f"drain:{merchant.pk}", "accounting.drain_postings", now=now, merchant_id=merchant.pk)


def save_accounting_settings(
    merchant: Merchant,
    *,
    clearing_account: str,
    prepayments_account: str,
    tax_code: str,
    now: datetime,
    item: str = "",
) -> AccountingSettings:
    """Use these accounts of the connected organisation from now on, and send what waited for them.

    `NEW_ITEM` as the item has one made for the prepayments account; postings wait for it.
    """
    held = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    with transaction.atomic(durable=True):
        chosen, _ = AccountingSettings.objects.update_or_create(
            merchant=merchant,
            defaults={
                "clearing_account": clearing_account,
                "prepayments_account": prepayments_account,
                "tax_code": tax_code,
                "item": "" if item == NEW_ITEM else item,
                "organisation_id": held.organisation_id if held else "",
            },
        )
        if item == NEW_ITEM:
            outbox.arm(f"item:{merchant.pk}", "accounting.make_item", now=now, merchant_id=merchant.pk)
        arm_drain(merchant, now=now)
    return chosen


def is_ready(chosen: AccountingSettings, connection: Connection) -> bool:
    """Whether everything is chosen that documents in these books need."""
    needs_item = LEDGERS[connection.provider].needs_item
    return chosen.is_for(connection.organisation_id) and bool(chosen.item or not needs_item)


def use_item(merchant: Merchant, item: LedgerItem, *, now: datetime) -> None:
    """Sell this item in our lines from now on, if its income account is still the account for prepayments."""
    with transaction.atomic(durable=True):
        kept = {"name": item.name, "account": item.account, "read_at": now}
        LedgerItem.objects.update_or_create(merchant=merchant, code=item.code, defaults=kept)
        rows = AccountingSettings.objects.filter(merchant=merchant, prepayments_account=item.account)
        if rows.update(item=item.code):
            arm_drain(merchant, now=now)


def retry_postings(merchant: Merchant, *, by: str, now: datetime) -> int:
    """Send again, now, everything that waits or was refused; answers how many documents."""
    with transaction.atomic(durable=True):
        refused = Posting.objects.filter(merchant=merchant, state="rejected").order_by("pk")
        for posting in refused:
            posting.move_to("pending", now=now, by=by, reason="retry", error="")
            if DESK_OF[posting.kind].makes_note:
                CreditNote.objects.get(attempt=posting.attempt_id).move_to("pending", now=now, by=by, reason="retry")
        Connection.objects.filter(merchant=merchant).update(blocked_until=None)
        arm_drain(merchant, now=now)
        return waiting_postings(merchant).count()


def waiting_postings(merchant: Merchant) -> models.QuerySet[Posting]:
    """What is not in the books yet, oldest first."""
    waiting = Posting.objects.filter(merchant=merchant).exclude(state__in=Posting.OVER)
    return waiting.select_related("company", "payment").order_by("pk")


def debits_before_books(merchant: Merchant) -> models.QuerySet[Attempt]:
    """Bank debits on their way that the books hear of when they settle, because they have no drafts."""
    rows = Attempt.objects.filter(payment__merchant=merchant, state="processing", submitted_at__isnull=False)
    return rows.none() if has_drafts(merchant) else rows


@queue_counter
def count_waiting(merchant: Merchant) -> dict[str, int]:
    """What waits for each tier's connection: documents and downloads for Wise-Pay, looks at tasks for Company."""
    downloads = Download.objects.filter(merchant=merchant, state="running").count()
    looks = HandTask.objects.filter(merchant=merchant, state="open").count()
    return {Tier.WISE_PAY: waiting_postings(merchant).count() + downloads, Tier.COMPANY: looks}


def import_lists(
    merchant: Merchant,
    *,
    accounts: list[LedgerAccount],
    tax_codes: list[LedgerTaxCode],
    items: list[LedgerItem],
    warning: str,
) -> None:
    """Replace what was read before of the chart of accounts, the tax codes, the items and the books' own settings."""
    with transaction.atomic(durable=True):
        AccountingSettings.objects.update_or_create(merchant=merchant, defaults={"warning": warning[:400]})
        LedgerAccount.objects.filter(merchant=merchant).delete()
        LedgerTaxCode.objects.filter(merchant=merchant).delete()
        LedgerItem.objects.filter(merchant=merchant).delete()
        LedgerAccount.objects.bulk_create(accounts)
        LedgerTaxCode.objects.bulk_create(tax_codes)
        LedgerItem.objects.bulk_create(items)
