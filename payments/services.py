"""Orders about payments: start an attempt, ask the gateway, write down its word."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from merchants.models import Merchant, Terms
from merchants.services import list_prerequisites
from payers.models import PayerCompany, TermsAcceptance
from payers.terms import Whence, record_acceptance
from payments.access import attempts_of
from payments.choices import Choice, Person, check_choice, gateway_kind
from payments.errors import (
    AlreadyPaid,
    AmountChanged,
    AttemptInProgress,
    GuestRefused,
    MerchantNotReady,
    PaymentExpired,
)
from payments.gateways import Outcome, Start, open_gateway
from payments.guards import ask_guards
from payments.limits import check_limits
from payments.methods import ensure_customer
from payments.models import Attempt, GatewayAccount, Payment
from payments.outcomes import held, settle_attempt
from wisepay import outbox
from wisepay.errors import Rejected, Unavailable
from wisepay.references import new_reference

log = structlog.get_logger(__name__)

ASK_AFTER = timedelta(seconds=10)  # when the answer to an attempt is first looked for, if it was lost
REPLAY_FOR = timedelta(minutes=30)  # how long a payer may be charged after pressing Pay; a key lives a day


def start_attempt(payment: Payment, *, amount: int, choice: Choice, person: Person, now: datetime) -> Attempt:
    """Commit the intention to charge `amount` minor units, before the gateway hears of it.

    Raises AlreadyPaid, AttemptInProgress, PaymentExpired, AmountChanged, GuestRefused, TooManyAttempts,
    MerchantNotReady, what `check_choice` and the guards raise, or Unavailable when a customer could not be made;
    then nothing is stored.
    """
    customer_id = customer_of(payment, person)
    with transaction.atomic(durable=True):
        ask_guards(payment, amount=amount, locks=True, now=now)
        locked = held(payment)
        attempts = attempts_of(locked)
        account = check_payable(locked, now=now, attempts=attempts, has_account=person.access is not None)
        if amount not in (locked.amount, locked.full_amount) or amount <= 0:
            raise AmountChanged(
                f"The amount of this {payment.thing} has changed. Please look at it again before you pay."
            )
        check_choice(locked, account, choice=choice, person=person)
        check_limits(attempts, merchant=payment.merchant.name, person=person, now=now)
        attempt = Attempt.objects.create(
            payment=locked,
            amount=amount,
            saved_method=choice.saved_method,
            saves_method=choice.saves and choice.is_new,
            **talk_columns(account, choice, person, company=locked.company, currency=locked.currency, now=now),
            stripe_customer_id=customer_id,
        )
        outbox.put(
            f"attempt:{attempt.pk}",
            "payments.resolve_attempt",
            run_after=now + ASK_AFTER,
            attempt_id=attempt.pk,
        )
    return attempt


def customer_of(payment: Payment, person: Person) -> str:
    """The customer at the gateway for whom somebody pays; guests have none. Raises Unavailable or MerchantNotReady."""
    if person.access is None:
        return ""
    try:
        return ensure_customer(ready_account(payment.merchant), payment.company)
    except Rejected as error:
        raise MerchantNotReady(f"{payment.merchant.name} can't take payments at the moment.") from error


def talk_columns(
    account: GatewayAccount, choice: Choice, person: Person, *, company: PayerCompany, currency: str, now: datetime
) -> dict[str, Any]:
    """What every talk with the gateway begins with. A step of an open transaction."""
    reference = new_reference()
    kept = choice.saved_method
    return {
        "reference": reference,
        "account": account,
        "state": "processing",
        "state_at": now,
        "created_at": now,
        "idempotency_key": f"attempt-{reference}",
        "confirmation_token": choice.confirmation_token if kept is None else "",
        "stripe_payment_method_id": kept.stripe_payment_method_id if kept else "",
        "stripe_mandate_id": kept.stripe_mandate_id if kept else "",
        "method_types": [kept.kind if kept else gateway_kind(choice.method, currency)],
        "user": person.user,
        "acceptance": kept.acceptance if kept else accept_terms(choice, person, company=company, now=now),
        "payer_name": person.name,
        "payer_email": person.email,
        "payer_phone": person.phone,
        "ip": person.ip,
        "user_agent": person.user_agent[:300],
    }


def accept_terms(choice: Choice, person: Person, *, company: PayerCompany, now: datetime) -> TermsAcceptance | None:
    """Keep the proof of what was ticked, if anything was. A step of an open transaction."""
    if choice.accepted_terms is None:
        return None
    return record_acceptance(
        company,
        terms=Terms.objects.get(pk=choice.accepted_terms, merchant=company.merchant_id),
        email=person.email,
        user=person.user if person.is_signed_in else None,
        source=Whence(ip=person.ip, user_agent=person.user_agent),
        now=now,
    )


def check_payable(
    payment: Payment, *, attempts: Sequence[Attempt], now: datetime, has_account: bool = False
) -> GatewayAccount:
    """The gateway account that would take the money. Raises what `start_attempt` raises, limits apart.

    `attempts` are all of the payment's; a payer without an account is a guest.
    """
    if payment.state in ("succeeded", "saved"):
        raise AlreadyPaid(f"This {payment.thing} is already paid.")
    if payment.state == "cancelled" or payment.is_over(now):
        raise PaymentExpired(f"This {payment.thing} can no longer be paid{payment.instead}.")
    if any(attempt.is_live for attempt in attempts):
        raise AttemptInProgress(f"A payment for this {payment.thing} is being processed. Please wait for its result.")
    if not has_account:
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
        raise GuestRefused(
            f"This {payment.thing} is paid by bank debit, which needs a Wise-Pay account; guests pay by card."
        )


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
        method_types=tuple(attempt.method_types),
        description=payment.purpose,
        payer_email=attempt.payer_email,
        return_url=f"{settings.PUBLIC_URL}{reverse('payments:pay', args=[payment.reference])}",
        ip=attempt.ip or "",
        user_agent=attempt.user_agent,
        confirmation_token=attempt.confirmation_token,
        customer_id=attempt.stripe_customer_id,
        method_id=attempt.stripe_payment_method_id if attempt.saved_method_id else "",
        mandate_id=attempt.stripe_mandate_id if attempt.saved_method_id else "",
        saves_method=attempt.saves_method,
        is_off_session=attempt.is_off_session,
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
    if not attempt.stripe_payment_intent_id or attempt.is_settling:
        return look_up_attempt(attempt, now=now)
    outcome = cancel_at_gateway(attempt, intent_id=attempt.stripe_payment_intent_id)
    settle_attempt(attempt, outcome, by=by, now=now)
    return outcome
