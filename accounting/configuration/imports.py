"""Import from the ledger what people choose from in the settings: accounts, tax codes and items."""

from contextlib import suppress
from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction

from accounting.configuration.services import ITEM_NAME, save_ledger_item, save_ledger_lists
from accounting.ledger_session import open_ledger_session
from accounting.ledgers.protocol import Ledger
from accounting.models import AccountingSettings, LedgerAccount, LedgerItem, LedgerTaxCode
from accounting.unreadable import LIST_KINDS, replace_unreadable
from connections.availability import find_working_connection
from connections.models import Tier
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from wisepay.errors import Disconnected, Rejected, retry_refusals


def import_ledger_lists(merchant: Merchant, *, now: datetime) -> None:
    """Import the chart of accounts, the tax codes and the items. A refusal is retried. Raises Unavailable, Retry."""
    connection = find_working_connection(merchant, tier=Tier.WISE_PAY)
    if connection is not None:
        with (
            suppress(Disconnected),
            retry_refusals(),
            open_ledger_session(connection, priority="interactive", now=now) as ledger,
        ):
            import_from_ledger(merchant, connection.organisation_id, ledger, now=now)


def create_ledger_item(merchant: Merchant, *, now: datetime) -> None:
    """Create the item of our lines in the ledger, and use it. Raises Unavailable or Retry."""
    connection = find_working_connection(merchant, tier=Tier.WISE_PAY)
    if connection is not None:
        with suppress(Disconnected), open_ledger_session(connection, priority="interactive", now=now) as ledger:
            create_item_in_ledger(merchant, ledger, now=now)


def import_from_ledger(merchant: Merchant, organisation_id: str, ledger: Ledger, *, now: datetime) -> None:
    """Save the lists as the ledger has them, what of them cannot be read, and a warning about its own settings."""
    accounts, codes, items = ledger.read_accounts(), ledger.read_tax_codes(), ledger.read_items()
    warning, currencies = ledger.read_settings_warning(), ledger.read_currencies()
    of = {"merchant": merchant, "read_at": now}
    refused = save_ledger_lists(
        merchant,
        accounts=[
            LedgerAccount(
                code=a.code,
                number=a.number[:20],
                name=a.name[:160],
                kind=a.kind[:40],
                takes_payments=a.takes_payments,
                holds_prepayments=a.holds_prepayments,
                **of,
            )
            for a in accounts
        ],
        tax_codes=[LedgerTaxCode(code=c.code, name=c.name[:120], rate=c.rate, **of) for c in codes],
        items=[LedgerItem(code=i.code, name=i.name[:120], account=i.account, **of) for i in items],
        warning=warning,
        currencies=currencies,
        organisation_id=organisation_id,
        now=now,
    )
    for kind in LIST_KINDS:
        faults = [*ledger.unreadable.get(kind, ()), *refused[kind]]
        replace_unreadable(merchant, organisation_id, kind, faults, now=now)


def create_item_in_ledger(merchant: Merchant, ledger: Ledger, *, now: datetime) -> None:
    """Create and use the item; when it is refused, notify the merchant's people, who can choose another one."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    if chosen is None or chosen.item or not ledger.needs_item:
        return
    try:
        item = ledger.get_or_create_item(
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
    save_ledger_item(merchant, LedgerItem(code=item.code, name=item.name, account=item.account), now=now)
