"""Orders about payments: start an attempt, ask the gateway, write down its word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from merchants.models import EventNotification, Merchant
from merchants.services import list_prerequisites, notify_merchant
from payments.access import attempts_of
from payments.errors import (
    AlreadyPaid,
    AmountChanged,
    AttemptInProgress,
    GuestRefused,
    MerchantNotReady,
    PaymentExpired,
)
from payments.gateways import Outcome, Start, open_gateway
from payments.limits import check_limits
from payments.models import Attempt, GatewayAccount, Payment
from wisepay import outbox
from wisepay.errors import Rejected, Unavailable
from wisepay.references import new_reference

log = structlog.get_logger(__name__)

ASK_AFTER = timedelta(seconds=10)  # when the answer to an attempt is first looked for, if it was lost
REPLAY_FOR = timedelta(minutes=30)  # how long a payer may be charged after pressing Pay; a key lives a day


@dataclass(frozen=True, slots=True)
class Payer:
    """Who says that they pay: what a guest typed, and where the request came from."""

    name: str
    email: str
    phone: str
    ip: str
    user_agent: str


def start_attempt(payment: Payment, *, amount: int, confirmation_token: str, payer: Payer, now: datetime) -> Attempt:
    """Commit the intention to charge `amount` minor units, before the gateway hears of it.

    Raises AlreadyPaid, AttemptInProgress, PaymentExpired, AmountChanged, GuestRefused, TooManyAttempts or
    MerchantNotReady; then nothing is stored.
    """
    with transaction.atomic(durable=True):
        locked = held(payment)
        attempts = attempts_of(locked)
        account = check_payable(locked, now=now, attempts=attempts)
        if amount not in (locked.amount, locked.full_amount) or amount <= 0:
            raise AmountChanged("The amount of this quote has changed. Please look at it again before you pay.")
        check_limits(locked, attempts=attempts, ip=payer.ip, now=now)
        reference = new_reference()
        attempt = Attempt.objects.create(
            reference=reference,
            payment=locked,
            account=account,
            state="processing",
            state_at=now,
            created_at=now,
            amount=amount,
            idempotency_key=f"attempt-{reference}",
            confirmation_token=confirmation_token,
            payer_name=payer.name,
            payer_email=payer.email,
            payer_phone=payer.phone,
            ip=payer.ip,
            user_agent=payer.user_agent[:300],
        )
        outbox.put(
            f"attempt:{attempt.pk}",
            "payments.resolve_attempt",
            run_after=now + ASK_AFTER,
            attempt_id=attempt.pk,
        )
    return attempt


def check_payable(payment: Payment, *, attempts: Sequence[Attempt], now: datetime) -> GatewayAccount:
    """The gateway account that would take the money. Raises what `start_attempt` raises, limits apart.

    `attempts` are all of the payment's.
    """
    if payment.state in ("succeeded", "reversed"):
        raise AlreadyPaid("This quote is already paid.")
    if payment.state == "cancelled" or payment.is_over(now):
        raise PaymentExpired("This quote can no longer be paid. Please ask for a new one.")
    if any(attempt.is_live for attempt in attempts):
        raise AttemptInProgress("A payment for this quote is being processed. Please wait for its result.")
    check_guest(payment)
    return ready_account(payment.merchant)


def check_guest(payment: Payment) -> None:
    """Raises GuestRefused with the reason why this needs a Wise-Pay account."""
    if payment.needs_account:
        raise GuestRefused(
            "This quote has a recurring part, so a payment method has to be saved for it. "
            "That needs a Wise-Pay account: a guest cannot pay it."
        )
    if "card" not in payment.methods:
        raise GuestRefused("This quote is paid by bank debit, which needs a Wise-Pay account; guests pay by card.")


def ready_account(merchant: Merchant) -> GatewayAccount:
    """The merchant's gateway account, if everything that quote payments need stands. Raises MerchantNotReady."""
    account: GatewayAccount | None = getattr(merchant, "gateway_account", None)
    ready = merchant.takes_payments and all(p.is_met for p in list_prerequisites(merchant))
    if account is None or not ready:
        raise MerchantNotReady(f"{merchant.name} can't take payments at the moment. Please contact them.")
    return account


def run_attempt(attempt: Attempt, *, now: datetime, is_repeat: bool = False) -> Outcome | None:
    """Say the order to the gateway and write down the answer; None when there was no answer.

    Saying it again is harmless: key and words are made from the row.
    """
    account = attempt.account
    payment = attempt.payment
    order = Start(
        key=attempt.idempotency_key,
        reference=attempt.reference,
        amount=attempt.money,
        confirmation_token=attempt.confirmation_token,
        method_types=("card",),
        description=payment.purpose,
        payer_email=attempt.payer_email,
        return_url=f"{settings.PUBLIC_URL}{reverse('payments:pay', args=[payment.reference])}",
        ip=attempt.ip,
        user_agent=attempt.user_agent,
    )
    try:
        outcome = open_gateway(account.secret_key.reveal()).start(order)
    except Unavailable as error:
        log.warning("payment.answer_unknown", attempt=attempt.reference, reason=str(error))
        return None
    except Rejected as error:
        # A secret key that was revoked meanwhile says nothing of what the first saying did.
        if error.code == "idempotency" or (is_repeat and error.code == "gateway_key"):
            log.warning("payment.answer_unknown", attempt=attempt.reference, reason=str(error))
            return None
        outcome = Outcome("failed", "", failure_code=error.code, failure_message=error.message)
    settle_attempt(attempt, outcome, by="gateway", now=now)
    return outcome


def look_up_attempt(attempt: Attempt, *, now: datetime) -> Outcome | None:
    """Ask how a live attempt stands and write it down. None when nothing can be known now."""
    gateway = open_gateway(attempt.account.secret_key.reveal())
    try:
        if attempt.stripe_payment_intent_id:
            outcome = gateway.look_up(attempt.stripe_payment_intent_id)
        else:
            found = gateway.find(attempt.reference, since=attempt.created_at)
            if found is None and now - attempt.created_at < REPLAY_FOR:
                return run_attempt(attempt, now=now, is_repeat=True)
            outcome = found or Outcome("failed", "", failure_code="never_arrived")
        return conclude(attempt, outcome, now=now)
    except (Unavailable, Rejected) as error:
        log.warning("payment.answer_unknown", attempt=attempt.reference, reason=str(error))
        return None


def conclude(attempt: Attempt, outcome: Outcome, *, now: datetime) -> Outcome:
    """Write down what a look at the gateway found. Raises Unavailable.

    A failed intent whose secret a browser holds could still be paid there, so it is cancelled first.
    """
    if outcome.status == "failed" and outcome.intent_id and attempt.is_live:
        ended = cancel_at_gateway(attempt, intent_id=outcome.intent_id)
        if ended.status != "cancelled":
            outcome = ended
    settle_attempt(attempt, outcome, by="gateway", now=now)
    return outcome


def cancel_at_gateway(attempt: Attempt, *, intent_id: str) -> Outcome:
    """End the intent without money if it is not too late. Raises Unavailable."""
    gateway = open_gateway(attempt.account.secret_key.reveal())
    try:
        return gateway.cancel(intent_id, key=f"cancel-{attempt.reference}")
    except Rejected as error:
        # A no to the question says nothing about the money, so it is still not known.
        raise Unavailable(str(error)) from error


def cancel_attempt(attempt: Attempt, *, by: str, now: datetime) -> Outcome | None:
    """Give up an attempt that waits for the payer; the gateway has the last word. Raises Unavailable."""
    if not attempt.stripe_payment_intent_id:
        return look_up_attempt(attempt, now=now)
    outcome = cancel_at_gateway(attempt, intent_id=attempt.stripe_payment_intent_id)
    settle_attempt(attempt, outcome, by=by, now=now)
    return outcome


def settle_attempt(attempt: Attempt, outcome: Outcome, *, by: str, now: datetime) -> None:
    """Write the gateway's word on the attempt and, if it was paid, on the payment with all that follows.

    The same word again changes nothing. Raises IllegalTransition when money moved that must not have.
    """
    with transaction.atomic(durable=True):
        payment = held(attempt.payment)
        current = attempt.lock()
        if not current.is_live and outcome.status in ("failed", "cancelled", "processing", "requires_action"):
            attempt.refresh_from_db()
            return
        learned = {
            "stripe_payment_intent_id": outcome.intent_id or current.stripe_payment_intent_id,
            "method_kind": outcome.method_kind or current.method_kind,
            "brand": outcome.brand or current.brand,
            "last4": outcome.last4 or current.last4,
            "failure_code": outcome.failure_code[:60],
            "failure_message": outcome.failure_message[:300],
        }
        reason = outcome.failure_code or outcome.status
        moved = current.advance(outcome.status, now=now, by=by, reason=reason, **learned)
        if not moved:
            Attempt.objects.filter(pk=attempt.pk).update(**learned)
        elif outcome.status == "succeeded":
            _record_success(payment, attempt, outcome, now=now)
        elif outcome.status in ("failed", "cancelled"):
            outbox.put(f"attempt:{attempt.pk}:ended", "quotes.record_outcome", payment_id=payment.pk)
        elif outcome.status == "processing":
            outbox.put(f"attempt:{attempt.pk}:processing", "quotes.record_outcome", payment_id=payment.pk)
        for name, value in {"state": current.state, "state_at": current.state_at, **learned}.items():
            setattr(attempt, name, value)
        attempt.payment = payment


def held(payment: Payment) -> Payment:
    """The payment, locked, with the merchant that was read before."""
    locked = payment.lock()
    locked.merchant = payment.merchant
    return locked


def _record_success(payment: Payment, attempt: Attempt, outcome: Outcome, *, now: datetime) -> None:
    """The payment is paid; one message stands for all that follows. A step of an open transaction."""
    if outcome.amount != attempt.money:
        raise ValueError(f"attempt {attempt.reference}: asked for {attempt.money}, the gateway took {outcome.amount}")
    payment.advance("succeeded", now=now, by="gateway", paid_amount=attempt.amount, paid_at=now)
    outbox.put(f"payment:{payment.pk}:succeeded", "payments.follow_success", payment_id=payment.pk)


def follow_success(payment: Payment, *, now: datetime) -> None:
    """Everything that follows when a payment was paid, each as a message of its own. The same again is nothing."""
    with transaction.atomic(durable=True):
        outbox.put(f"payment:{payment.pk}:post", "accounting.post_payment", payment_id=payment.pk)
        outbox.put(f"payment:{payment.pk}:outcome", "quotes.record_outcome", payment_id=payment.pk)
        outbox.put(f"payment:{payment.pk}:receipt", "payments.email_receipt", payment_id=payment.pk)
        notify_merchant(
            payment.merchant,
            event=EventNotification.Event.PREPAYMENT_PROCESSED,
            key=f"paid:{payment.pk}",
            title="Prepayment Processed Successfully",
            body=f"{payment.company} paid {payment.paid} for {payment.purpose}.",
            path=reverse("payments:detail", args=[payment.merchant.reference, payment.reference]),
            now=now,
        )
