"""Read the gateway's payouts and the balance transactions in each."""

from datetime import datetime, timedelta

from django_subatomic.db import transaction, transaction_required

from payments.balance.transactions import link_balance_transactions, record_balance_transactions
from payments.gateways import Gateway, RemotePayout, open_gateway
from payments.models import BalanceTransaction, GatewayAccount, Payout
from wisepay.errors import NotThere, retry_refusals

PAYOUT_MAX_AGE = timedelta(days=40)  # so long after its creation a payout may still fail


def sync_payouts(account: GatewayAccount, gateway: Gateway, *, since: datetime | None, now: datetime) -> None:
    """Read the recent payouts, and the balance transactions of each that has some that were not read yet."""
    after, begin = "", since - PAYOUT_MAX_AGE if since else None
    while True:
        found = gateway.list_payouts(since=begin, after=after)
        for remote in reversed(found.rows):
            apply_remote_payout(account, gateway, remote, now=now)
        after = found.after
        if not after:
            return


def apply_remote_payout(account: GatewayAccount, gateway: Gateway, remote: RemotePayout, *, now: datetime) -> None:
    """Record a payout, and read its balance transactions once, when the gateway has assigned them."""
    payout = record_payout(account, remote, now=now)
    if remote.has_transactions and payout.is_automatic and payout.transactions_read_at is None:
        sync_payout_transactions(payout, gateway, now=now)


def sync_payout(account: GatewayAccount, payout_id: str, *, now: datetime) -> None:
    """Read one payout again, and its balance transactions if they were not read yet. Raises Unavailable."""
    gateway = open_gateway(account.secret_key.decrypt())
    try:
        with retry_refusals():
            remote = gateway.look_up_payout(payout_id)
    except NotThere:
        return  # not a payout of this account
    apply_remote_payout(account, gateway, remote, now=now)
    link_balance_transactions(account)


def record_payout(account: GatewayAccount, remote: RemotePayout, *, now: datetime) -> Payout:
    """Record a payout as the gateway has it."""
    columns = {
        "amount": remote.amount.amount,
        "currency": remote.amount.currency,
        "status": remote.status,
        "is_automatic": remote.is_automatic,
        "arrives_on": remote.arrives_on,
        "created_at": remote.created_at,
        "read_at": now,
    }
    known, _ = Payout.objects.update_or_create(account=account, stripe_payout_id=remote.id, defaults=columns)
    return known


def sync_payout_transactions(payout: Payout, gateway: Gateway, *, now: datetime) -> None:
    """Read every balance transaction of the payout."""
    after, ids = "", []
    while True:
        found = gateway.list_balance_transactions(since=None, after=after, payout_id=payout.stripe_payout_id)
        ids += [row.id for row in found.rows]
        with transaction():
            record_balance_transactions(payout.account, found.rows, now=now)
        after = found.after
        if not after:
            break
    with transaction():
        BalanceTransaction.objects.filter(account=payout.account, stripe_id__in=ids).update(payout=payout)
        reassign_failed_payout_transactions(payout)
        Payout.objects.filter(pk=payout.pk).update(transactions_read_at=now)


@transaction_required
def reassign_failed_payout_transactions(payout: Payout) -> None:
    """Move the transactions of a payout that came back to the payout that contains its return."""
    returned = payout.balance_transactions.filter(kind="payout").exclude(source_id=payout.stripe_payout_id)
    failed = Payout.objects.filter(account=payout.account, stripe_payout_id__in=returned.values("source_id"))
    BalanceTransaction.objects.filter(payout__in=failed).exclude(kind="payout").update(payout=payout)
