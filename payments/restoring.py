"""Money that a bank took back and gave back after all: the payment is paid again, or was paid twice."""

from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from payments import following
from payments.models import Attempt, Dispute, Payment
from payments.outcomes import held
from payments.states import LIVE
from wisepay import outbox
from wisepay.money import Money
from wisepay.references import new_reference

# What an attempt has of its own; every other column says whose money it was, and goes with the money.
OWN = frozenset(
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
RESTORED = (
    "The bank gave {money} of {company} for {purpose} back, so it counts as paid again. "
    "The payer was sent a receipt, and the books get a credit note of a new number; "
    "tasks about the first one still have to be done."
)
TWICE = (
    "The bank gave {money} of {company} for {purpose} back, but it was paid again meanwhile: you have it twice. "
    "Give one of the two back. At Stripe the older one is {intent}; it is not in the books."
)


def restore_payment(dispute: Dispute, *, now: datetime) -> bool:
    """A dispute was won of a payment that was reversed by it: it is paid again, and the merchant is told once.

    Where somebody paid again meanwhile the merchant is told that the money is there twice. False while somebody is
    paying again: that has to end first. The same again is nothing.
    """
    key = f"won-{dispute.stripe_dispute_id}"[:80]
    with transaction.atomic(durable=True):
        payment = held(dispute.attempt.payment)
        taken = dispute.attempt.lock()
        taken.payment = payment
        money, intent = left_of(taken), taken.stripe_payment_intent_id
        if taken.state != "reversed" or not money.amount or Attempt.objects.filter(idempotency_key=key).exists():
            return True
        if payment.attempts.filter(state__in=LIVE).exists():
            return False
        is_owed = payment.state == "reversed"
        if is_owed:
            pay_again(payment, taken, money, key=key, now=now)
        following.notify_of(
            payment.merchant,
            payment,
            event=following.Event.PAYMENT_DISPUTED,
            key=f"won:{dispute.stripe_dispute_id}",
            title="Dispute won",
            body=(RESTORED if is_owed else TWICE).format(
                money=money, company=payment.company, purpose=payment.purpose, intent=intent
            ),
            now=now,
        )
    return True


def left_of(attempt: Attempt) -> Money:
    """What the attempt took and was not refunded."""
    refunded = attempt.refunds.exclude(state="failed").aggregate(all=Sum("amount"))["all"] or 0
    return Money(attempt.amount - refunded, attempt.payment.currency)


def pay_again(payment: Payment, taken: Attempt, money: Money, *, key: str, now: datetime) -> Attempt:
    """An attempt of its own stands for the money that came back, so that all that follows has numbers of its own.

    From now on the gateway's intent is its intent, and its refunds. A step of an open transaction.
    """
    copied = {
        field.name: getattr(taken, field.name) for field in Attempt._meta.concrete_fields if field.name not in OWN
    }
    Attempt.objects.filter(pk=taken.pk).update(stripe_payment_intent_id="")
    attempt = Attempt.objects.create(
        **copied,
        reference=new_reference(),
        idempotency_key=key,
        amount=money.amount,
        state="processing",
        state_at=now,
        created_at=now,
    )
    taken.refunds.update(attempt=attempt)
    attempt.advance("succeeded", now=now, by="gateway", reason="dispute won")
    payment.advance(
        "succeeded",
        now=now,
        by="gateway",
        reason="dispute won",
        paid_amount=money.amount,
        paid_at=now,
        refunded_amount=0,
    )
    following.after_charge(attempt)
    outbox.put(f"attempt:{attempt.pk}:succeeded", "payments.follow_success", attempt_id=attempt.pk)
    return attempt
