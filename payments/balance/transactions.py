"""Balance transactions: read each once, and link it to the attempt, refund or dispute that it is about."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat
from django_subatomic.db import transaction, transaction_required

from payments.gateways import Gateway, RemoteBalanceTransaction
from payments.models import (
    Attempt,
    BalanceTransaction,
    BalanceTransactionCursor,
    Dispute,
    GatewayAccount,
    Refund,
)

OVERLAP = timedelta(hours=1)  # a transaction may be listed late, and the gateway's clock is not ours


def get_balance_cursor(account: GatewayAccount) -> BalanceTransactionCursor:
    """The account's cursor."""
    return BalanceTransactionCursor.objects.get_or_create(account=account)[0]


def sync_balance_transactions(
    account: GatewayAccount, gateway: Gateway, cursor: BalanceTransactionCursor, *, now: datetime
) -> datetime:
    """Read every transaction since the cursor; answers when the reading began, up to which all is known then."""
    began, after = cursor.read_started_at or now, cursor.after
    since = cursor.known_until - OVERLAP if cursor.known_until else None
    while True:
        found = gateway.list_balance_transactions(since=since, after=after)
        with transaction():
            record_balance_transactions(account, found.rows, now=now)
            cursor.save_progress(read_started_at=began, after=found.after)
        after = found.after
        if not after:
            return began


@transaction_required
def record_balance_transactions(
    account: GatewayAccount, rows: Sequence[RemoteBalanceTransaction], *, now: datetime
) -> None:
    """Record transactions, each once by its id. They never change."""
    fresh = [
        BalanceTransaction(
            account=account,
            stripe_id=row.id,
            kind=row.kind,
            amount=row.amount.amount,
            fee=row.fee,
            currency=row.amount.currency,
            paid_amount=row.paid.amount,
            paid_currency=row.paid.currency,
            source_id=row.source_id,
            intent_id=row.intent_id,
            reference=row.reference,
            method_kind=row.method_kind,
            description=row.description,
            happened_at=row.happened_at,
            available_at=row.available_at,
            read_at=now,
        )
        for row in rows
    ]
    BalanceTransaction.objects.bulk_create(fresh, ignore_conflicts=True)


def link_balance_transactions(account: GatewayAccount) -> None:
    """Link every unlinked transaction to the attempt, refund or dispute that it is about."""
    loose = BalanceTransaction.objects.filter(account=account).exclude(kind__in=["fee", "adjustment", "payout"])
    without = loose.filter(attempt=None)
    attempts = Attempt.objects.filter(account=account)
    _link(without.exclude(intent_id=""), attempt=attempts.filter(stripe_payment_intent_id=OuterRef("intent_id")))
    _link(without.filter(kind="charge").exclude(reference=""), attempt=attempts.filter(reference=OuterRef("reference")))
    ours = Refund.objects.filter(attempt__account=account)
    back = loose.filter(kind__in=["refund", "refund_failure"], refund=None)
    _link(back.exclude(source_id=""), refund=ours.filter(stripe_refund_id=OuterRef("source_id")))
    _link(back.exclude(reference=""), refund=ours.filter(reference=OuterRef("reference")))
    disputed = loose.filter(kind__in=["dispute", "dispute_reversal"], dispute=None).exclude(source_id="")
    _link(disputed, dispute=Dispute.objects.filter(stripe_dispute_id=OuterRef("source_id")))
    # What a dispute took of a payment is recorded as money that went back.
    parts = loose.filter(kind="dispute", refund=None).exclude(source_id="")
    _link(parts, refund=ours.filter(idempotency_key=Concat(Value("dispute-"), OuterRef("source_id"))))
    loose.filter(attempt=None, refund__isnull=False).update(
        attempt=Subquery(Refund.objects.filter(pk=OuterRef("refund")).values("attempt")[:1])
    )


def _link(
    rows: "QuerySet[BalanceTransaction]", **to: "QuerySet[Attempt] | QuerySet[Refund] | QuerySet[Dispute]"
) -> None:
    """Set the column to the first matching row, if there is one."""
    for column, fitting in to.items():
        rows.filter(Exists(fitting)).update(**{column: Subquery(fitting.order_by("pk").values("pk")[:1])})
