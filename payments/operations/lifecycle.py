"""Send, look up, cancel and settle a gateway operation: one rule for attempts and setups."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

import structlog
from django_subatomic.db import transaction

from payments import consequences
from payments.gateway_accounts import is_unreachable
from payments.gateways import Gateway, OperationResult, open_gateway
from payments.models import Attempt, GatewayOperation, Setup
from payments.operations.customers import replace_customer
from payments.operations.next_actions import get_next_action, is_given_up
from payments.operations.services import RETRY_WINDOW, lock_payment
from payments.states import LIVE_STATES
from wisepay.budgets import uncounted_calls
from wisepay.errors import NotThere, Rejected, Unavailable

log = structlog.get_logger(__name__)

KEY_REFUSALS = ("gateway_key", "gateway_permission")
UNDECIDED = "undecided"
RENEWED = "-renewed"  # ends the key of a request that names a new customer


class OperationLifecycle[O: (Attempt, Setup)](ABC):
    """What happens to a gateway operation, from its row to its result.

    A variant names the gateway's verbs for its kind and what a result changes.
    """

    @abstractmethod
    def submit(self, gateway: Gateway, operation: O) -> OperationResult:
        """Send the request that the row describes."""

    @abstractmethod
    def look_up(self, gateway: Gateway, intent_id: str) -> OperationResult:
        """Read the intent."""

    @abstractmethod
    def find(self, gateway: Gateway, operation: O) -> OperationResult | None:
        """Find the intent by our reference; None if the gateway has none."""

    @abstractmethod
    def cancel_intent(self, gateway: Gateway, intent_id: str, *, key: str) -> OperationResult:
        """Cancel the intent unless it is too late; the result says which."""

    @abstractmethod
    def build_result_fields(self, operation: O, result: OperationResult, *, now: datetime) -> dict[str, Any]:
        """Build the columns that the result changes. A step of the transaction of `apply_result`."""

    @abstractmethod
    def record_consequences(
        self, operation: O, result: OperationResult, *, is_moved: bool, was_settling: bool, now: datetime
    ) -> None:
        """Record what the result causes. A step of the transaction of `apply_result`."""

    def check_result(self, operation: O, result: OperationResult) -> None:
        """Check that a result can be of this operation. Raises Unavailable, so that it is asked about again."""
        if result.reference and result.reference != operation.reference:
            log.error("gateway.another_operation", reference=operation.reference, found=result.reference)
            raise Unavailable("The gateway answered about something else")

    def is_settled(self, operation: O, result: OperationResult) -> bool:
        """Whether the operation has ended, so that the result changes nothing."""
        return not operation.is_live

    def send(self, operation: O, *, now: datetime, is_retry: bool = False) -> OperationResult | None:
        """Send the request and apply its result; None if the answer is unknown.

        Key and parameters come from the row, so sending it twice is one request at the gateway.
        """
        try:
            with uncounted_calls():
                result = self.submit(open_gateway(operation.account.secret_key.decrypt()), operation)
            self.check_result(operation, result)
        except (Unavailable, Rejected) as error:
            if isinstance(error, NotThere) and error.thing == "customer" and renew_customer(operation, now=now):
                return self.send(operation, now=now, is_retry=is_retry)
            refusal = find_refusal(error, is_retry=is_retry, reference=operation.reference)
            if refusal is None:
                return None
            result = OperationResult("failed", "", failure_code=refusal.code, failure_message=refusal.message)
        self.apply_result(operation, result, by="gateway", now=now)
        return result

    def refresh(self, operation: O, *, now: datetime) -> OperationResult | None:
        """Look a live operation up and apply what is found; None if the answer is unknown.

        One that the gateway does not have is sent again within RETRY_WINDOW, and has failed after it.
        """
        try:
            gateway = open_gateway(operation.account.secret_key.decrypt())
            if operation.intent_id:
                result = self.look_up(gateway, operation.intent_id)
            else:
                found = self.find(gateway, operation)
                if found is None and now - operation.created_at < RETRY_WINDOW:
                    return self.send(operation, now=now, is_retry=True)
                result = found or OperationResult("failed", "", failure_code="never_arrived")
            return self.settle(operation, result, now=now)
        except (Unavailable, Rejected) as error:
            if is_undecidable(operation, error) or is_undecidable(operation, error.__cause__):
                return self.end_undecided(operation, now=now)
            log_unknown_answer(error, reference=operation.reference)
            return None

    def end_undecided(self, operation: O, *, now: datetime) -> OperationResult:
        """End an operation whose result nobody can find out any more, and leave it to a person of the merchant."""
        result = OperationResult("failed", "", failure_code=UNDECIDED, failure_message="It can't be asked about.")
        self.apply_result(operation, result, by="gateway", now=now)
        return result

    def settle(self, operation: O, result: OperationResult, *, now: datetime) -> OperationResult:
        """Apply the result of a look-up. Raises Unavailable.

        A failed intent whose secret a browser holds could still succeed there, so it is cancelled first.
        """
        if result.status == "failed" and result.intent_id and operation.is_live:
            ended = self._cancel(operation, intent_id=result.intent_id)
            if ended.status != "cancelled":
                result = ended
        self.apply_result(operation, result, by="gateway", now=now)
        return result

    def cancel(self, operation: O, *, by: str, now: datetime) -> OperationResult | None:
        """Cancel an operation that waits for the payer; the gateway may say that it is too late. Raises Unavailable."""
        if not operation.intent_id or operation.is_settling:
            return self.refresh(operation, now=now)
        try:
            result = self._cancel(operation, intent_id=operation.intent_id)
        except Unavailable as error:
            if is_undecidable(operation, error.__cause__):
                return self.end_undecided(operation, now=now)
            raise
        self.apply_result(operation, result, by=by, now=now)
        return result

    def resolve(self, operation: O, *, now: datetime) -> None:
        """Refresh a live operation, and cancel one whose payer went away. It may still be live. Raises Unavailable."""
        self.refresh(operation, now=now)
        if operation.state == "requires_action" and is_given_up(operation, now=now):
            self.cancel(operation, by="sweeper", now=now)

    def apply_result(self, operation: O, result: OperationResult, *, by: str, now: datetime) -> None:
        """Write the result on the operation with all its consequences; the same result again changes nothing.

        Raises IllegalTransition when money moved that must not have, and Unavailable for what `check_result` refuses.
        """
        self.check_result(operation, result)
        with transaction():
            payment = None if operation.payment is None else lock_payment(operation.payment)
            current = operation.lock()
            if self.is_settled(current, result):
                operation.refresh_from_db()
                return
            if payment is not None:
                current.payment = payment
            was_settling = current.is_settling
            fields: dict[str, Any] = self.build_result_fields(current, result, now=now)
            fields |= build_action_fields(current, result, now=now)
            reason = result.failure_code or result.status
            is_asked = bool(fields["action_asked_at"]) and fields["action_asked_at"] != current.action_asked_at
            is_moved = current.move_locked_to(result.status, now=now, by=by, reason=reason, **fields)
            if not is_moved:
                type(current)._base_manager.filter(pk=current.pk).update(**fields)
            for name, value in fields.items():
                setattr(current, name, value)
            self.record_consequences(current, result, is_moved=is_moved, was_settling=was_settling, now=now)
            if is_asked and get_next_action(current).is_slow:
                consequences.enqueue_next_action_email(current)
            if is_moved and result.failure_code == UNDECIDED:
                consequences.notify_merchant_of_undecided(current, now=now)
            for name in ("payment", "state", "state_at", *fields):
                setattr(operation, name, getattr(current, name))

    def _cancel(self, operation: O, *, intent_id: str) -> OperationResult:
        """Cancel the intent at the gateway. Raises Unavailable."""
        gateway = open_gateway(operation.account.secret_key.decrypt())
        try:
            return self.cancel_intent(gateway, intent_id, key=f"cancel-{operation.reference}")
        except Rejected as error:
            # A refused question says nothing about the money, so the state is still unknown.
            raise Unavailable(str(error)) from error


def renew_customer(operation: Attempt | Setup, *, now: datetime) -> bool:
    """Replace the customer that the gateway does not have any more; False if the operation can't go on with a new one.

    A new method can: its request gets another key, once. A saved method is gone with its customer.
    """
    company = operation.company if operation.payment is None else operation.payment.company
    try:
        customer_id = replace_customer(operation.account, company, operation.stripe_customer_id, now=now)
    except (Unavailable, Rejected) as error:
        log_unknown_answer(error, reference=operation.reference)
        return False
    if not operation.confirmation_token or operation.idempotency_key.endswith(RENEWED):
        return False
    operation.stripe_customer_id = customer_id
    operation.idempotency_key += RENEWED
    rows = type(operation)._base_manager.filter(pk=operation.pk, state__in=LIVE_STATES)
    return bool(rows.update(stripe_customer_id=customer_id, idempotency_key=operation.idempotency_key))


def is_undecidable(operation: GatewayOperation, error: BaseException | None) -> bool:
    """Whether nobody can find out any more how the operation ended.

    Its account was left and its keys are not accepted, or the gateway does not know an intent that it told us of: test
    data were deleted there, or the row is of before ids belonged to an account and mode.
    """
    if is_unreachable(operation.account, error):
        return True
    is_gone = isinstance(error, NotThere) or (isinstance(error, Rejected) and error.code == "wrong_mode")
    return is_gone and bool(operation.intent_id)


def build_action_fields(operation: GatewayOperation, result: OperationResult, *, now: datetime) -> dict[str, Any]:
    """Build the columns about what the payer is asked to do."""
    action = result.action
    is_asked = result.status == "requires_action"
    is_same = operation.state == "requires_action" and operation.next_action == action.kind
    return {
        "next_action": action.kind,
        "action_url": action.url,
        "action_expires_at": action.expires_at,
        "action_asked_at": (operation.action_asked_at if is_same else None) or now if is_asked else None,
    }


def build_method_fields(operation: GatewayOperation, result: OperationResult) -> dict[str, Any]:
    """Build the columns about method and failure that every operation has."""
    method = result.method
    return {
        "stripe_payment_method_id": method.id or operation.stripe_payment_method_id,
        "stripe_mandate_id": method.mandate_id or operation.stripe_mandate_id,
        "method_kind": method.kind or operation.method_kind,
        "brand": method.brand or operation.brand,
        "last4": method.last4 or operation.last4,
        "failure_code": result.failure_code[:60],
        "failure_message": result.failure_message[:300],
    }


def find_refusal(error: Unavailable | Rejected, *, is_retry: bool, reference: str) -> Rejected | None:
    """Return the refusal in the error, or None if it leaves unknown what the gateway did with a request.

    A secret key that was revoked before a retry says nothing about what the first request did.
    """
    is_unknown = isinstance(error, Unavailable) or error.code == "idempotency"
    if is_unknown or (is_retry and isinstance(error, Rejected) and error.code in KEY_REFUSALS):
        log_unknown_answer(error, reference=reference)
        return None
    return error if isinstance(error, Rejected) else None


def log_unknown_answer(error: Exception, *, reference: str) -> None:
    """Log that nobody knows what the gateway did."""
    log.warning("gateway.answer_unknown", reference=reference, reason=str(error))
