"""The Stripe client with our key and timeouts, and the check of a webhook's signature."""

import hashlib
import hmac
import time
from collections.abc import Callable
from functools import lru_cache, wraps
from inspect import isfunction
from typing import Any

import requests
import stripe
from django.conf import settings

from payments.gateways.protocol import BadSignature, GatewayEvent
from payments.gateways.stripe.fields import MAX_ID_LENGTH
from wisepay.errors import Unavailable
from wisepay.input import UnreadableBody, is_id, read_json

TOLERANCE = 300  # seconds that a webhook's timestamp may differ from our clock, in both directions


def verify_webhook(body: bytes, *, signature: str, secret: str, now: float | None = None) -> GatewayEvent:
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


def _event(body: bytes) -> GatewayEvent:
    try:
        raw = read_json(body)
        subject: dict[str, Any] = raw["data"]["object"]
        is_intent = subject["object"] == "payment_intent"
        intent_id = subject["id"] if is_intent else subject.get("payment_intent") or ""
        ids = {"id": raw["id"], "object_id": subject.get("id") or "", "intent_id": intent_id}
        kind = str(raw["type"])
    except (UnreadableBody, KeyError, TypeError, AttributeError) as error:
        raise BadSignature("signed, but not an event") from error
    texts = {name: str(value) for name, value in ids.items()}
    if not texts["id"] or any(text and not is_id(text, longest=MAX_ID_LENGTH) for text in texts.values()):
        raise BadSignature("signed, but with an id that is none of Stripe's")
    return GatewayEvent(kind=kind, **texts)


class StripeSession(requests.Session):
    """A session that follows no redirect: a charge that is redirected would become a question at another address."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """No answer leads anywhere else."""
        return None


class StripeHttpClient(stripe.RequestsClient):
    """The SDK's HTTP client with our sessions, one a thread."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send one request."""
        if getattr(self._thread_local, "session", None) is None:
            self._thread_local.session = StripeSession()
        return super().request(*args, **kwargs)


def raise_unreadable[G: type](gateway: G) -> G:
    """Let every method of a gateway raise Unavailable for an answer that lacks what we read, whatever its status."""
    for name in dir(gateway):
        method = getattr(gateway, name)
        if not name.startswith("_") and isfunction(method):
            setattr(gateway, name, convert_method(method))
    return gateway


def convert_method[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """Return the method with what reading an answer raises as Unavailable: whether a write was done is unknown."""

    @wraps(method)
    def converted(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (LookupError, AttributeError, TypeError, ArithmeticError, ValueError) as error:
            raise Unavailable(f"Stripe's answer could not be read ({type(error).__name__})") from error

    return converted


@lru_cache(maxsize=512)
def get_client(secret_key: str) -> stripe.StripeClient:
    """A client that gives up in time and never retries on its own: the outbox does, with our key."""
    return stripe.StripeClient(
        secret_key,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=0,
        http_client=StripeHttpClient(timeout=settings.HTTP_TIMEOUT),
    )
