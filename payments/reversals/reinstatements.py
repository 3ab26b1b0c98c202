"""Money that a bank took back and gave back after all: the payment is paid again, or was paid twice."""

from datetime import datetime

from django.db.models import Sum
from django_subatomic.db import transaction, transaction_required

from payments import consequences
from payments.models import Attempt, Dispute, Payment
from payments.operations.services import lock_payment
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.money import Money
from wisepay.references import new_reference

# What an attempt has of its own; every other column says whose money it was, and goes with the money.
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
    """A dispute was won of a payment that was reversed by it: it is paid again, and the merchant is told once.

    Where somebody paid again meanwhile the merchant is told that the money is there twice. False while somebody is
    paying again: that has to end first. The same again is nothing.
    """
    key = f"won-{dispute.stripe_dispute_id}"[:80]
    with transaction():
        payment = lock_payment(dispute.attempt.payment)
        taken = dispute.attempt.lock()
        taken.payment = payment
        money, intent = get_unrefunded_amount(taken), taken.stripe_payment_intent_id
        if taken.state != "reversed" or not money.amount or Attempt.objects.filter(idempotency_key=key).exists():
            return True
        if payment.attempts.filter(state__in=LIVE_STATES).exists():
            return False
        is_owed = payment.state == "reversed"
        if is_owed:
            create_reinstated_attempt(payment, taken, money, key=key, now=now)
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
    """What the attempt took and was not refunded."""
    refunded = attempt.refunds.exclude(state="failed").aggregate(all=Sum("amount"))["all"] or 0
    return Money(attempt.amount - refunded, attempt.payment.currency)


@transaction_required
def create_reinstated_attempt(
    payment: Payment, reversed_attempt: Attempt, money: Money, *, key: str, now: datetime
) -> Attempt:
    """An attempt of its own stands for the money that came back, so that all that follows has numbers of its own.

    From now on the gateway's intent is its intent, and its refunds.
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
