"""What a payer's bank disputes: written down, and followed when it takes the money, or gives it back after all."""

from datetime import datetime

from django.db import transaction

from payments import following
from payments.gateways import DisputeFacts, open_gateway
from payments.models import Attempt, Dispute
from payments.outcomes import reverse_attempt
from wisepay import outbox
from wisepay.errors import Rejected, Unavailable


def reread_disputes(attempt: Attempt, *, now: datetime) -> None:
    """Write down every dispute that the gateway knows of this attempt. Raises Unavailable."""
    try:
        found = open_gateway(attempt.account.secret_key.reveal()).list_disputes(attempt.stripe_payment_intent_id)
    except Rejected as error:
        raise Unavailable(str(error)) from error
    for facts in found:
        record_dispute(attempt, facts, now=now)


def record_dispute(attempt: Attempt, facts: DisputeFacts, *, now: datetime) -> None:
    """Write one dispute down, tell the merchant once, and reverse the attempt when the money is gone for good.

    A dispute of a bank debit is final when it is made (docs.stripe.com/payments/ach-direct-debit); one of a card
    is when it is lost. Of a payment that was refunded in full nothing is left to take, so only the merchant hears.
    """
    with transaction.atomic(durable=True):
        attempt.payment.lock()
        dispute, is_new = Dispute.objects.get_or_create(
            stripe_dispute_id=facts.dispute_id,
            defaults={
                "attempt": attempt,
                "amount": facts.amount.amount,
                "reason": facts.reason,
                "state": "open",
                "state_at": now,
                "created_at": now,
            },
        )
        if facts.status != "open":
            dispute.move_to(facts.status, now=now, by="gateway", reason=facts.reason)
        if is_new:
            tell_of_dispute(attempt, facts, now=now)
        if is_final(attempt, facts):
            reverse_attempt(attempt, reason=f"dispute:{facts.reason}", now=now)
        if facts.status == "won":
            outbox.put(f"dispute:{dispute.pk}:won", "payments.restore_payment", dispute_id=dispute.pk)


def is_final(attempt: Attempt, facts: DisputeFacts) -> bool:
    """Whether the money is gone for good, and not given back already."""
    payment = attempt.payment
    is_refunded = payment.paid_amount is not None and payment.refunded_amount >= payment.paid_amount
    return not is_refunded and facts.status != "won" and (attempt.is_debit or facts.status == "lost")


def tell_of_dispute(attempt: Attempt, facts: DisputeFacts, *, now: datetime) -> None:
    """The merchant has to act at Stripe, or at least to know. A step of an open transaction."""
    payment = attempt.payment
    reason = facts.reason.replace("_", " ")
    after = (
        "Disputed bank debits are final: the money went back."
        if attempt.is_debit
        else "Answer it at Stripe before its deadline; until then the money is held back."
    )
    following.notify_of(
        payment.merchant,
        payment,
        event=following.Event.PAYMENT_DISPUTED,
        key=f"dispute:{facts.dispute_id}",
        title="Payment disputed",
        body=f"{payment.company} disputes {facts.amount} for {payment.purpose} ({reason}). {after}",
        now=now,
    )
