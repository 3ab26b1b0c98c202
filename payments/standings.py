"""How a payment stands for its merchant: one word, the same in every list and on the payment's own page."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Exists, F, Model, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import JSONObject

from payments.models import Attempt, Dispute, Payment, Refund, Setup
from payments.states import LIVE_STATES

ASKING_DISPUTES = ("inquiry", "open")
SHOWN_DISPUTES = ("open", "inquiry", "lost")  # the first that a payment has says how it stands
STANDINGS = (
    "open", "processing", "requires_action", "settling", "succeeded", "failed", "returned", "refunding",
    "part_refunded", "refunded", "inquiry", "disputed", "part_lost", "reversed", "saved", "expired", "cancelled",
)  # fmt: skip
# What a row of a list needs of the attempt that paid it, or else of the newest one.
SHOWN_ATTEMPT = {
    "state": "state",
    "method_kind": "method_kind",
    "brand": "brand",
    "last4": "last4",
    "submitted_at": "submitted_at",
    "payer_name": "payer_name",
    "payer_email": "payer_email",
    "intent_id": "stripe_payment_intent_id",
    "gateway_account_id": "account__stripe_account_id",
    "is_live": "account__is_live",
}


def attach_standings(payments: Iterable[Payment], *, now: datetime) -> list[Payment]:
    """Give each payment its `standing`, a state of the badges. Four queries at any number, none for none."""
    rows = list(payments)
    if not rows:
        return []
    keys = [payment.pk for payment in rows]
    newest = Attempt.objects.filter(payment__in=keys).order_by("payment", "-pk").distinct("payment")
    attempts = {attempt.payment_id: attempt for attempt in newest}
    setups = dict(Setup.objects.filter(payment__in=keys, state__in=LIVE_STATES).values_list("payment_id", "state"))
    disputes: dict[int, set[str]] = {}
    for key, state in Dispute.objects.filter(attempt__payment__in=keys).values_list("attempt__payment_id", "state"):
        disputes.setdefault(key, set()).add(state)
    returning = set(Refund.objects.filter(payment__in=keys, state="processing").values_list("payment_id", flat=True))
    for payment in rows:
        key, live_setup = payment.pk, setups.get(payment.pk, "")
        if payment.state == "succeeded":
            standing = get_paid_standing(payment, disputes.get(key, set()), is_returning=key in returning)
        else:
            standing = get_unpaid_standing(payment, attempts.get(key), live_setup, now=now)
        payment.standing = standing
    return rows


def get_paid_standing(payment: Payment, disputes: set[str], *, is_returning: bool) -> str:
    """How a paid payment stands: disputed before all else, then what went back of it."""
    for dispute in ("open", "inquiry", "lost"):
        if dispute in disputes:
            return {"open": "disputed", "inquiry": "inquiry", "lost": "part_lost"}[dispute]
    if is_returning:
        return "refunding"
    if not payment.refunded_amount:
        return "succeeded"
    return "refunded" if payment.refunded_amount == payment.paid_amount else "part_refunded"


def get_unpaid_standing(payment: Payment, attempt: Attempt | None, setup_state: str, *, now: datetime) -> str:
    """How a payment stands that is not paid, or not any more: by what its newest attempt says."""
    if payment.state not in ("open", "reversed"):
        return payment.state
    if attempt is not None and attempt.is_settling:
        return "settling"
    if attempt is not None and attempt.is_live:
        return attempt.state
    if setup_state:
        return setup_state
    if attempt is not None and attempt.state == "failed" and attempt.is_debit and attempt.submitted_at:
        return "returned"
    if payment.state == "open" and payment.is_expired(now):
        return "expired"
    return "failed" if attempt is not None and attempt.state == "failed" else payment.state


def annotate_standings[M: Model](rows: QuerySet[M], *, payment: str = "pk") -> QuerySet[M]:
    """The rows with what their payment's standing is read from, in the statement that reads them, for long lists.

    `payment` is the column that leads to the payment.
    """
    attempts = Attempt.objects.filter(payment=OuterRef(payment))
    shown = attempts.order_by(Case(When(state="succeeded", then=0), default=1), "-pk")
    setups = Setup.objects.filter(payment=OuterRef(payment), state__in=LIVE_STATES)
    disputes = Dispute.objects.filter(attempt__payment=OuterRef(payment))
    found: QuerySet[Any] = rows.annotate(
        shown_attempt=Subquery(shown.values(found=JSONObject(**SHOWN_ATTEMPT))[:1]),
        live_setup=Subquery(setups.values("state")[:1]),
        dispute_states=ArraySubquery(disputes.values("state")),
        is_returning=Exists(Refund.objects.filter(payment=OuterRef(payment), state="processing")),
    )
    return found


def attach_annotated_standing(payment: Payment, row: Any, *, now: datetime) -> None:
    """Give a payment its `standing`, from its row of `annotate_standings`. No query."""
    if payment.state == "succeeded":
        payment.standing = get_paid_standing(payment, set(row.dispute_states), is_returning=row.is_returning)
        return
    shown = row.shown_attempt
    names = ("state", "method_kind", "submitted_at")
    attempt = Attempt(**{name: shown[name] for name in names}) if shown else None
    payment.standing = get_unpaid_standing(payment, attempt, row.live_setup or "", now=now)


def build_standing_filter(standing: str, *, now: datetime) -> Q:
    """The condition of payments that stand so: of those, and of no others, the list says this word."""
    if standing in ("saved", "cancelled"):
        return Q(state=standing)
    paid = PAID_FILTERS.get(standing)
    return Q(state="succeeded") & paid() if paid else build_unpaid_filter(standing, now=now)


def has_dispute(*states: str) -> Q:
    """Whether a dispute of the payment is in one of these states."""
    return Q(pk__in=Dispute.objects.filter(state__in=states).values("attempt__payment"))


def is_calm(*, is_returning: bool = False) -> Q:
    """A payment without disputes that are shown, and with or without a refund on its way."""
    returning = Q(Exists(Refund.objects.filter(payment=OuterRef("pk"), state="processing")))
    return ~has_dispute(*SHOWN_DISPUTES) & (returning if is_returning else ~returning)


PAID_FILTERS: dict[str, Callable[[], Q]] = {
    "disputed": lambda: has_dispute("open"),
    "inquiry": lambda: has_dispute("inquiry") & ~has_dispute("open"),
    "part_lost": lambda: has_dispute("lost") & ~has_dispute("open", "inquiry"),
    "refunding": lambda: is_calm(is_returning=True),
    "succeeded": lambda: Q(refunded_amount=0) & is_calm(),
    "refunded": lambda: Q(refunded_amount__gt=0, refunded_amount=F("paid_amount")) & is_calm(),
    "part_refunded": lambda: Q(refunded_amount__gt=0) & ~Q(refunded_amount=F("paid_amount")) & is_calm(),
}


def build_unpaid_filter(standing: str, *, now: datetime) -> Q:
    """The condition of payments that are not paid, or not any more, and stand so."""
    unpaid, attempts = Q(state__in=("open", "reversed")), Attempt.objects.filter(payment=OuterRef("pk"))
    live = attempts.filter(state__in=LIVE_STATES)
    setups = Setup.objects.filter(payment=OuterRef("pk"), state__in=LIVE_STATES)
    later = Attempt.objects.filter(payment=OuterRef("payment"), pk__gt=OuterRef("pk"))
    failed = attempts.filter(~Exists(later), state="failed")
    returned = Q(Exists(failed.filter(submitted_at__isnull=False).exclude(method_kind__in=("", "card"))))
    settling = Q(Exists(live.filter(state="processing", submitted_at__isnull=False)))
    if standing == "settling":
        return unpaid & settling
    if standing in ("processing", "requires_action"):
        # Ids of what is live, which is little: an "or" would be asked of every open payment.
        asked = Attempt.objects.filter(state=standing).values("payment")
        saving = Setup.objects.filter(state=standing, payment__isnull=False).values("payment")
        other = Q(Exists(live.exclude(state=standing)))
        return unpaid & Q(pk__in=asked.union(saving)) & ~settling & ~other
    quiet = unpaid & ~Q(Exists(live)) & ~Q(Exists(setups))
    if standing == "returned":
        return quiet & returned
    if standing == "expired":
        return quiet & ~returned & Q(state="open", expires_at__lte=now)
    payable, rest = Q(state="open", expires_at__gt=now), quiet & ~returned
    if standing == "failed":
        return rest & (payable | Q(state="reversed")) & Q(Exists(failed))
    return rest & ~Q(Exists(failed)) & (payable if standing == "open" else Q(state=standing))
