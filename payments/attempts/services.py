"""Start an attempt to charge a payment, and follow it at the gateway until it has ended."""

from datetime import datetime
from typing import Any

from django_subatomic.db import transaction, transaction_required

from payments.access import list_attempts
from payments.attempts.charge_policies import check_charge_policies
from payments.attempts.results import record_attempt_consequences
from payments.errors import AmountChanged
from payments.gateways import ChargeRequest, Gateway, OperationResult
from payments.method_choices import PaymentChoice, Person, check_method_choice
from payments.models import Attempt, Payment
from payments.operations.checks import check_payable
from payments.operations.customers import get_customer_id
from payments.operations.lifecycle import OperationLifecycle, build_method_fields
from payments.operations.limits import check_attempt_limits
from payments.operations.services import build_operation_fields, enqueue_first_check, lock_payment


def start_attempt(payment: Payment, *, amount: int, choice: PaymentChoice, person: Person, now: datetime) -> Attempt:
    """Commit the attempt to charge `amount` minor units, before the gateway is asked.

    Raises AlreadyPaid, AttemptInProgress, PaymentExpired, AmountChanged, GuestRefused, TooManyAttempts,
    MerchantNotReady, what `check_method_choice` and the charge policies raise, or Unavailable when a customer could
    not be created; then nothing is stored.
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
        fields = build_operation_fields(
            account, choice, person, company=locked.company, currency=locked.currency, now=now
        )
        return create_attempt(
            locked,
            amount=amount,
            saved_method=choice.saved_method,
            saves_method=choice.saves and choice.is_new,
            stripe_customer_id=customer_id,
            **fields,
        )


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
    )
