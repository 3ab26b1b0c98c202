"""Start an attempt to charge a payment, and follow it at the gateway until it has ended."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import structlog
from django_subatomic.db import transaction_required

from payers.models import TermsAcceptance
from payments import consequences
from payments.consent import Consent, check_payment_consent, record_accepted_method
from payments.errors import (
    AlreadyPaid,
    AmountChanged,
    AmountRefused,
    AttemptInProgress,
    MerchantNotReady,
    MethodUnusable,
)
from payments.failure_codes import PERMANENT_FAILURES
from payments.gateways import ChargeRequest, Gateway, OperationResult, find_amount_problem
from payments.models import Attempt, GatewayAccount, Payment, SavedMethod
from payments.operations.lifecycle import OperationLifecycle, build_method_fields
from payments.operations.limits import check_attempt_limits, reserve_attempt
from payments.operations.services import (
    build_operation_fields,
    build_saved_method_fields,
    check_payable,
    enqueue_first_check,
    get_customer_id,
    lock_payment,
)
from payments.registrations import open_payer_access, record_operation_use
from payments.saved_methods.choices import PaymentChoice, Person, check_method_choice, supports_currency
from payments.saved_methods.services import invalidate_method, record_saved_method
from wisepay import outbox
from wisepay.errors import Unavailable
from wisepay.events import add_once
from wisepay.money import Money

log = structlog.get_logger(__name__)

REPAYMENT_WINDOW = timedelta(days=30)  # how long a quote can be paid again after its bank debit came back


def list_attempts(payment: Payment) -> list[Attempt]:
    """List every attempt, the newest first."""
    return list(payment.attempts.order_by("-pk"))


class ChargePolicy(Protocol):
    """Raises CannotPay when `payment` must not be charged `amount` minor units now.

    With `locks` it is a step of an open transaction that has not locked the payment yet: the policy first locks the
    rows of its own floor that the answer depends on, so that it is still true when the attempt is committed.
    """

    def __call__(self, payment: Payment, *, amount: int, locks: bool, now: datetime) -> None: ...


CHARGE_POLICIES: list[ChargePolicy] = []


def register_charge_policy[G: ChargePolicy](policy: G) -> G:
    """Register a policy that is checked before every charge."""
    add_once(CHARGE_POLICIES, policy)
    return policy


def check_charge_policies(payment: Payment, *, amount: int, now: datetime, locks: bool = False) -> None:
    """Check every policy. Raises CannotPay with a message for the payer."""
    for policy in CHARGE_POLICIES:
        policy(payment, amount=amount, locks=locks, now=now)


class ChargeReader(Protocol):
    """Reads what a charge depends on elsewhere, before its transaction begins; the charge policies judge what it wrote.

    Raises CannotPay where that changed, or Unavailable; then nothing is charged.
    """

    def __call__(self, payment: Payment, *, now: datetime) -> None: ...


CHARGE_READERS: list[ChargeReader] = []


def register_charge_reader[R: ChargeReader](reader: R) -> R:
    """Register a reader that is asked before a payer's attempt or setup starts."""
    add_once(CHARGE_READERS, reader)
    return reader


def read_before_charge(payment: Payment, *, now: datetime) -> None:
    """Ask every reader. Raises CannotPay with a message for the payer, or Unavailable."""
    for reader in CHARGE_READERS:
        reader(payment, now=now)


@transaction_required
def record_attempt_consequences(
    attempt: Attempt, result: OperationResult, *, is_moved: bool, was_settling: bool, now: datetime
) -> None:
    """Record what the attempt's new state means for its payment and method, and enqueue what follows."""
    payment = attempt.payment
    is_submitted = attempt.is_settling and not was_settling
    if (is_moved or is_submitted) and not attempt.is_off_session:
        record_accepted_method(attempt.reference, kind=attempt.method_kind, last4=attempt.last4)
    if is_submitted:
        # The payer's bank has it: their part is done, and what they saved with it is theirs to use meanwhile.
        open_payer_access(attempt, payment.company, now=now)
        save_used_method(attempt, result, now=now)
        record_operation_use(attempt, now=now)
        consequences.announce_submission(attempt)
    if not is_moved:
        return
    consequences.announce_automatic_charge(attempt)
    if attempt.state == "succeeded":
        open_payer_access(attempt, payment.company, now=now)
        save_used_method(attempt, result, now=now)
        record_payment_success(payment, attempt, result, now=now)
        record_operation_use(attempt, now=now)
    elif attempt.state in ("failed", "cancelled"):
        record_method_failure(attempt, now=now)
        if was_settling:
            renew_payment_deadline(payment, now=now)
            consequences.announce_rejection(attempt)
        consequences.announce_attempt("payments.attempt.ended", attempt)
        consequences.notify_merchant_of_refusal(attempt, now=now)
    elif attempt.state == "processing":
        consequences.announce_attempt("payments.attempt.processing", attempt)


@transaction_required
def record_payment_success(payment: Payment, attempt: Attempt, result: OperationResult, *, now: datetime) -> None:
    """Mark the payment as paid and enqueue its consequences. Raises ValueError if the amount is another one."""
    if result.amount != attempt.money:
        raise ValueError(f"attempt {attempt.reference}: asked for {attempt.money}, the gateway took {result.amount}")
    payment.move_locked_to(
        "succeeded", now=now, by="gateway", paid_amount=attempt.amount, paid_at=now, refunded_amount=0
    )
    outbox.enqueue(f"attempt:{attempt.pk}:succeeded", "payments.follow_success", attempt_id=attempt.pk)


@transaction_required
def save_used_method(attempt: Attempt, result: OperationResult, *, now: datetime) -> None:
    """Record the use of a saved method, or the method that the gateway saved with this charge."""
    method = attempt.saved_method
    if method is not None:
        SavedMethod.objects.filter(pk=method.pk).update(last_used_at=now, last_failure="")
    elif attempt.saves_method and result.method.id:
        method = record_saved_method(attempt, result.method, company=attempt.payment.company, now=now)
        SavedMethod.objects.filter(pk=method.pk).update(last_used_at=now)
    if method is not None and attempt.payment.needs_account:
        Payment.objects.filter(pk=attempt.payment_id).update(saved_method=method)


def find_used_method(attempt: Attempt) -> SavedMethod | None:
    """Find the saved method that was charged, also when it was saved with this very charge."""
    rows = SavedMethod.objects.filter(account=attempt.account_id).exclude(stripe_payment_method_id="")
    return attempt.saved_method or rows.filter(stripe_payment_method_id=attempt.stripe_payment_method_id).first()


def record_method_failure(attempt: Attempt, *, now: datetime) -> None:
    """Record on the saved method why it was refused; one that can never work again becomes invalid."""
    method = find_used_method(attempt)
    if method is None or not attempt.failure_code:
        return
    SavedMethod.objects.filter(pk=method.pk).update(last_failure=attempt.failure_code)
    # It may have been detached at the gateway, or its mandate may be dead: codes alone don't tell.
    outbox.enqueue(
        f"attempt:{attempt.pk}:method",
        "payments.read_method",
        account_id=attempt.account_id,
        object_id=method.stripe_payment_method_id,
    )
    if attempt.failure_code in PERMANENT_FAILURES:
        invalidate_method(method, reason=attempt.failure_code, now=now)


@transaction_required
def renew_payment_deadline(payment: Payment, *, now: datetime) -> None:
    """Give the payer REPAYMENT_WINDOW to pay again what came back, even if the quote ended before."""
    if payment.expires_at < now + REPAYMENT_WINDOW:
        payment.expires_at = now + REPAYMENT_WINDOW
        Payment.objects.filter(pk=payment.pk).update(expires_at=payment.expires_at)


@transaction_required
def reverse_attempt(attempt: Attempt, *, reason: str, now: datetime) -> bool:
    """Reverse an attempt and its payment after the bank took the money back; False if it was not paid."""
    payment = lock_payment(attempt.payment)
    current = attempt.lock()
    if current.state != "succeeded":
        return False
    current.payment = payment
    current.move_locked_to("reversed", now=now, by="gateway", reason=reason, failure_code=reason[:60])
    payment.move_locked_to("reversed", now=now, by="gateway", reason=reason)
    renew_payment_deadline(payment, now=now)
    method = find_used_method(current)
    if method is not None and current.is_debit:
        invalidate_method(method, reason="dead_mandate", now=now)
    consequences.announce_reversal(current)
    return True


def start_attempt(payment: Payment, *, amount: int, choice: PaymentChoice, person: Person, now: datetime) -> Attempt:
    """Commit the attempt to charge `amount` minor units, before the gateway is asked.

    Raises AlreadyPaid, AttemptInProgress, PaymentExpired, AmountChanged, AmountRefused, GuestRefused, TooManyAttempts,
    MerchantNotReady, TermsNotAccepted, what `check_method_choice` and the charge policies raise, or Unavailable when a
    customer could not be created; then nothing is stored.
    """
    read_before_charge(payment, now=now)
    check = partial(check_new_attempt, payment, amount=amount, choice=choice, person=person, now=now)
    customer_id = get_customer_id(payment, person, check=check, now=now)
    with reserve_attempt(payment.merchant, now=now):
        locked, account, consent = check()
        fields = build_operation_fields(
            account, choice, person, company=locked.company, currency=locked.currency, consent=consent, now=now
        )
        return create_attempt(
            locked,
            amount=amount,
            saved_method=choice.saved_method,
            saves_method=choice.saves and choice.is_new,
            radar_session_id="" if choice.is_new else choice.radar_session_id,
            stripe_customer_id=customer_id,
            **fields,
        )


@transaction_required
def check_new_attempt(
    payment: Payment, *, amount: int, choice: PaymentChoice, person: Person, now: datetime
) -> tuple[Payment, GatewayAccount, Consent]:
    """Lock the payment and check everything; answers it, the account and what was agreed to. Raises a CannotPay."""
    check_charge_policies(payment, amount=amount, locks=True, now=now)
    locked = lock_payment(payment)
    attempts = list_attempts(locked)
    account = check_payable(locked, now=now, attempts=attempts, has_account=person.has_account)
    if amount not in (locked.amount, locked.full_amount) or amount <= 0:
        raise AmountChanged(
            f"The amount of this {payment.subject} has changed. Please look at it again before you pay."
        )
    if problem := find_amount_problem(Money(amount, locked.currency)):
        raise AmountRefused(f"{problem} Nothing was charged. Please contact {payment.merchant}.")
    check_method_choice(locked, account, choice=choice, person=person)
    consent = check_payment_consent(locked, choice=choice, amount=amount, now=now)
    check_attempt_limits(
        locked.company, merchant=payment.merchant, payment=locked, choice=choice, person=person, now=now
    )
    return locked, account, consent


@transaction_required
def create_attempt(payment: Payment, *, amount: int, **fields: Any) -> Attempt:
    """Create the row, and the message that looks for its answer."""
    attempt = Attempt.objects.create(payment=payment, amount=amount, **fields)
    enqueue_first_check(attempt, "payments.resolve_attempt", attempt_id=attempt.pk)
    return attempt


class AttemptLifecycle(OperationLifecycle[Attempt]):
    """Attempts at the gateway: PaymentIntents."""

    def submit(self, gateway: Gateway, operation: Attempt) -> OperationResult:
        """Charge the method. A decline is a result."""
        return gateway.start(build_charge_request(operation))

    def look_up(self, gateway: Gateway, intent_id: str) -> OperationResult:
        """Read the PaymentIntent."""
        return gateway.look_up(intent_id)

    def find(self, gateway: Gateway, operation: Attempt) -> OperationResult | None:
        """Find the PaymentIntent by our reference."""
        return gateway.find(operation.reference, since=operation.created_at)

    def cancel_intent(self, gateway: Gateway, intent_id: str, *, key: str) -> OperationResult:
        """Cancel the PaymentIntent unless it is too late."""
        return gateway.cancel(intent_id, key=key)

    def check_result(self, operation: Attempt, result: OperationResult) -> None:
        """Check that the gateway took what was asked for. Raises Unavailable."""
        super().check_result(operation, result)
        if result.status == "succeeded" and result.amount != operation.money:
            log.error("gateway.another_amount", reference=operation.reference, taken=str(result.amount))
            raise Unavailable(f"{operation.money} was asked for, and the gateway says that it took {result.amount}")

    def is_settled(self, operation: Attempt, result: OperationResult) -> bool:
        """Whether the attempt has ended. A late success is applied: either it is known, or it is an error."""
        return not operation.is_live and result.status != "succeeded"

    def build_result_fields(self, operation: Attempt, result: OperationResult, *, now: datetime) -> dict[str, Any]:
        """Build the columns that the result changes."""
        is_submitted = result.status == "processing" and result.method.kind not in ("", "card")
        return {
            **build_method_fields(operation, result),
            "stripe_payment_intent_id": result.intent_id or operation.stripe_payment_intent_id,
            "submitted_at": operation.submitted_at or (now if is_submitted else None),
        }

    def record_consequences(
        self, operation: Attempt, result: OperationResult, *, is_moved: bool, was_settling: bool, now: datetime
    ) -> None:
        """Record what the result means for payment and method, and announce it."""
        record_attempt_consequences(operation, result, is_moved=is_moved, was_settling=was_settling, now=now)


ATTEMPTS = AttemptLifecycle()
send_attempt = ATTEMPTS.send
refresh_attempt = ATTEMPTS.refresh
cancel_attempt = ATTEMPTS.cancel
apply_attempt_result = ATTEMPTS.apply_result


def build_charge_request(attempt: Attempt) -> ChargeRequest:
    """Build the request from the row alone, so that the same row is always the same request."""
    payment = attempt.payment
    return ChargeRequest(
        key=attempt.idempotency_key,
        reference=attempt.reference,
        amount=attempt.money,
        method_types=tuple(attempt.method_types),
        description=payment.purpose,
        payer_email=attempt.payer_email,
        return_url=payment.pay_url,
        ip=attempt.ip or "",
        user_agent=attempt.user_agent,
        confirmation_token=attempt.confirmation_token,
        customer_id=attempt.stripe_customer_id,
        method_id=attempt.stripe_payment_method_id if attempt.saved_method_id else "",
        mandate_id=attempt.stripe_mandate_id if attempt.saved_method_id else "",
        saves_method=attempt.saves_method,
        is_off_session=attempt.is_off_session,
        radar_session_id=attempt.radar_session_id,
        statement_text=str(payment.details.get("title") or payment.subject),
    )


@transaction_required
def create_off_session_attempt(
    payment: Payment, *, method: SavedMethod, acceptance: TermsAcceptance | None, now: datetime
) -> Attempt:
    """Create the attempt; `send_attempt` charges it after the transaction.

    The charge policies were checked in the same transaction. Raises AlreadyPaid, AttemptInProgress,
    MerchantNotReady or MethodUnusable.
    """
    locked = lock_payment(payment)
    account = get_chargeable_account(locked)
    locked_method = method.lock()
    check_chargeable_method(locked_method, account, locked)
    owner = locked_method.owner
    proof = acceptance or locked_method.acceptance
    fields = build_operation_fields(
        account,
        PaymentChoice(saved_method=locked_method),
        get_off_session_person(locked_method, locked, proof),
        company=locked.company,
        currency=locked.currency,
        acceptance=proof,
        now=now,
    )
    fields |= build_saved_method_fields(locked_method) | {"user": owner, "is_off_session": True}
    attempt = create_attempt(locked, amount=locked.amount, **fields)
    attempt.payment = payment
    return attempt


def get_chargeable_account(payment: Payment) -> GatewayAccount:
    """Return the account that takes the money of a payment that is owed and that nobody is paying.

    Raises AlreadyPaid, AttemptInProgress or MerchantNotReady.
    """
    if payment.state not in ("open", "reversed"):
        raise AlreadyPaid(f"{payment} is {payment.state}.")
    if any(attempt.is_live for attempt in list_attempts(payment)):
        raise AttemptInProgress(f"A payment of {payment} is on its way.")
    account = GatewayAccount.find_current(payment.merchant)
    if account is None or not payment.merchant.takes_payments:
        raise MerchantNotReady(f"{payment.merchant} takes no payments at the moment.")
    return account


def check_chargeable_method(method: SavedMethod, account: GatewayAccount, payment: Payment) -> None:
    """Check that the method can pay this payment. Raises MethodUnusable."""
    if method.state != "active" or method.account_id != account.pk or method.company_id != payment.company_id:
        raise MethodUnusable(f"{method} can't be used any more.")
    if not supports_currency(method, payment.currency) or (not method.is_card and not account.takes_bank_debits):
        raise MethodUnusable(f"{method} can't pay in {payment.currency}.")


def get_off_session_person(method: SavedMethod, payment: Payment, acceptance: TermsAcceptance | None) -> Person:
    """Return whoever saved the method as the payer; without an owner the payer company."""
    owner = method.owner
    email = owner.email if owner else payment.company.email or (acceptance.email if acceptance else "")
    name = (owner.name if owner and owner.name else payment.company.name)[:120]
    return Person(name=name, email=email, phone="", ip="", user_agent="")
