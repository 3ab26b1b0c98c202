"""What people choose from in the settings, read from the books: accounts, tax codes and items."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction

from accounting.configuration.services import ITEM_NAME, save_ledger_item, save_ledger_lists
from accounting.ledger_session import ledger_session
from accounting.ledgers.protocol import Ledger
from accounting.models import AccountingSettings, LedgerAccount, LedgerItem, LedgerTaxCode
from connections.models import Tier
from connections.services import get_connection
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from wisepay.errors import Disconnected, Rejected


def import_ledger_lists(merchant: Merchant, *, now: datetime) -> None:
    """Read the chart of accounts, the tax codes and the items. Raises Unavailable, Rejected or Retry."""
    _run_in_ledger_session(merchant, import_from_ledger, now=now)


def create_ledger_item(merchant: Merchant, *, now: datetime) -> None:
    """Make the item that our lines sell, and use it. Raises Unavailable or Retry."""
    _run_in_ledger_session(merchant, create_item_in_ledger, now=now)


def _run_in_ledger_session(
    merchant: Merchant, work: Callable[[Merchant, Ledger, datetime], None], *, now: datetime
) -> None:
    """Do what a person waits for. A broken connection does nothing; raises Retry for a token that has to be renewed."""
    with suppress(Disconnected):
        connection = get_connection(merchant, tier=Tier.WISE_PAY)
        with ledger_session(connection, priority="interactive", now=now) as ledger:
            work(merchant, ledger, now)


def import_from_ledger(merchant: Merchant, ledger: Ledger, now: datetime) -> None:
    """Read and keep the lists, and what of the books' own settings has to change."""
    accounts, codes, items = ledger.read_accounts(), ledger.read_tax_codes(), ledger.read_items()
    warning = ledger.read_settings_warning()
    of = {"merchant": merchant, "read_at": now}
    save_ledger_lists(
        merchant,
        accounts=[
            LedgerAccount(
                code=a.code,
                number=a.number,
                name=a.name[:160],
                kind=a.kind,
                takes_payments=a.takes_payments,
                holds_prepayments=a.holds_prepayments,
                **of,
            )
            for a in accounts
        ],
        tax_codes=[LedgerTaxCode(code=c.code, name=c.name[:120], rate=c.rate, **of) for c in codes],
        items=[LedgerItem(code=i.code, name=i.name[:120], account=i.account, **of) for i in items],
        warning=warning,
    )


def create_item_in_ledger(merchant: Merchant, ledger: Ledger, now: datetime) -> None:
    """Make and use the item; a refusal is told to the merchant's people, who can choose another one."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    if chosen is None or chosen.item or not ledger.needs_item:
        return
    try:
        made = ledger.get_or_create_item(
            ITEM_NAME, account=chosen.prepayments_account, key=f"item-{chosen.pk}-{now:%H%M%S%f}"
        )
    except Rejected as error:
        with transaction():
            notify_merchant(
                merchant,
                event=EventNotification.Event.POSTING_REFUSED,
                key=f"item:{chosen.pk}:{now.isoformat()}",
                title=f"The item “{ITEM_NAME}” was refused by the accounting package",
                body=f"{error.message} Choose an item under Accounts.",
                path=reverse("accounting:accounts", args=[merchant.reference]),
                now=now,
            )
        return
    save_ledger_item(merchant, LedgerItem(code=made.code, name=made.name, account=made.account), now=now)
