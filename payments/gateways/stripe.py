"""Stripe behind the gateway's door.

The server confirms with a ConfirmationToken that the payer's browser made, so a card number never
comes near us and every attempt passes our own limits first. Source: docs.stripe.com, "Finalize
payments on the server"; parameters of the API version that the installed SDK pins.
"""

import hashlib
import hmac
import json
import time
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import stripe
from django.conf import settings

from payments.gateways.words import BadSignature, Event, Outcome, Start, Status
from wisepay.errors import Rejected, Unavailable
from wisepay.money import Money, digits_of

CLOCKS_APART, A_DAY = 3600, 86_400  # seconds before and after our row within which its intent was made
TOLERANCE = 300  # seconds that a webhook's timestamp may differ from our clock, in both directions
STATUSES: dict[str, Status] = {
    "requires_action": "requires_action",
    "processing": "processing",
    "requires_capture": "processing",
    "succeeded": "succeeded",
    "canceled": "cancelled",
    "requires_confirmation": "failed",
    "requires_payment_method": "failed",
}
# Currencies that Stripe counts in other units than ISO 4217 does (docs.stripe.com/currencies).
TWO_DECIMALS_AT_STRIPE = frozenset({"ISK", "UGX"})


@lru_cache(maxsize=512)
def _client(secret_key: str) -> stripe.StripeClient:
    """A client that gives up in time and never retries by itself: the outbox asks again, with our key."""
    return stripe.StripeClient(
        secret_key,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=settings.HTTP_TIMEOUT),
    )


class StripeGateway:
    """One Stripe account."""

    def __init__(self, secret_key: str) -> None:
        self._intents = _client(secret_key).v1.payment_intents
        self._accounts = _client(secret_key).v1.accounts

    def start(self, order: Start) -> Outcome:
        params = {
            "amount": to_stripe(order.amount),
            "currency": order.amount.currency.lower(),
            "confirm": True,
            "confirmation_token": order.confirmation_token,
            "allowed_payment_method_types": list(order.method_types),
            "description": order.description,
            "metadata": {"attempt": order.reference, "payer_email": order.payer_email, "payer_ip": order.ip},
            "use_stripe_sdk": True,
            "return_url": order.return_url,
            "expand": ["latest_charge"],
        }
        try:
            return outcome_of(self._intents.create(cast(Any, params), {"idempotency_key": order.key}))
        except stripe.StripeError as error:
            return _declined_or_raise(error)

    def look_up(self, intent_id: str) -> Outcome:
        try:
            return outcome_of(self._intents.retrieve(intent_id, {"expand": ["latest_charge"]}))
        except stripe.StripeError as error:
            raise no(error) from error

    def find(self, reference: str, *, since: datetime) -> Outcome | None:
        begin = int(since.timestamp())
        window = {"gte": begin - CLOCKS_APART, "lte": begin + A_DAY}
        try:
            found = self._intents.list({"created": cast(Any, window), "limit": 100, "expand": ["data.latest_charge"]})
            mine = [i for i in found.auto_paging_iter() if _of(i.metadata, "attempt") == reference]
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

    def check(self) -> str:
        try:
            return self._accounts.retrieve_current().id
        except stripe.StripeError as error:
            raise no(error) from error


def to_stripe(money: Money) -> int:
    """The amount in the units that Stripe counts this currency in."""
    return (
        money.amount * 100
        if money.currency in TWO_DECIMALS_AT_STRIPE and not digits_of(money.currency)
        else money.amount
    )


def from_stripe(amount: int, currency: str) -> Money:
    """The reverse of `to_stripe`."""
    code = currency.upper()
    return Money(amount // 100 if code in TWO_DECIMALS_AT_STRIPE and not digits_of(code) else amount, code)


def outcome_of(intent: stripe.PaymentIntent) -> Outcome:
    """A PaymentIntent in our words."""
    status = STATUSES.get(intent.status, "processing")
    error = _of(intent, "last_payment_error") if status == "failed" else None
    kind, brand, last4 = _method(intent)
    received = intent.amount_received if status == "succeeded" else intent.amount
    return Outcome(
        status=status,
        intent_id=intent.id,
        amount=from_stripe(received, intent.currency),
        client_secret=_of(intent, "client_secret") or "",
        method_kind=kind,
        brand=brand,
        last4=last4,
        failure_code=_of(error, "decline_code") or _of(error, "code") or "",
        failure_message=_of(error, "message") or "",
        reference=_of(_of(intent, "metadata"), "attempt") or "",
    )


def _of(thing: object, name: str) -> Any:
    """An attribute that Stripe may leave out; the SDK raises where it is absent."""
    return getattr(thing, name, None)


def _method(intent: stripe.PaymentIntent) -> tuple[str, str, str]:
    """Kind, brand and last four of what was charged, as far as known."""
    used = _of(_of(intent, "latest_charge"), "payment_method_details")
    used = used or _of(_of(intent, "last_payment_error"), "payment_method")
    if used is None:
        return "", "", ""
    detail = _of(used, used.type)
    return used.type, _of(detail, "brand") or "", _of(detail, "last4") or ""


def _declined_or_raise(error: stripe.StripeError) -> Outcome:
    """A decline carries its PaymentIntent: that is an outcome. Everything else is raised in our words."""
    raw = _of(error.error, "payment_intent") if isinstance(error, stripe.CardError) else None
    if raw is None:
        raise no(error) from error
    return outcome_of(raw if isinstance(raw, stripe.PaymentIntent) else stripe.PaymentIntent.construct_from(raw, None))


def no(error: stripe.StripeError) -> Exception:
    """Stripe's no in the three ways of this house."""
    if isinstance(error, stripe.RateLimitError):
        return Unavailable("Stripe asks us to slow down", retry_after=2)
    if isinstance(error, stripe.APIConnectionError):
        return Unavailable("Stripe does not answer")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return Rejected("gateway_key", "Stripe does not accept the secret key.")
    status = error.http_status or 0
    if status >= 500 or status == 409 or isinstance(error, stripe.APIError):
        return Unavailable(f"Stripe answered {status}")
    if isinstance(error, stripe.IdempotencyError):
        return Rejected("idempotency", "Stripe knows this key with other words.")
    return Rejected(error.code or "refused", error.user_message or "Stripe refused the request.")


def read_webhook(body: bytes, *, signature: str, secret: str, now: float | None = None) -> Event:
    """The event in `body`, if Stripe signed it within TOLERANCE of now. Raises BadSignature.

    The SDK's own check lets timestamps from the future pass, so a stolen signature could be kept for later.
    """
    pairs = [part.partition("=")[::2] for part in signature.split(",")]
    stamps = [value for name, value in pairs if name.strip() == "t"]
    if len(stamps) != 1 or not stamps[0].isdecimal() or len(stamps[0]) > 12:
        raise BadSignature("no timestamp")
    if abs((now if now is not None else time.time()) - int(stamps[0])) > TOLERANCE:
        raise BadSignature("too old, or from the future")
    expected = hmac.new(secret.encode(), f"{stamps[0]}.".encode() + body, hashlib.sha256).hexdigest()
    if not any(hmac.compare_digest(expected.encode(), v.encode()) for n, v in pairs if n.strip() == "v1"):
        raise BadSignature("another signature")
    return _event(body)


def _event(body: bytes) -> Event:
    try:
        raw = json.loads(body)
        subject = raw["data"]["object"]
        is_intent = subject["object"] == "payment_intent"
        intent_id = subject["id"] if is_intent else subject.get("payment_intent") or ""
        return Event(id=str(raw["id"]), kind=str(raw["type"]), intent_id=str(intent_id))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadSignature("signed, but not an event") from error
