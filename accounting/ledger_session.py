"""Speaking with the books: whatever is said, the connection learns how it went, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.utils.module_loading import import_string

from accounting.ledgers import LEDGERS, LedgerInfo
from accounting.ledgers.guides import Guide
from accounting.ledgers.protocol import Ledger
from connections.availability import record_success, record_unavailable
from connections.models import Connection, Tier
from connections.rate_limiter.budget import BudgetAccount, Priority
from connections.tokens import get_access_token
from connections.verification import handle_unauthorised
from merchants.models import Merchant
from wisepay.errors import Disconnected, Unavailable
from wisepay.outbox import Retry


@contextmanager
def ledger_session(connection: Connection, *, priority: Priority, now: datetime) -> Iterator[Ledger]:
    """The connection's ledger; what goes wrong in the block is written on the connection.

    A block that found nothing to ask says nothing about the connection.
    Raises Unavailable, Rejected, Disconnected (for a person), or Retry after a token was refused before its time.
    """
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
    """The ledger behind `connection`, whose calls have this `priority`. Raises Disconnected or Unavailable."""
    token = get_access_token(connection, now=now)
    ledger: Ledger = import_string(LEDGERS[connection.provider].path)(
        token, BudgetAccount.from_owner(connection), priority=priority
    )
    return ledger


def get_ledger_info(merchant: Merchant) -> LedgerInfo | None:
    """Which books the merchant connected last, whether or not that still works; None before the first time."""
    rows = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY)
    return LEDGERS.get(rows.values_list("provider", flat=True).first() or "")


def get_guide(merchant: Merchant) -> Guide:
    """The words for what a person has to do in the merchant's books."""
    books = get_ledger_info(merchant)
    return books.guide if books else Guide("the accounting package")


def has_drafts(merchant: Merchant) -> bool:
    """Whether a bank debit leaves a draft in the books; while there are none yet, it may."""
    books = get_ledger_info(merchant)
    return books is None or books.supports_drafts
