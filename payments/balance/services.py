"""Sync the balance of a gateway account: balance transactions first, then payouts."""

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from payments.balance.payouts import sync_payouts
from payments.balance.transactions import get_balance_cursor, link_balance_transactions, sync_balance_transactions
from payments.gateways import open_gateway
from payments.models import BalanceTransactionCursor, GatewayAccount
from wisepay import outbox
from wisepay.errors import Rejected

LEFT_PERIOD = timedelta(days=120)  # so long after an account was replaced, its money still moves: debits and disputes


def schedule_balance_sync(account: GatewayAccount, *, now: datetime) -> None:
    """Let a worker sync the account's balance."""
    outbox.schedule(f"movements:{account.pk}", "payments.read_movements", now=now, account_id=account.pk)


def sync_balance(account: GatewayAccount, *, now: datetime) -> None:
    """Read the balance transactions since the last time, then the payouts that are new or undecided.

    Each page is committed with the place where the next begins: a stop repeats one page. What the gateway refuses
    is recorded on the cursor. Raises Unavailable, and Retry while another worker reads.
    """
    cursor = get_balance_cursor(account)
    with cursor.hold_lease(now=now):
        sync_balance_pages(account, cursor, now=now)


def sync_balance_pages(account: GatewayAccount, cursor: BalanceTransactionCursor, *, now: datetime) -> None:
    """Read from where the cursor stands, with its lease acquired. Raises Unavailable."""
    gateway = open_gateway(account.secret_key.decrypt())
    try:
        began = sync_balance_transactions(account, gateway, cursor, now=now)
        sync_payouts(account, gateway, since=cursor.known_until, now=now)
    except Rejected as error:
        # The transaction that the reading stopped at may be gone from the list: the next one begins anew.
        cursor.save_progress(read_started_at=None, after="", error=error.message[:300])
        return
    link_balance_transactions(account)
    cursor.save_progress(known_until=began, read_started_at=None, after="", error="")


def list_accounts_to_sync(*, now: datetime, every: timedelta) -> "QuerySet[GatewayAccount]":
    """The accounts that were not read for so long, the longest first; one that was replaced for LEFT_PERIOD more."""
    used = ~Q(current_of=None) | Q(replaced_at__gt=now - LEFT_PERIOD)
    stale = Q(balance_transaction_cursor=None) | Q(balance_transaction_cursor__known_until=None)
    return GatewayAccount.objects.filter(
        used, stale | Q(balance_transaction_cursor__known_until__lt=now - every)
    ).order_by(F("balance_transaction_cursor__known_until").asc(nulls_first=True), "pk")
