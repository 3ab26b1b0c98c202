"""Record disputes, and reverse or reinstate the payment when one takes the money or gives it back."""

from datetime import datetime

from django_subatomic.db import transaction, transaction_required

from payments import consequences
from payments.attempts.services import reverse_attempt
from payments.gateways import RemoteDispute, open_gateway
from payments.models import Attempt, Dispute
from wisepay import outbox
from wisepay.errors import Rejected, Unavailable


def sync_disputes(attempt: Attempt, *, now: datetime) -> None:
    """Record every dispute of this attempt at the gateway. Raises Unavailable."""
    try:
        found = open_gateway(attempt.account.secret_key.decrypt()).list_disputes(attempt.stripe_payment_intent_id)
    except Rejected as error:
        raise Unavailable(str(error)) from error
    for remote in found:
        record_dispute(attempt, remote, now=now)


def record_dispute(attempt: Attempt, remote: RemoteDispute, *, now: datetime) -> None:
    """Record one dispute, notify the merchant once, and reverse the attempt when the money is lost.

    A dispute of a bank debit is final when it is made (docs.stripe.com/payments/ach-direct-debit); one of a card
    is when it is lost. A payment that was refunded in full is not reversed; only the merchant is notified.
    """
    with transaction():
        attempt.payment.lock()
        dispute, is_new = Dispute.objects.get_or_create(
            stripe_dispute_id=remote.dispute_id,
            defaults={
                "attempt": attempt,
                "amount": remote.amount.amount,
                "reason": remote.reason,
                "state": "open",
                "state_at": now,
                "created_at": now,
            },
        )
        if remote.status != "open":
            dispute.move_to(remote.status, now=now, by="gateway", reason=remote.reason)
        if is_new:
            notify_merchant_of_dispute(attempt, remote, now=now)
        if is_dispute_final(attempt, remote):
            reverse_attempt(attempt, reason=f"dispute:{remote.reason}", now=now)
        if remote.status == "won":
            outbox.enqueue(f"dispute:{dispute.pk}:won", "payments.restore_payment", dispute_id=dispute.pk)


def is_dispute_final(attempt: Attempt, remote: RemoteDispute) -> bool:
    """Whether the bank keeps the money, and it was not refunded already."""
    payment = attempt.payment
    is_refunded = payment.paid_amount is not None and payment.refunded_amount >= payment.paid_amount
    return not is_refunded and remote.status != "won" and (attempt.is_debit or remote.status == "lost")


@transaction_required
def notify_merchant_of_dispute(attempt: Attempt, remote: RemoteDispute, *, now: datetime) -> None:
    """Notify the merchant's people of a new dispute."""
    payment = attempt.payment
    reason = remote.reason.replace("_", " ")
    advice = (
        "Disputed bank debits are final: the money went back."
        if attempt.is_debit
        else "Answer it at Stripe before its deadline; until then the money is held back."
    )
    consequences.notify_merchant_of_payment(
        payment.merchant,
        payment,
        event=consequences.NotificationEvent.PAYMENT_DISPUTED,
        key=f"dispute:{remote.dispute_id}",
        title="Payment disputed",
        body=f"{payment.company} disputes {remote.amount} for {payment.purpose} ({reason}). {advice}",
        now=now,
    )
