"""Reinstate payments after a won dispute: the payment is paid again, or was paid twice."""

from datetime import datetime

from django.db.models import Sum
from django_subatomic.db import transaction, transaction_required

from payments import consequences
from payments.models import Attempt, Dispute, Payment
from payments.operations.services import lock_payment
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.addresses import new_reference
from wisepay.money import Money

# The columns that are not copied to the attempt that stands for the returned money.
ATTEMPT_OWN_FIELDS = frozenset(
    {
        "id",
        "reference",
        "idempotency_key",
        "amount",
        "state",
        "state_at",
        "created_at",
        "submitted_at",
        "saves_method",
        "failure_code",
        "failure_message",
    }
)
REINSTATED_TEXT = (
    "The bank gave {money} of {company} for {purpose} back, so it counts as paid again. "
    "The payer was sent a receipt, and the books get a credit note of a new number; "
    "tasks about the first one still have to be done."
)
PAID_TWICE_TEXT = (
    "The bank gave {money} of {company} for {purpose} back, but it was paid again meanwhile: you have it twice. "
    "Give one of the two back. At Stripe the older one is {intent}; it is not in the books."
)


def reinstate_payment(dispute: Dispute, *, now: datetime) -> bool:
    """Mark a payment that the dispute reversed as paid again, and notify the merchant once.

    If somebody paid again meanwhile, the notification says that the money is there twice. False, with nothing done,
    while somebody is paying again. A second call changes nothing.
    """
    key = f"won-{dispute.stripe_dispute_id}"[:80]
    with transaction():
        payment = lock_payment(dispute.attempt.payment)
        reversed_attempt = dispute.attempt.lock()
        reversed_attempt.payment = payment
        money, intent = get_unrefunded_amount(reversed_attempt), reversed_attempt.stripe_payment_intent_id
        is_done = Attempt.objects.filter(idempotency_key=key).exists()
        if reversed_attempt.state != "reversed" or not money.amount or is_done:
            return True
        if payment.attempts.filter(state__in=LIVE_STATES).exists():
            return False
        is_owed = payment.state == "reversed"
        if is_owed:
            create_reinstated_attempt(payment, reversed_attempt, money, key=key, now=now)
        consequences.notify_merchant_of_payment(
            payment.merchant,
            payment,
            event=consequences.NotificationEvent.PAYMENT_DISPUTED,
            key=f"won:{dispute.stripe_dispute_id}",
            title="Dispute won",
            body=(REINSTATED_TEXT if is_owed else PAID_TWICE_TEXT).format(
                money=money, company=payment.company, purpose=payment.purpose, intent=intent
            ),
            now=now,
        )
    return True


def get_unrefunded_amount(attempt: Attempt) -> Money:
    """Return what the attempt charged less its refunds."""
    refunded = attempt.refunds.exclude(state="failed").aggregate(all=Sum("amount"))["all"] or 0
    return Money(attempt.amount - refunded, attempt.payment.currency)


@transaction_required
def create_reinstated_attempt(
    payment: Payment, reversed_attempt: Attempt, money: Money, *, key: str, now: datetime
) -> Attempt:
    """Create a succeeded attempt for the returned money, so that its postings have keys and numbers of their own.

    The intent at the gateway and the refunds move to it.
    """
    copied = {
        field.name: getattr(reversed_attempt, field.name)
        for field in Attempt._meta.concrete_fields
        if field.name not in ATTEMPT_OWN_FIELDS
    }
    Attempt.objects.filter(pk=reversed_attempt.pk).update(stripe_payment_intent_id="")
    attempt = Attempt.objects.create(
        **copied,
        reference=new_reference(),
        idempotency_key=key,
        amount=money.amount,
        state="processing",
        state_at=now,
        created_at=now,
    )
    reversed_attempt.refunds.update(attempt=attempt)
    attempt.move_locked_to("succeeded", now=now, by="gateway", reason="dispute won")
    payment.move_locked_to(
        "succeeded",
        now=now,
        by="gateway",
        reason="dispute won",
        paid_amount=money.amount,
        paid_at=now,
        refunded_amount=0,
    )
    consequences.announce_automatic_charge(attempt)
    outbox.enqueue(f"attempt:{attempt.pk}:succeeded", "payments.follow_success", attempt_id=attempt.pk)
    return attempt
