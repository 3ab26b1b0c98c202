"""Save methods at Stripe: customers, setups, detaching. Source: docs.stripe.com/payments/save-and-reuse."""

from datetime import datetime
from typing import Any, cast

import stripe

from payments.gateways.protocol import OperationResult, RemoteMethod, SetupRequest
from payments.gateways.stripe.errors import convert_error, convert_lookup_error
from payments.gateways.stripe.fields import get_field, get_id, require_id, require_object, require_owner, require_word
from payments.gateways.stripe.shapes import parse_method, parse_setup_intent
from wisepay.errors import NotThere

# Seconds before and after our row within which its intent was created: a request is not sent again later than half an
# hour after the row (RETRY_WINDOW), and a busy account makes thousands of intents a day.
CLOCK_SKEW, SENT_WITHIN = 600, 3600
EXPAND_METHOD = {"expand": ["payment_method"]}


def build_created_window(since: datetime) -> dict[str, int]:
    """The period in which an intent first requested at `since` was created."""
    begin = int(since.timestamp())
    return {"gte": begin - CLOCK_SKEW, "lte": begin + SENT_WITHIN}


def find_by_reference(found: Any, name: str, reference: str) -> Any:
    """Find the intent that carries our reference in its metadata, over all pages of a list; None if none does."""
    named = ((one, get_field(require_object(one, "metadata"), name)) for one in found.auto_paging_iter())
    return next((one for one, value in named if value == reference), None)


class StripeMethodsMixin:
    """The methods of the gateway that save payment methods."""

    _v1: Any

    def create_customer(self, *, key: str, name: str, email: str, reference: str) -> str:
        # Stripe refuses an empty address: it means to unset one.
        params = {"name": name, **({"email": email} if email else {}), "metadata": {"company": reference}}
        try:
            return require_id(self._v1.customers.create(params, {"idempotency_key": key}))
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def has_customer(self, customer_id: str) -> bool:
        try:
            customer = self._v1.customers.retrieve(customer_id)
            return bool(require_id(customer, expected=customer_id)) and get_field(customer, "deleted") is not True
        except stripe.StripeError as error:
            refusal = convert_lookup_error(error, "customer")
            if isinstance(refusal, NotThere):
                return False
            raise refusal from error

    def save_method(self, request: SetupRequest) -> OperationResult:
        params = {
            "confirm": True,
            "confirmation_token": request.confirmation_token,
            "allowed_payment_method_types": list(request.method_types),
            "customer": request.customer_id,
            "usage": "off_session",
            "description": request.description,
            "metadata": {"setup": request.reference},
            "use_stripe_sdk": True,
            "return_url": request.return_url,
            **EXPAND_METHOD,
        }
        try:
            return parse_setup_intent(self._v1.setup_intents.create(params, {"idempotency_key": request.key}))
        except stripe.StripeError as error:
            raw = get_field(error.error, "setup_intent") if isinstance(error, stripe.CardError) else None
            if raw is None:
                raise convert_error(error) from error
            setup = raw if isinstance(raw, stripe.SetupIntent) else stripe.SetupIntent.construct_from(raw, None)
            return parse_setup_intent(setup)

    def look_up_setup(self, setup_id: str) -> OperationResult:
        try:
            return parse_setup_intent(self._v1.setup_intents.retrieve(setup_id, EXPAND_METHOD), expected=setup_id)
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "intent", "setup_intent") from error

    def find_setup(self, reference: str, *, since: datetime) -> OperationResult | None:
        params = {"created": build_created_window(since), "limit": 100, "expand": ["data.payment_method"]}
        try:
            found = find_by_reference(self._v1.setup_intents.list(cast(Any, params)), "setup", reference)
        except stripe.StripeError as error:
            raise convert_error(error) from error
        return parse_setup_intent(found) if found is not None else None

    def cancel_setup(self, setup_id: str, *, key: str) -> OperationResult:
        try:
            cancelled = self._v1.setup_intents.cancel(setup_id, EXPAND_METHOD, {"idempotency_key": key})
            return parse_setup_intent(cancelled, expected=setup_id)
        except stripe.InvalidRequestError as error:
            if error.code == "setup_intent_unexpected_state":
                return self.look_up_setup(setup_id)
            raise convert_lookup_error(error, "intent", "setup_intent") from error
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "intent", "setup_intent") from error

    def look_up_method(self, method_id: str) -> RemoteMethod:
        try:
            method = self._v1.payment_methods.retrieve(method_id)
            return parse_method(require_owner(method), id=require_id(method, expected=method_id))
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "payment_method") from error

    def detach_method(self, method_id: str, *, key: str) -> None:
        try:
            detached = self._v1.payment_methods.detach(method_id, {}, {"idempotency_key": key})
            require_id(detached, expected=method_id)
        except stripe.InvalidRequestError as error:
            found = self._find_method(method_id)
            if found is not None and get_id(get_field(require_owner(found), "customer")):
                raise convert_error(error) from error
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def _find_method(self, method_id: str) -> object:
        """Find the method; None if Stripe no longer has it."""
        try:
            return self._v1.payment_methods.retrieve(method_id)
        except stripe.StripeError as error:
            refusal = convert_lookup_error(error, "payment_method")
            if isinstance(refusal, NotThere):
                return None
            raise refusal from error

    def is_mandate_active(self, mandate_id: str) -> bool:
        try:
            return require_word(self._v1.mandates.retrieve(mandate_id), "status") != "inactive"
        except stripe.StripeError as error:
            refusal = convert_lookup_error(error, "mandate")
            if isinstance(refusal, NotThere):
                return False
            raise refusal from error
