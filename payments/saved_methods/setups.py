"""Orders about saving a method without paying: start, ask the gateway, write down its word."""

from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from payers.models import PayerCompany
from payments import consequences
from payments.errors import AttemptInProgress, TermsNotAccepted
from payments.gateways import OperationResult, SetupRequest, open_gateway
from payments.method_choices import PaymentChoice, Person, check_method_choice, get_required_terms
from payments.models import GatewayAccount, Payment, SavedMethod, Setup
from payments.operations.checks import check_payable
from payments.operations.customers import ensure_customer, get_customer_id
from payments.operations.limits import check_attempt_limits
from payments.operations.services import FIRST_CHECK_AFTER, RETRY_WINDOW, build_operation_fields, lock_payment
from payments.saved_methods.services import record_saved_method
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.errors import Rejected, Unavailable

log = structlog.get_logger(__name__)


def start_setup(payment: Payment, *, choice: PaymentChoice, person: Person, now: datetime) -> Setup:
    """Commit the intention to save a method for a quote that only recurs, before the gateway hears of it.

    Raises what `start_attempt` raises; then nothing is stored.
    """
    customer_id = get_customer_id(payment, person)
    with transaction():
        locked = lock_payment(payment)
        account = check_payable(locked, now=now, attempts=[], has_account=person.access is not None)
        setups = list(locked.setups.all())
        if any(setup.is_live for setup in setups):
            raise AttemptInProgress("A payment method is being saved for this quote. Please wait for its result.")
        check_method_choice(locked, account, choice=choice, person=person)
        if choice.saved_method is not None:
            return create_setup_from_saved_method(
                locked, choice.saved_method, account=account, choice=choice, person=person, now=now
            )
        check_attempt_limits(setups, merchant=payment.merchant.name, person=person, now=now)
        setup = Setup.objects.create(
            company=locked.company,
            payment=locked,
            **build_operation_fields(
                account, choice, person, company=locked.company, currency=locked.currency, now=now
            ),
            stripe_customer_id=customer_id,
        )
        schedule_setup_check(setup, now=now)
    return setup


def create_setup_from_saved_method(
    payment: Payment,
    method: SavedMethod,
    *,
    account: GatewayAccount,
    choice: PaymentChoice,
    person: Person,
    now: datetime,
) -> Setup:
    """A method that is kept already is the one for the recurring part; the gateway need not be asked."""
    columns = build_operation_fields(
        account, choice, person, company=payment.company, currency=payment.currency, now=now
    )
    setup = Setup.objects.create(
        company=payment.company,
        payment=payment,
        **columns | {"state": "succeeded", "method_kind": method.kind, "brand": method.brand, "last4": method.last4},
        saved_method=method,
        stripe_customer_id=method.stripe_customer_id,
    )
    record_setup_success(payment, setup, method, now=now)
    return setup


def start_standalone_setup(
    company: PayerCompany,
    account: GatewayAccount,
    *,
    choice: PaymentChoice,
    person: Person,
    currency: str,
    now: datetime,
) -> Setup:
    """The same for a method that a payer adds in their settings. Raises TermsNotAccepted or TooManyAttempts."""
    customer_id = ensure_customer(account, company)
    with transaction():
        PayerCompany.objects.select_for_update().get(pk=company.pk)
        needed = get_required_terms(company.merchant, choice.method, saves=True)
        if needed is None or needed.pk != choice.accepted_terms:
            raise TermsNotAccepted("Please read the terms and accept them.")
        check_attempt_limits([], merchant=company.merchant.name, person=person, now=now)
        setup = Setup.objects.create(
            company=company,
            **build_operation_fields(account, choice, person, company=company, currency=currency, now=now),
            stripe_customer_id=customer_id,
        )
        schedule_setup_check(setup, now=now)
    return setup


@transaction_required
def schedule_setup_check(setup: Setup, *, now: datetime) -> None:
    """Somebody asks again when the answer is lost."""
    outbox.enqueue(f"setup:{setup.pk}", "payments.resolve_setup", run_after=now + FIRST_CHECK_AFTER, setup_id=setup.pk)


def send_setup(setup: Setup, *, now: datetime, is_retry: bool = False) -> OperationResult | None:
    """Say the order to the gateway and write down the answer; None when there was no answer.

    Saying it again is harmless: key and words are made from the row.
    """
    if not setup.is_live:
        return None
    order = SetupRequest(
        key=setup.idempotency_key,
        reference=setup.reference,
        method_types=tuple(setup.method_types),
        confirmation_token=setup.confirmation_token,
        customer_id=setup.stripe_customer_id,
        description=setup.payment.purpose if setup.payment else f"Saved by {setup.company}",
        return_url=f"{settings.PUBLIC_URL}{get_return_path(setup)}",
    )
    try:
        outcome = open_gateway(setup.account.secret_key.decrypt()).save_method(order)
    except Unavailable as error:
        log.warning("setup.answer_unknown", setup=setup.reference, reason=str(error))
        return None
    except Rejected as error:
        if error.code == "idempotency" or (is_retry and error.code == "gateway_key"):
            log.warning("setup.answer_unknown", setup=setup.reference, reason=str(error))
            return None
        outcome = OperationResult("failed", "", failure_code=error.code, failure_message=error.message)
    apply_setup_result(setup, outcome, now=now)
    return outcome


def get_return_path(setup: Setup) -> str:
    """Where a bank's own page sends the payer back to."""
    if setup.payment is not None:
        return reverse("payments:pay", args=[setup.payment.reference])
    return reverse("payments:my_cards")


def refresh_setup(setup: Setup, *, now: datetime) -> OperationResult | None:
    """Ask how a live setup stands and write it down. None when nothing can be known now."""
    gateway = open_gateway(setup.account.secret_key.decrypt())
    try:
        if setup.stripe_setup_intent_id:
            outcome = gateway.look_up_setup(setup.stripe_setup_intent_id)
        else:
            found = gateway.find_setup(setup.reference, since=setup.created_at)
            if found is None and now - setup.created_at < RETRY_WINDOW:
                return send_setup(setup, now=now, is_retry=True)
            outcome = found or OperationResult("failed", "", failure_code="never_arrived")
        if outcome.status == "failed" and outcome.intent_id:
            # A failed setup whose secret a browser holds could still succeed there.
            ended = gateway.cancel_setup(outcome.intent_id, key=f"cancel-{setup.reference}")
            outcome = outcome if ended.status == "cancelled" else ended
        apply_setup_result(setup, outcome, now=now)
    except (Unavailable, Rejected) as error:
        log.warning("setup.answer_unknown", setup=setup.reference, reason=str(error))
        return None
    return outcome


def cancel_setup(setup: Setup, *, now: datetime) -> OperationResult | None:
    """Give up a setup that waits for the payer; the gateway has the last word. Raises Unavailable."""
    if not setup.stripe_setup_intent_id:
        return refresh_setup(setup, now=now)
    gateway = open_gateway(setup.account.secret_key.decrypt())
    try:
        outcome = gateway.cancel_setup(setup.stripe_setup_intent_id, key=f"cancel-{setup.reference}")
    except Rejected as error:
        raise Unavailable(str(error)) from error
    apply_setup_result(setup, outcome, now=now)
    return outcome


def apply_setup_result(setup: Setup, result: OperationResult, *, now: datetime) -> None:
    """Write the gateway's word on the setup, keep the method, and let the quote follow. The same again is nothing."""
    with transaction():
        payment = lock_payment(setup.payment) if setup.payment else None
        current = setup.lock()
        if not current.is_live:
            setup.refresh_from_db()
            return
        method = result.method
        learned: dict[str, Any] = {
            "stripe_setup_intent_id": result.intent_id or current.stripe_setup_intent_id,
            "stripe_payment_method_id": method.id or current.stripe_payment_method_id,
            "stripe_mandate_id": method.mandate_id or current.stripe_mandate_id,
            "method_kind": method.kind or current.method_kind,
            "brand": method.brand or current.brand,
            "last4": method.last4 or current.last4,
            "failure_code": result.failure_code[:60],
            "failure_message": result.failure_message[:300],
        }
        kept = None
        if result.status == "succeeded":
            kept = learned["saved_method"] = record_saved_method(current, method, company=current.company, now=now)
        if not current.move_locked_to(result.status, now=now, by="gateway", reason=result.failure_code, **learned):
            Setup.objects.filter(pk=setup.pk).update(**learned)
        elif payment is not None and kept is not None:
            record_setup_success(payment, current, kept, now=now)
        elif payment is not None:
            outbox.enqueue(f"setup:{setup.pk}:{current.state}", "quotes.record_outcome", payment_id=payment.pk)
    setup.refresh_from_db()


@transaction_required
def record_setup_success(payment: Payment, setup: Setup, method: SavedMethod, *, now: datetime) -> None:
    """The quote has what it needs: nothing is charged."""
    if payment.state == "open":
        payment.move_locked_to("saved", now=now, by="gateway", reason="method saved", saved_method=method)
    outbox.enqueue(f"setup:{setup.pk}:saved", "quotes.record_outcome", payment_id=payment.pk)
    outbox.enqueue(f"setup:{setup.pk}:mail", "payments.email_saved", setup_id=setup.pk)
    consequences.enqueue_after_saving(payment)
    consequences.notify_merchant_of_payment(
        payment.merchant,
        payment,
        event=consequences.NotificationEvent.METHOD_SAVED,
        key=f"saved:{setup.pk}",
        title="Payment method saved",
        body=f"{payment.company} saved {method} for {payment.purpose}. Nothing was charged.",
        now=now,
    )


def find_live_setup(payment: Payment) -> Setup | None:
    """The setup of this payment that has not ended, if any."""
    return payment.setups.filter(state__in=LIVE_STATES).select_related("account", "payment__merchant").first()
