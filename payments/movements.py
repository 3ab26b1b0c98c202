"""What the gateway moved, written down: every line of the balance once, every payout with its lines, nothing lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from payments.gateways import Gateway, MovementFacts, PayoutFacts, open_gateway
from payments.models import Attempt, Dispute, GatewayAccount, Movement, MovementCursor, Payout, Refund
from wisepay import outbox
from wisepay.errors import Rejected

OVERLAP = timedelta(hours=1)  # a line may be listed late, and the gateway's clock is not ours
PAYOUT_LIFE = timedelta(days=40)  # so long after it was made a payout may still fail


def arm_movements(account: GatewayAccount, *, now: datetime) -> None:
    """Let a worker read what moved."""
    outbox.arm(f"movements:{account.pk}", "payments.read_movements", now=now, account_id=account.pk)


def read_movements(account: GatewayAccount, *, now: datetime) -> None:
    """Read the lines since the last time, then the payouts that are new or undecided. Raises Unavailable.

    Each page is committed with the place where the next begins: a stop repeats one page. What the gateway refuses
    is written on the cursor in words.
    """
    cursor = cursor_of(account, now=now)
    gateway = open_gateway(account.secret_key.reveal())
    try:
        began = read_lines(account, gateway, cursor, now=now)
        read_payouts(account, gateway, since=cursor.known_until, now=now)
    except Rejected as error:
        # The line that the reading stopped at may be gone from the list: the next one begins anew.
        MovementCursor.objects.filter(pk=cursor.pk).update(asked_at=None, after="", error=error.message[:300])
        return
    link_movements(account)
    MovementCursor.objects.filter(pk=cursor.pk).update(known_until=began, asked_at=None, after="", error="")


def cursor_of(account: GatewayAccount, *, now: datetime) -> MovementCursor:
    """The account's cursor; it begins anew when the keys were changed to those of another account."""
    fresh = {"stripe_account_id": account.stripe_account_id}
    cursor, _ = MovementCursor.objects.get_or_create(account=account, defaults=fresh)
    if cursor.stripe_account_id != account.stripe_account_id:
        anew = fresh | {"known_until": None, "asked_at": None, "after": "", "begins_at": now}
        MovementCursor.objects.filter(pk=cursor.pk).update(**anew)
        cursor.refresh_from_db()
    return cursor


def read_lines(account: GatewayAccount, gateway: Gateway, cursor: MovementCursor, *, now: datetime) -> datetime:
    """Every line since the cursor; answers when the reading began, of which everything before is known now."""
    began, after = cursor.asked_at or now, cursor.after
    since = cursor.known_until - OVERLAP if cursor.known_until else None
    while True:
        found = gateway.list_movements(since=since, after=after)
        with transaction.atomic(durable=True):
            keep_movements(account, found.rows, now=now)
            MovementCursor.objects.filter(pk=cursor.pk).update(asked_at=began, after=found.after)
        after = found.after
        if not after:
            return began


def keep_movements(account: GatewayAccount, rows: Sequence[MovementFacts], *, now: datetime) -> None:
    """Write lines down, each once by its id. What a line says never changes. A step of an open transaction."""
    fresh = [
        Movement(
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
    Movement.objects.bulk_create(fresh, ignore_conflicts=True)


def read_payouts(account: GatewayAccount, gateway: Gateway, *, since: datetime | None, now: datetime) -> None:
    """Payouts that were made lately, and the lines of each that has them and was not read yet."""
    after, begin = "", since - PAYOUT_LIFE if since else None
    while True:
        found = gateway.list_payouts(since=begin, after=after)
        for facts in reversed(found.rows):
            take_payout(account, gateway, facts, now=now)
        after = found.after
        if not after:
            return


def take_payout(account: GatewayAccount, gateway: Gateway, facts: PayoutFacts, *, now: datetime) -> None:
    """Write a payout down, and its lines when the gateway has put them together and they are new to us."""
    payout = keep_payout(account, facts, now=now)
    if facts.has_lines and payout.is_automatic and payout.lines_at is None:
        read_payout_lines(payout, gateway, now=now)


def read_payout(account: GatewayAccount, payout_id: str, *, now: datetime) -> None:
    """Look again at one payout, and read what moved when its lines are new to us. Raises Unavailable."""
    gateway = open_gateway(account.secret_key.reveal())
    try:
        facts = gateway.look_up_payout(payout_id)
    except Rejected:
        return  # not a payout of this account
    take_payout(account, gateway, facts, now=now)
    link_movements(account)


def keep_payout(account: GatewayAccount, facts: PayoutFacts, *, now: datetime) -> Payout:
    """Write a payout down as the gateway says it is."""
    said = {
        "amount": facts.amount.amount,
        "currency": facts.amount.currency,
        "status": facts.status,
        "is_automatic": facts.is_automatic,
        "arrives_on": facts.arrives_on,
        "made_at": facts.made_at,
        "read_at": now,
    }
    known, _ = Payout.objects.update_or_create(account=account, stripe_payout_id=facts.id, defaults=said)
    return known


def read_payout_lines(payout: Payout, gateway: Gateway, *, now: datetime) -> None:
    """Every line that it took along."""
    after, ids = "", []
    while True:
        found = gateway.list_movements(since=None, after=after, payout_id=payout.stripe_payout_id)
        ids += [row.id for row in found.rows]
        with transaction.atomic(durable=True):
            keep_movements(payout.account, found.rows, now=now)
        after = found.after
        if not after:
            break
    with transaction.atomic(durable=True):
        Movement.objects.filter(account=payout.account, stripe_id__in=ids).update(payout=payout)
        take_over_failed(payout)
        Payout.objects.filter(pk=payout.pk).update(lines_at=now)


def take_over_failed(payout: Payout) -> None:
    """The money of a payout that came back goes with the one that takes its return along. A step of a transaction."""
    returned = payout.lines.filter(kind="payout").exclude(source_id=payout.stripe_payout_id)
    failed = Payout.objects.filter(account=payout.account, stripe_payout_id__in=returned.values("source_id"))
    Movement.objects.filter(payout__in=failed).exclude(kind="payout").update(payout=payout)


def link_movements(account: GatewayAccount) -> None:
    """Say of every line that is not linked yet which attempt, refund or dispute of ours it is about."""
    loose = Movement.objects.filter(account=account).exclude(kind__in=["fee", "adjustment", "payout"])
    without = loose.filter(attempt=None)
    mine = Attempt.objects.filter(account=account)
    _link(without.exclude(intent_id=""), attempt=mine.filter(stripe_payment_intent_id=OuterRef("intent_id")))
    _link(without.filter(kind="charge").exclude(reference=""), attempt=mine.filter(reference=OuterRef("reference")))
    ours = Refund.objects.filter(attempt__account=account)
    back = loose.filter(kind__in=["refund", "refund_failure"], refund=None)
    _link(back.exclude(source_id=""), refund=ours.filter(stripe_refund_id=OuterRef("source_id")))
    _link(back.exclude(reference=""), refund=ours.filter(reference=OuterRef("reference")))
    disputed = loose.filter(kind__in=["dispute", "dispute_reversal"], dispute=None).exclude(source_id="")
    _link(disputed, dispute=Dispute.objects.filter(stripe_dispute_id=OuterRef("source_id")))
    loose.filter(attempt=None, refund__isnull=False).update(
        attempt=Subquery(Refund.objects.filter(pk=OuterRef("refund")).values("attempt")[:1])
    )


def _link(rows: "QuerySet[Movement]", **to: "QuerySet[Attempt] | QuerySet[Refund] | QuerySet[Dispute]") -> None:
    """Set the one column to the first row that fits, where one does."""
    for column, fitting in to.items():
        rows.filter(Exists(fitting)).update(**{column: Subquery(fitting.order_by("pk").values("pk")[:1])})


def due_accounts(*, now: datetime, every: timedelta) -> "QuerySet[GatewayAccount]":
    """The accounts of which nothing was read for so long."""
    stale = Q(movement_cursor=None) | Q(movement_cursor__known_until=None)
    return GatewayAccount.objects.filter(stale | Q(movement_cursor__known_until__lt=now - every)).order_by(
        F("movement_cursor__known_until").asc(nulls_first=True), "pk"
    )
