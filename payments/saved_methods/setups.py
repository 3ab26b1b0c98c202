"""Save a method without charging it: start a setup, and follow it at the gateway until it has ended."""

from datetime import datetime
from functools import partial
from typing import Any

from django.urls import reverse
from django_subatomic.db import transaction_required

from payers.models import PayerCompany
from payments import consequences
from payments.attempts.services import check_charge_policies, read_before_charge
from payments.consent import Act, Consent, Order, check_consent, check_payment_consent, record_accepted_method
from payments.errors import AttemptInProgress
from payments.gateways import Gateway, OperationResult, SetupRequest
from payments.models import GatewayAccount, Payment, SavedMethod, Setup
from payments.operations.lifecycle import OperationLifecycle, build_method_fields
from payments.operations.limits import check_attempt_limits, reserve_attempt
from payments.operations.services import (
    build_operation_fields,
    build_saved_method_fields,
    check_payable,
    enqueue_first_check,
    ensure_checked_customer,
    get_customer_id,
    lock_payment,
)
from payments.registrations import open_payer_access, record_operation_use
from payments.saved_methods.choices import PaymentChoice, Person, check_method_choice
from payments.saved_methods.services import record_saved_method
from wisepay import events, outbox


def start_setup(payment: Payment, *, choice: PaymentChoice, person: Person, now: datetime) -> Setup:
    """Commit the setup of a method for a quote that only recurs, before the gateway is asked.

    Raises what `start_attempt` raises; then nothing is stored.
    """
    read_before_charge(payment, now=now)
    check = partial(check_new_setup, payment, choice=choice, person=person, now=now)
    customer_id = get_customer_id(payment, person, check=check, now=now)
    with reserve_attempt(payment.merchant, now=now):
        locked, account, consent = check()
        fields = build_operation_fields(
            account, choice, person, company=locked.company, currency=locked.currency, consent=consent, now=now
        )
        if choice.saved_method is not None:
            return create_setup_from_saved_method(locked, choice.saved_method, fields, now=now)
        return create_setup(locked.company, payment=locked, stripe_customer_id=customer_id, **fields)


@transaction_required
def check_new_setup(
    payment: Payment, *, choice: PaymentChoice, person: Person, now: datetime
) -> tuple[Payment, GatewayAccount, Consent]:
    """Lock the payment and check everything; answers it, the account and what was agreed to. Raises a CannotPay."""
    check_charge_policies(payment, amount=0, locks=True, now=now)
    locked = lock_payment(payment)
    account = check_payable(locked, now=now, attempts=[], has_account=person.has_account)
    if any(setup.is_live for setup in locked.setups.all()):
        raise AttemptInProgress("A payment method is being saved for this quote. Please wait for its result.")
    check_method_choice(locked, account, choice=choice, person=person)
    consent = check_payment_consent(locked, choice=choice, amount=0, now=now)
    if choice.saved_method is None:
        check_attempt_limits(
            locked.company, merchant=payment.merchant, payment=locked, choice=choice, person=person, now=now
        )
    return locked, account, consent


@transaction_required
def create_setup_from_saved_method(
    payment: Payment, method: SavedMethod, fields: dict[str, Any], *, now: datetime
) -> Setup:
    """Choose a method that is saved already for the recurring part; the gateway is not asked."""
    fields |= build_saved_method_fields(method) | {"state": "succeeded"}
    setup = Setup.objects.create(company=payment.company, payment=payment, **fields)
    record_setup_success(payment, setup, method, now=now)
    open_payer_access(setup, payment.company, now=now)
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
    """Commit the setup of a method that a payer adds in their settings, before the gateway is asked.

    Raises TermsNotAccepted or TooManyAttempts, or Rejected or Unavailable when a customer could not be created.
    """
    check = partial(check_standalone_setup, company, choice=choice, person=person, now=now)
    customer_id = ensure_checked_customer(account, company, check=check, now=now)
    with reserve_attempt(company.merchant, now=now):
        consent = check()
        fields = build_operation_fields(
            account, choice, person, company=company, currency=currency, consent=consent, now=now
        )
        return create_setup(company, stripe_customer_id=customer_id, **fields)


@transaction_required
def check_standalone_setup(company: PayerCompany, *, choice: PaymentChoice, person: Person, now: datetime) -> Consent:
    """Lock the company and check everything; answers what was agreed to. Raises a CannotPay."""
    PayerCompany.objects.select_for_update(no_key=True).get(pk=company.pk)
    order = Order(company.merchant, choice.method, [Act.SAVE])
    consent = check_consent(order, accepted=choice.accepted_terms, now=now)
    check_attempt_limits(company, merchant=company.merchant, choice=choice, person=person, now=now)
    return consent


@transaction_required
def create_setup(company: PayerCompany, **fields: Any) -> Setup:
    """Create the row, and the message that looks for its answer."""
    setup = Setup.objects.create(company=company, **fields)
    enqueue_first_check(setup, "payments.resolve_setup", setup_id=setup.pk)
    return setup


class SetupLifecycle(OperationLifecycle[Setup]):
    """Setups at the gateway: SetupIntents."""

    def submit(self, gateway: Gateway, operation: Setup) -> OperationResult:
        """Save the method. A refusal by the bank is a result."""
        return gateway.save_method(build_setup_request(operation))

    def look_up(self, gateway: Gateway, intent_id: str) -> OperationResult:
        """Read the SetupIntent."""
        return gateway.look_up_setup(intent_id)

    def find(self, gateway: Gateway, operation: Setup) -> OperationResult | None:
        """Find the SetupIntent by our reference."""
        return gateway.find_setup(operation.reference, since=operation.created_at)

    def cancel_intent(self, gateway: Gateway, intent_id: str, *, key: str) -> OperationResult:
        """Cancel the SetupIntent unless it is too late."""
        return gateway.cancel_setup(intent_id, key=key)

    def send(self, operation: Setup, *, now: datetime, is_retry: bool = False) -> OperationResult | None:
        """Send the request as for every operation; a setup of a method that is saved already needs none."""
        return super().send(operation, now=now, is_retry=is_retry) if operation.is_live else None

    def build_result_fields(self, operation: Setup, result: OperationResult, *, now: datetime) -> dict[str, Any]:
        """Build the columns that the result changes, and save the method of one that succeeded."""
        fields = build_method_fields(operation, result)
        fields["stripe_setup_intent_id"] = result.intent_id or operation.stripe_setup_intent_id
        if result.status == "succeeded":
            open_payer_access(operation, operation.company, now=now)
            fields["saved_method"] = record_saved_method(operation, result.method, company=operation.company, now=now)
        return fields

    def record_consequences(
        self, operation: Setup, result: OperationResult, *, is_moved: bool, was_settling: bool, now: datetime
    ) -> None:
        """Record what the result means for the payment that the setup is for, if it is for one."""
        payment = operation.payment
        if is_moved:
            record_accepted_method(operation.reference, kind=operation.method_kind, last4=operation.last4)
        if is_moved and operation.state == "succeeded":
            record_operation_use(operation, now=now)
        if is_moved and operation.saved_method is not None and not operation.saved_method.is_card:
            consequences.enqueue_authorisation_email(operation.reference)
        if payment is None or not is_moved:
            return
        if operation.saved_method is not None:
            record_setup_success(payment, operation, operation.saved_method, now=now)
        else:
            events.announce(
                "payments.setup.updated", setup_id=operation.pk, payment_id=payment.pk, state=operation.state
            )


SETUPS = SetupLifecycle()
send_setup = SETUPS.send
refresh_setup = SETUPS.refresh
cancel_setup = SETUPS.cancel


def build_setup_request(setup: Setup) -> SetupRequest:
    """Build the request from the row alone, so that the same row is always the same request."""
    return SetupRequest(
        key=setup.idempotency_key,
        reference=setup.reference,
        method_types=tuple(setup.method_types),
        confirmation_token=setup.confirmation_token,
        customer_id=setup.stripe_customer_id,
        description=setup.payment.purpose if setup.payment else f"Saved by {setup.company}",
        return_url=setup.company.merchant.build_public_url(get_return_path(setup)),
    )


def get_return_path(setup: Setup) -> str:
    """Return the page that a bank's own page sends the payer back to."""
    if setup.payment is not None:
        return reverse("payments:pay", args=[setup.payment.reference])
    return reverse("payments:my_cards")


@transaction_required
def record_setup_success(payment: Payment, setup: Setup, method: SavedMethod, *, now: datetime) -> None:
    """Record that the quote has its method; nothing is charged."""
    if payment.state == "open":
        payment.move_locked_to("saved", now=now, by="gateway", reason="method saved", saved_method=method)
    events.announce("payments.setup.succeeded", setup_id=setup.pk, payment_id=payment.pk)
    outbox.enqueue(f"setup:{setup.pk}:mail", "payments.email_saved", setup_id=setup.pk)
    consequences.announce_saved_method(payment)
    consequences.notify_merchant_of_payment(
        payment.merchant,
        payment,
        event=consequences.NotificationEvent.METHOD_SAVED,
        key=f"saved:{setup.pk}",
        title="Payment method saved",
        body=f"{payment.company} saved {method} for {payment.purpose}. Nothing was charged.",
        now=now,
    )
