"""Stripe behind the gateway's door. Source: docs.stripe.com/api and the SDK's typed parameters."""

from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import stripe
from django.conf import settings

from payments.gateways.stripe_methods import KeepsMethods, window
from payments.gateways.stripe_movements import KeepsBalance
from payments.gateways.stripe_reading import dispute_facts, no, of, outcome_of, refund_outcome, to_stripe
from payments.gateways.words import DisputeFacts, Outcome, RefundOutcome, Start
from wisepay.money import Money

DETAILS = ["latest_charge", "payment_method"]


@lru_cache(maxsize=512)
def _client(secret_key: str) -> stripe.StripeClient:
    """A client that gives up in time and never retries by itself: the outbox asks again, with our key."""
    return stripe.StripeClient(
        secret_key,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=settings.HTTP_TIMEOUT),
    )


class StripeGateway(KeepsMethods, KeepsBalance):
    """One Stripe account."""

    def __init__(self, secret_key: str) -> None:
        self._v1 = _client(secret_key).v1
        self._intents = _client(secret_key).v1.payment_intents

    def start(self, order: Start) -> Outcome:
        params = {
            "amount": to_stripe(order.amount),
            "currency": order.amount.currency.lower(),
            "confirm": True,
            "allowed_payment_method_types": list(order.method_types),
            "description": order.description,
            "metadata": {"attempt": order.reference, "payer_email": order.payer_email, **_place(order)},
            "expand": DETAILS,
            **_session_params(order),
            **_method_params(order),
        }
        try:
            return outcome_of(self._intents.create(cast(Any, params), {"idempotency_key": order.key}))
        except stripe.StripeError as error:
            return _declined_or_raise(error)

    def look_up(self, intent_id: str) -> Outcome:
        try:
            return outcome_of(self._intents.retrieve(intent_id, {"expand": DETAILS}))
        except stripe.StripeError as error:
            raise no(error) from error

    def find(self, reference: str, *, since: datetime) -> Outcome | None:
        asked = {"created": window(since), "limit": 100, "expand": [f"data.{name}" for name in DETAILS]}
        try:
            found = self._intents.list(cast(Any, asked))
            mine = [i for i in found.auto_paging_iter() if of(i.metadata, "attempt") == reference]
        except stripe.StripeError as error:
            raise no(error) from error
        return outcome_of(mine[0]) if mine else None

    def cancel(self, intent_id: str, *, key: str) -> Outcome:
        try:
            return outcome_of(self._intents.cancel(intent_id, {}, {"idempotency_key": key}))
        except stripe.InvalidRequestError as error:
            if error.code == "payment_intent_unexpected_state":
                return self.look_up(intent_id)
            raise no(error) from error
        except stripe.StripeError as error:
            raise no(error) from error

    def refund(self, intent_id: str, amount: Money, *, key: str, reference: str) -> RefundOutcome:
        params = {"payment_intent": intent_id, "amount": to_stripe(amount), "metadata": {"refund": reference}}
        try:
            return refund_outcome(self._v1.refunds.create(cast(Any, params), {"idempotency_key": key}))
        except stripe.StripeError as error:
            raise no(error) from error

    def list_refunds(self, intent_id: str) -> list[RefundOutcome]:
        try:
            found = self._v1.refunds.list({"payment_intent": intent_id, "limit": 100})
            return [refund_outcome(refund) for refund in found.auto_paging_iter()]
        except stripe.StripeError as error:
            raise no(error) from error

    def list_disputes(self, intent_id: str) -> list[DisputeFacts]:
        try:
            found = self._v1.disputes.list({"payment_intent": intent_id, "limit": 100})
            return [dispute_facts(dispute) for dispute in found.auto_paging_iter()]
        except stripe.StripeError as error:
            raise no(error) from error

    def check(self) -> str:
        try:
            return str(self._v1.accounts.retrieve_current().id)
        except stripe.StripeError as error:
            raise no(error) from error


def _place(order: Start) -> dict[str, str]:
    """From where it was ordered, if anybody was there."""
    return {"payer_ip": order.ip} if order.ip else {}


def _session_params(order: Start) -> dict[str, Any]:
    """Whether the payer's browser can answer their bank, and where it comes back to."""
    if order.is_off_session:
        return {"off_session": True}
    return {"use_stripe_sdk": True, "return_url": order.return_url}


def _method_params(order: Start) -> dict[str, Any]:
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


def _declined_or_raise(error: stripe.StripeError) -> Outcome:
    """A decline carries its PaymentIntent: that is an outcome. Everything else is raised in our words."""
    raw = of(error.error, "payment_intent") if isinstance(error, stripe.CardError) else None
    if raw is None:
        raise no(error) from error
    return outcome_of(raw if isinstance(raw, stripe.PaymentIntent) else stripe.PaymentIntent.construct_from(raw, None))
