"""Stripe behind the gateway's door. Source: docs.stripe.com/api and the SDK's typed parameters."""

from datetime import datetime
from typing import Any, cast

import stripe

from payments.gateways.protocol import ChargeRequest, OperationResult, RefundResult, RemoteDispute
from payments.gateways.stripe.balance_transactions import StripeBalanceMixin
from payments.gateways.stripe.client import get_client
from payments.gateways.stripe.errors import convert_error
from payments.gateways.stripe.methods import StripeMethodsMixin, build_created_window
from payments.gateways.stripe.shapes import get_field, parse_dispute, parse_payment_intent, parse_refund, to_stripe
from wisepay.money import Money

EXPANDED_FIELDS = ["latest_charge", "payment_method"]


class StripeGateway(StripeMethodsMixin, StripeBalanceMixin):
    """One Stripe account."""

    def __init__(self, secret_key: str) -> None:
        self._v1 = get_client(secret_key).v1
        self._intents = get_client(secret_key).v1.payment_intents

    def start(self, order: ChargeRequest) -> OperationResult:
        params = {
            "amount": to_stripe(order.amount),
            "currency": order.amount.currency.lower(),
            "confirm": True,
            "allowed_payment_method_types": list(order.method_types),
            "description": order.description,
            "metadata": {"attempt": order.reference, "payer_email": order.payer_email, **_ip_metadata(order)},
            "expand": EXPANDED_FIELDS,
            **_session_params(order),
            **_method_params(order),
        }
        try:
            return parse_payment_intent(self._intents.create(cast(Any, params), {"idempotency_key": order.key}))
        except stripe.StripeError as error:
            return _declined_or_raise(error)

    def look_up(self, intent_id: str) -> OperationResult:
        try:
            return parse_payment_intent(self._intents.retrieve(intent_id, {"expand": EXPANDED_FIELDS}))
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def find(self, reference: str, *, since: datetime) -> OperationResult | None:
        asked = {
            "created": build_created_window(since),
            "limit": 100,
            "expand": [f"data.{name}" for name in EXPANDED_FIELDS],
        }
        try:
            found = self._intents.list(cast(Any, asked))
            mine = [i for i in found.auto_paging_iter() if get_field(i.metadata, "attempt") == reference]
        except stripe.StripeError as error:
            raise convert_error(error) from error
        return parse_payment_intent(mine[0]) if mine else None

    def cancel(self, intent_id: str, *, key: str) -> OperationResult:
        try:
            return parse_payment_intent(self._intents.cancel(intent_id, {}, {"idempotency_key": key}))
        except stripe.InvalidRequestError as error:
            if error.code == "payment_intent_unexpected_state":
                return self.look_up(intent_id)
            raise convert_error(error) from error
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def refund(self, intent_id: str, amount: Money, *, key: str, reference: str) -> RefundResult:
        params = {"payment_intent": intent_id, "amount": to_stripe(amount), "metadata": {"refund": reference}}
        try:
            return parse_refund(self._v1.refunds.create(cast(Any, params), {"idempotency_key": key}))
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def list_refunds(self, intent_id: str) -> list[RefundResult]:
        try:
            found = self._v1.refunds.list({"payment_intent": intent_id, "limit": 100})
            return [parse_refund(refund) for refund in found.auto_paging_iter()]
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def list_disputes(self, intent_id: str) -> list[RemoteDispute]:
        try:
            found = self._v1.disputes.list({"payment_intent": intent_id, "limit": 100})
            return [parse_dispute(dispute) for dispute in found.auto_paging_iter()]
        except stripe.StripeError as error:
            raise convert_error(error) from error

    def get_account_id(self) -> str:
        try:
            return str(self._v1.accounts.retrieve_current().id)
        except stripe.StripeError as error:
            raise convert_error(error) from error


def _ip_metadata(order: ChargeRequest) -> dict[str, str]:
    """From where it was ordered, if anybody was there."""
    return {"payer_ip": order.ip} if order.ip else {}


def _session_params(order: ChargeRequest) -> dict[str, Any]:
    """Whether the payer's browser can answer their bank, and where it comes back to."""
    if order.is_off_session:
        return {"off_session": True}
    return {"use_stripe_sdk": True, "return_url": order.return_url}


def _method_params(order: ChargeRequest) -> dict[str, Any]:
    """What is paid with, and for whom it is kept."""
    params: dict[str, Any] = {}
    if order.method_id:
        params["payment_method"] = order.method_id
    else:
        params["confirmation_token"] = order.confirmation_token
    if order.customer_id:
        params["customer"] = order.customer_id
    if order.mandate_id:
        params["mandate"] = order.mandate_id
    if order.saves_method:
        params["setup_future_usage"] = "off_session"
    return params


def _declined_or_raise(error: stripe.StripeError) -> OperationResult:
    """A decline carries its PaymentIntent: that is an outcome. Everything else is raised in our words."""
    raw = get_field(error.error, "payment_intent") if isinstance(error, stripe.CardError) else None
    if raw is None:
        raise convert_error(error) from error
    return parse_payment_intent(
        raw if isinstance(raw, stripe.PaymentIntent) else stripe.PaymentIntent.construct_from(raw, None)
    )
