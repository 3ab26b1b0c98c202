"""Orders about payments: start an attempt, ask the gateway, write down its word."""

from datetime import datetime

import structlog
from django.conf import settings
from django.urls import reverse
from django_subatomic.db import transaction

from payments.access import list_attempts
from payments.attempts.charge_policies import check_charge_policies
from payments.attempts.results import apply_attempt_result
from payments.errors import (
    AmountChanged,
)
from payments.gateways import ChargeRequest, OperationResult, open_gateway
from payments.method_choices import PaymentChoice, Person, check_method_choice
from payments.models import Attempt, Payment
from payments.operations.checks import check_payable
from payments.operations.customers import get_customer_id
from payments.operations.limits import check_attempt_limits
from payments.operations.services import FIRST_CHECK_AFTER, RETRY_WINDOW, build_operation_fields, lock_payment
from wisepay import outbox
from wisepay.errors import Rejected, Unavailable

log = structlog.get_logger(__name__)


def start_attempt(payment: Payment, *, amount: int, choice: PaymentChoice, person: Person, now: datetime) -> Attempt:
    """Commit the intention to charge `amount` minor units, before the gateway hears of it.

    Raises AlreadyPaid, AttemptInProgress, PaymentExpired, AmountChanged, GuestRefused, TooManyAttempts,
    MerchantNotReady, what `check_choice` and the guards raise, or Unavailable when a customer could not be made;
    then nothing is stored.
    """
    customer_id = get_customer_id(payment, person)
    with transaction():
        check_charge_policies(payment, amount=amount, locks=True, now=now)
        locked = lock_payment(payment)
        attempts = list_attempts(locked)
        account = check_payable(locked, now=now, attempts=attempts, has_account=person.access is not None)
        if amount not in (locked.amount, locked.full_amount) or amount <= 0:
            raise AmountChanged(
                f"The amount of this {payment.subject} has changed. Please look at it again before you pay."
            )
        check_method_choice(locked, account, choice=choice, person=person)
        check_attempt_limits(attempts, merchant=payment.merchant.name, person=person, now=now)
        attempt = Attempt.objects.create(
            payment=locked,
            amount=amount,
            saved_method=choice.saved_method,
            saves_method=choice.saves and choice.is_new,
            **build_operation_fields(
                account, choice, person, company=locked.company, currency=locked.currency, now=now
            ),
            stripe_customer_id=customer_id,
        )
        outbox.enqueue(
            f"attempt:{attempt.pk}",
            "payments.resolve_attempt",
            run_after=now + FIRST_CHECK_AFTER,
            attempt_id=attempt.pk,
        )
    return attempt


def send_attempt(attempt: Attempt, *, now: datetime, is_retry: bool = False) -> OperationResult | None:
    """Say the order to the gateway and write down the answer; None when there was no answer.

    Saying it again is harmless: key and words are made from the row.
    """
    account = attempt.account
    payment = attempt.payment
    order = ChargeRequest(
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
        outcome = open_gateway(account.secret_key.decrypt()).start(order)
    except Unavailable as error:
        log.warning("payment.answer_unknown", attempt=attempt.reference, reason=str(error))
        return None
    except Rejected as error:
        # A secret key that was revoked meanwhile says nothing of what the first saying did.
        if error.code == "idempotency" or (is_retry and error.code == "gateway_key"):
            log.warning("payment.answer_unknown", attempt=attempt.reference, reason=str(error))
            return None
        outcome = OperationResult("failed", "", failure_code=error.code, failure_message=error.message)
    apply_attempt_result(attempt, outcome, by="gateway", now=now)
    return outcome


def refresh_attempt(attempt: Attempt, *, now: datetime) -> OperationResult | None:
    """Ask how a live attempt stands and write it down. None when nothing can be known now."""
    gateway = open_gateway(attempt.account.secret_key.decrypt())
    try:
        if attempt.stripe_payment_intent_id:
            outcome = gateway.look_up(attempt.stripe_payment_intent_id)
        else:
            found = gateway.find(attempt.reference, since=attempt.created_at)
            if found is None and now - attempt.created_at < RETRY_WINDOW:
                return send_attempt(attempt, now=now, is_retry=True)
            outcome = found or OperationResult("failed", "", failure_code="never_arrived")
        return apply_refreshed_result(attempt, outcome, now=now)
    except (Unavailable, Rejected) as error:
        log.warning("payment.answer_unknown", attempt=attempt.reference, reason=str(error))
        return None


def apply_refreshed_result(attempt: Attempt, result: OperationResult, *, now: datetime) -> OperationResult:
    """Write down what a look at the gateway found. Raises Unavailable.

    A failed intent whose secret a browser holds could still be paid there, so it is cancelled first.
    """
    if result.status == "failed" and result.intent_id and attempt.is_live:
        ended = cancel_intent(attempt, intent_id=result.intent_id)
        if ended.status != "cancelled":
            result = ended
    apply_attempt_result(attempt, result, by="gateway", now=now)
    return result


def cancel_intent(attempt: Attempt, *, intent_id: str) -> OperationResult:
    """End the intent without money if it is not too late. Raises Unavailable."""
    gateway = open_gateway(attempt.account.secret_key.decrypt())
    try:
        return gateway.cancel(intent_id, key=f"cancel-{attempt.reference}")
    except Rejected as error:
        # A no to the question says nothing about the money, so it is still not known.
        raise Unavailable(str(error)) from error


def cancel_attempt(attempt: Attempt, *, by: str, now: datetime) -> OperationResult | None:
    """Give up an attempt that waits for the payer; the gateway has the last word. Raises Unavailable."""
    if not attempt.stripe_payment_intent_id or attempt.is_settling:
        return refresh_attempt(attempt, now=now)
    outcome = cancel_intent(attempt, intent_id=attempt.stripe_payment_intent_id)
    apply_attempt_result(attempt, outcome, by=by, now=now)
    return outcome
