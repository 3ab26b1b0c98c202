"""The door to the books. A ledger is one file and one line here; its SDK loads when it is first opened."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.module_loading import import_string

from accounting.ledgers.guides import QUICKBOOKS, XERO, Guide
from accounting.ledgers.words import Ledger
from connections.budget import Account, Lane
from connections.models import Connection, Tier
from connections.tokens import fresh_access_token
from merchants.models import Merchant


@dataclass(frozen=True, slots=True)
class Books:
    """What is known of a ledger without opening it."""

    path: str
    supports_drafts: bool
    needs_item: bool
    guide: Guide


LEDGERS = {
    "xero": Books("accounting.ledgers.xero.XeroLedger", supports_drafts=True, needs_item=False, guide=XERO),
    "quickbooks": Books(
        "accounting.ledgers.quickbooks.QuickBooksLedger", supports_drafts=False, needs_item=True, guide=QUICKBOOKS
    ),
}


def open_ledger(connection: Connection, *, lane: Lane, now: datetime) -> Ledger:
    """The ledger behind `connection`, whose calls go in `lane`. Raises Disconnected or Unavailable."""
    token = fresh_access_token(connection, now=now)
    ledger: Ledger = import_string(LEDGERS[connection.provider].path)(token, Account.of(connection), lane=lane)
    return ledger


def books_of(merchant: Merchant) -> Books | None:
    """Which books the merchant connected last, whether or not that still works; None before the first time."""
    rows = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY)
    return LEDGERS.get(rows.values_list("provider", flat=True).first() or "")


def guide_for(merchant: Merchant) -> Guide:
    """The words for what a person has to do in the merchant's books."""
    books = books_of(merchant)
    return books.guide if books else Guide("the accounting package")


def has_drafts(merchant: Merchant) -> bool:
    """Whether a bank debit leaves a draft in the books; while there are none yet, it may."""
    books = books_of(merchant)
    return books is None or books.supports_drafts
