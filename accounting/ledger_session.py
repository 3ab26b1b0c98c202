"""Open the ledger behind a connection, and record on the connection how its calls went."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.utils.module_loading import import_string

from accounting.ledgers import LEDGERS, LedgerInfo
from accounting.ledgers.guides import Guide
from accounting.ledgers.protocol import Ledger
from connections.availability import record_success, record_unavailable
from connections.models import Connection, Tier
from connections.rate_limiter.limiter import BudgetAccount, Priority
from connections.tokens import get_access_token
from connections.verification import handle_unauthorised
from merchants.models import Merchant
from wisepay.budgets import count_vendor_call
from wisepay.errors import Disconnected, Unavailable
from wisepay.outbox import Retry


@contextmanager
def open_ledger_session(connection: Connection, *, priority: Priority, now: datetime) -> Iterator[Ledger]:
    """Open the connection's ledger for the block, and record its success or failure on the connection.

    A block without a call records nothing. Raises Unavailable, Rejected, Disconnected when a person has to connect
    again, or Retry after a token was refused before it expired. CallRefused, before anything, is an Unavailable too.
    """
    count_vendor_call()
    try:
        ledger = open_ledger(connection, priority=priority, now=now)
        yield ledger
    except Unavailable as error:
        record_unavailable(connection, error, now=now)
        raise
    except Disconnected as error:
        if handle_unauthorised(connection, now=now):
            raise Retry("the access token was refused before its time", after=1) from error
        raise
    if ledger.was_accepted:
        record_success(connection, now=now)


def open_ledger(connection: Connection, *, priority: Priority, now: datetime) -> Ledger:
    """Return the ledger behind `connection`; its calls have this `priority`. Raises Disconnected or Unavailable."""
    token = get_access_token(connection, now=now)
    ledger: Ledger = import_string(LEDGERS[connection.provider].path)(
        token, BudgetAccount.from_owner(connection), priority=priority
    )
    return ledger


def get_ledger_info(merchant: Merchant) -> LedgerInfo | None:
    """Return what is known of the ledger that the merchant connected last, or None before the first time."""
    rows = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY)
    return LEDGERS.get(rows.values_list("provider", flat=True).first() or "")


def get_guide(merchant: Merchant) -> Guide:
    """Return the guide to the merchant's accounting package, for manual tasks."""
    info = get_ledger_info(merchant)
    return info.guide if info else Guide("the accounting package")


def has_contacts_by_currency(merchant: Merchant) -> bool:
    """Return whether a contact of the merchant's ledger has documents in one currency only."""
    info = get_ledger_info(merchant)
    return info is not None and info.contacts_have_currency


def has_drafts(merchant: Merchant) -> bool:
    """Return whether a bank debit gets a draft credit note; before the first connection it may."""
    info = get_ledger_info(merchant)
    return info is None or info.supports_drafts


def annotate_connected_books[M: Model](rows: QuerySet[M]) -> QuerySet[M]:
    """Rows of a merchant with the `provider` and the organisation (`connected_id`) of the books that are connected."""
    connected = Connection.objects.filter(merchant=OuterRef("merchant"), tier=Tier.WISE_PAY)
    found: QuerySet[Any] = rows.annotate(
        provider=Subquery(connected.values("provider")[:1]),
        connected_id=Subquery(connected.values("organisation_id")[:1]),
    )
    return found
