"""Save methods at Stripe: customers, setups, detaching. Source: docs.stripe.com/payments/save-and-reuse."""

from datetime import datetime
from typing import Any, cast

import stripe

from payments.gateways.protocol import OperationResult, RemoteMethod, SetupRequest
from payments.gateways.stripe.errors import convert_error
from payments.gateways.stripe.shapes import get_field, get_id, parse_method, parse_setup_intent
from wisepay.errors import NotThere

# Seconds before and after our row within which its intent was created: a request is not sent again later than half an
# hour after the row (RETRY_WINDOW), and a busy account makes thousands of intents a day.
CLOCK_SKEW, SENT_WITHIN = 600, 3600
EXPAND_METHOD = {"expand": ["payment_method"]}


def build_created_window(since: datetime) -> dict[str, int]:
    """The period in which an intent first requested at `since` was created."""
    begin = int(since.timestamp())
    return {"gte": begin - CLOCK_SKEW, "lte": begin + SENT_WITHIN}


class StripeMethodsMixin:
    """The methods of the gateway that save payment methods."""

    _v1: Any

    def create_customer(self, *, key: str, name: str, email: str, reference: str) -> str:
        # Stripe refuses an empty address: it means to unset one.
        params = {"name": name, **({"email": email} if email else {}), "metadata": {"company": reference}}
        try:
            return str(self._v1.customers.create(params, {"idempotency_key": key}).id)
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def has_customer(self, customer_id: str) -> bool:
        try:
            customer = self._v1.customers.retrieve(customer_id)
            return bool(customer.id == customer_id and get_field(customer, "deleted") is not True)
        except stripe.StripeError as error:
            refusal = convert_error(error)
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
            return parse_setup_intent(self._v1.setup_intents.retrieve(setup_id, EXPAND_METHOD))
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def find_setup(self, reference: str, *, since: datetime) -> OperationResult | None:
        params = {"created": build_created_window(since), "limit": 100, "expand": ["data.payment_method"]}
        try:
            found = self._v1.setup_intents.list(cast(Any, params))
            matching = [i for i in found.auto_paging_iter() if get_field(i.metadata, "setup") == reference]
        except stripe.StripeError as error:
            raise convert_error(error) from error
        return parse_setup_intent(matching[0]) if matching else None

    def cancel_setup(self, setup_id: str, *, key: str) -> OperationResult:
        try:
            return parse_setup_intent(self._v1.setup_intents.cancel(setup_id, EXPAND_METHOD, {"idempotency_key": key}))
        except stripe.InvalidRequestError as error:
            if error.code == "setup_intent_unexpected_state":
                return self.look_up_setup(setup_id)
            raise convert_error(error) from error
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def look_up_method(self, method_id: str) -> RemoteMethod:
        try:
            method = self._v1.payment_methods.retrieve(method_id)
            return parse_method(method, id=method.id)
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def detach_method(self, method_id: str, *, key: str) -> None:
        try:
            self._v1.payment_methods.detach(method_id, {}, {"idempotency_key": key})
        except stripe.InvalidRequestError as error:
            if get_id(get_field(self._find_method(method_id), "customer")):
                raise convert_error(error) from error
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def _find_method(self, method_id: str) -> object:
        """Find the method; None if Stripe no longer has it."""
        try:
            return self._v1.payment_methods.retrieve(method_id)
        except stripe.StripeError as error:
            refusal = convert_error(error)
            if isinstance(refusal, NotThere):
                return None
            raise refusal from error

    def is_mandate_active(self, mandate_id: str) -> bool:
        try:
            return str(self._v1.mandates.retrieve(mandate_id).status) != "inactive"
        except stripe.StripeError as error:
            refusal = convert_error(error)
            if isinstance(refusal, NotThere):
                return False
            raise refusal from error
