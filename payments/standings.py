"""How a payment stands for its merchant: one word, the same in every list and on the payment's own page."""

from collections.abc import Iterable
from datetime import datetime

from payments.models import Attempt, Dispute, Payment, Refund, Setup
from payments.states import LIVE_STATES

ASKING_DISPUTES = ("inquiry", "open")


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
