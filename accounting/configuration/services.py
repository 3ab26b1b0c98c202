"""Save accounting settings and the lists that they are chosen from."""

from datetime import datetime

from django_subatomic.db import transaction

from accounting.ledgers.remote_documents import UnreadableRow
from accounting.models import AccountingSettings, LedgerAccount, LedgerItem, LedgerTaxCode
from accounting.posting.services import schedule_sending
from accounting.unreadable import keep_apart
from connections.models import Connection, Tier
from merchants.models import Merchant
from wisepay import outbox

NEW_ITEM = "new"
ITEM_NAME = "Wise-Pay quote payments"


def save_accounting_settings(
    merchant: Merchant,
    *,
    clearing_account: str,
    prepayments_account: str,
    tax_code: str,
    now: datetime,
    item: str = "",
) -> AccountingSettings:
    """Use these accounts of the connected organisation from now on, and send the postings that waited for them.

    With `NEW_ITEM` as the item, one is created for the prepayments account, and postings wait for it.
    """
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    with transaction():
        chosen, _ = AccountingSettings.objects.update_or_create(
            merchant=merchant,
            defaults={
                "clearing_account": clearing_account,
                "prepayments_account": prepayments_account,
                "tax_code": tax_code,
                "item": "" if item == NEW_ITEM else item,
                "organisation_id": connection.organisation_id if connection else "",
            },
        )
        if item == NEW_ITEM:
            outbox.schedule(f"item:{merchant.pk}", "accounting.make_item", now=now, merchant_id=merchant.pk)
        schedule_sending(merchant, now=now)
    return chosen


def save_ledger_item(merchant: Merchant, item: LedgerItem, *, now: datetime) -> None:
    """Use this item in our lines from now on, if its income account is still the account for prepayments."""
    with transaction():
        columns = {"name": item.name, "account": item.account, "read_at": now}
        LedgerItem.objects.update_or_create(merchant=merchant, code=item.code, defaults=columns)
        rows = AccountingSettings.objects.filter(merchant=merchant, prepayments_account=item.account)
        if rows.update(item=item.code):
            schedule_sending(merchant, now=now)


def save_ledger_lists(
    merchant: Merchant,
    *,
    accounts: list[LedgerAccount],
    tax_codes: list[LedgerTaxCode],
    items: list[LedgerItem],
    warning: str,
) -> dict[str, list[UnreadableRow]]:
    """Replace the chart of accounts, the tax codes, the items and the settings warning by what was read now.

    Answers what of each list cannot be kept.
    """
    with transaction():
        AccountingSettings.objects.update_or_create(merchant=merchant, defaults={"warning": warning[:400]})
        LedgerAccount.objects.filter(merchant=merchant).delete()
        LedgerTaxCode.objects.filter(merchant=merchant).delete()
        LedgerItem.objects.filter(merchant=merchant).delete()
        return {
            "accounts": keep_apart(accounts, LedgerAccount.objects.bulk_create)[1],
            "tax_codes": keep_apart(tax_codes, LedgerTaxCode.objects.bulk_create)[1],
            "items": keep_apart(items, LedgerItem.objects.bulk_create)[1],
        }
