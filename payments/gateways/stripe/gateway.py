"""Stripe as a gateway: charges, refunds and disputes. Source: docs.stripe.com/api and the SDK's parameters."""

import re
import unicodedata
from datetime import datetime
from typing import Any, cast

import stripe

from payments.gateways.protocol import (
    ChargeRequest,
    OperationResult,
    RefundResult,
    RemoteDispute,
    RemoteFraudWarning,
)
from payments.gateways.stripe.accounts import StripeAccountMixin
from payments.gateways.stripe.balance_transactions import StripeBalanceMixin
from payments.gateways.stripe.client import get_client, raise_unreadable
from payments.gateways.stripe.errors import convert_error, convert_lookup_error
from payments.gateways.stripe.fields import get_field, get_text, require_id, to_stripe
from payments.gateways.stripe.methods import StripeMethodsMixin, build_created_window, find_by_reference
from payments.gateways.stripe.shapes import parse_dispute, parse_payment_intent, parse_refund
from wisepay.money import Money

SUFFIX_LENGTH = (
    12  # of 22 letters, a prefix of ten and "* " left (docs.stripe.com/get-started/account/statement-descriptors)
)
EXPANDED_FIELDS = ["latest_charge", "payment_method"]


@raise_unreadable
class StripeGateway(StripeMethodsMixin, StripeBalanceMixin, StripeAccountMixin):
    """One Stripe account."""

    def __init__(self, secret_key: str) -> None:
        self._v1 = get_client(secret_key).v1
        self._intents = get_client(secret_key).v1.payment_intents

    def start(self, request: ChargeRequest) -> OperationResult:
        params = {
            "amount": to_stripe(request.amount),
            "currency": request.amount.currency.lower(),
            "confirm": True,
            "allowed_payment_method_types": list(request.method_types),
            "description": request.description,
            "metadata": {"attempt": request.reference, "payer_email": request.payer_email, **_ip_metadata(request)},
            "expand": EXPANDED_FIELDS,
            **_statement_params(request),
            **_session_params(request),
            **_method_params(request),
        }
        try:
            return parse_payment_intent(self._intents.create(cast(Any, params), {"idempotency_key": request.key}))
        except stripe.StripeError as error:
            return _declined_or_raise(error)

    def look_up(self, intent_id: str) -> OperationResult:
        try:
            found = self._intents.retrieve(intent_id, {"expand": EXPANDED_FIELDS})
            return parse_payment_intent(found, expected=intent_id)
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "intent", "payment_intent") from error

    def find(self, reference: str, *, since: datetime) -> OperationResult | None:
        params = {
            "created": build_created_window(since),
            "limit": 100,
            "expand": [f"data.{name}" for name in EXPANDED_FIELDS],
        }
        try:
            found = find_by_reference(self._intents.list(cast(Any, params)), "attempt", reference)
        except stripe.StripeError as error:
            raise convert_error(error) from error
        return parse_payment_intent(found) if found is not None else None

    def cancel(self, intent_id: str, *, key: str) -> OperationResult:
        try:
            cancelled = self._intents.cancel(intent_id, {}, {"idempotency_key": key})
            return parse_payment_intent(cancelled, expected=intent_id)
        except stripe.InvalidRequestError as error:
            if error.code == "payment_intent_unexpected_state":
                return self.look_up(intent_id)
            raise convert_lookup_error(error, "intent", "payment_intent") from error
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "intent", "payment_intent") from error

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
            raise convert_lookup_error(error, "intent", "payment_intent") from error

    def list_fraud_warnings(self, intent_id: str) -> list[RemoteFraudWarning]:
        try:
            found = self._v1.radar.early_fraud_warnings.list({"payment_intent": intent_id})
            return [
                RemoteFraudWarning(
                    require_id(one), get_text(one, "fraud_type", longest=60), get_field(one, "actionable") is True
                )
                for one in found.auto_paging_iter()
            ]
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "intent", "payment_intent") from error

    def list_disputes(self, intent_id: str) -> list[RemoteDispute]:
        try:
            found = self._v1.disputes.list({"payment_intent": intent_id, "limit": 100})
            return [parse_dispute(dispute) for dispute in found.auto_paging_iter()]
        except stripe.StripeError as error:
            raise convert_lookup_error(error, "intent", "payment_intent") from error


def _ip_metadata(request: ChargeRequest) -> dict[str, str]:
    """The address that the request came from, if the payer was present."""
    return {"payer_ip": request.ip} if request.ip else {}


def _statement_params(request: ChargeRequest) -> dict[str, str]:
    """What a card's statement says beside the account's name, in the letters that Stripe takes."""
    plain = unicodedata.normalize("NFKD", request.statement_text).encode("ascii", "ignore").decode()
    suffix = " ".join(re.sub(r"[^A-Za-z0-9 .-]", " ", plain).split()).upper()[:SUFFIX_LENGTH].strip()
    is_for_cards = request.method_types == ("card",) and re.search("[A-Z]", suffix)
    return {"statement_descriptor_suffix": suffix} if is_for_cards else {}


def _session_params(request: ChargeRequest) -> dict[str, Any]:
    """Whether the payer can confirm in the browser, where the bank sends them back to, and what Radar saw of them."""
    if request.is_off_session:
        return {"off_session": True}
    radar = {"radar_options": {"session": request.radar_session_id}} if request.radar_session_id else {}
    return {"use_stripe_sdk": True, "return_url": request.return_url, **radar}


def _method_params(request: ChargeRequest) -> dict[str, Any]:
    """The method to charge, and the customer whom it is saved for."""
    params: dict[str, Any] = {}
    if request.method_id:
        params["payment_method"] = request.method_id
    else:
        params["confirmation_token"] = request.confirmation_token
    if request.customer_id:
        params["customer"] = request.customer_id
    if request.mandate_id:
        params["mandate"] = request.mandate_id
    if request.saves_method:
        params["setup_future_usage"] = "off_session"
    return params


def _declined_or_raise(error: stripe.StripeError) -> OperationResult:
    """Parse the PaymentIntent of a decline; raise every other error as the gateway protocol names it."""
    raw = get_field(error.error, "payment_intent") if isinstance(error, stripe.CardError) else None
    if raw is None:
        raise convert_error(error) from error
    return parse_payment_intent(
        raw if isinstance(raw, stripe.PaymentIntent) else stripe.PaymentIntent.construct_from(raw, None)
    )
