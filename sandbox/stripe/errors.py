"""The errors of the practice Stripe, in Stripe's shape."""

from __future__ import annotations

from typing import Any


class StripeApiError(Exception):
    """An answer with an error body. `extra` adds objects such as `payment_intent` to it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"message": message, "type": type_}
        self.error |= {"code": code} if code else {}
        self.error |= {"param": param} if param else {}
        self.error |= extra
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """What goes over the wire."""
        return {"error": self.error}


class StripeParameterError(StripeApiError):
    """A parameter refused before the operation, so that nothing is saved under the idempotency key."""


def build_missing_object_error(kind: str, name: str, param: str = "id", other_mode: str = "") -> StripeApiError:
    """The 404 for an id that this account does not have; its `other_mode` may have it."""
    used = "test" if other_mode == "live" else "live"
    hint = f"; a similar object exists in {other_mode} mode, but a {used} mode key was used to make this request."
    message = f"No such {kind}: '{name}'" + (hint if other_mode else "")
    return StripeApiError(message, status=404, code="resource_missing", param=param)


def build_expired_key_error(shown: str) -> StripeApiError:
    """The 401 for a key that was rolled."""
    return StripeApiError(f"Expired API Key provided: {shown}", status=401, code="api_key_expired")


def build_permission_error(shown: str, path: str) -> StripeApiError:
    """The 403 for a restricted key that may not do this (docs.stripe.com/keys/restricted-api-keys)."""
    return StripeApiError(
        f"The provided key '{shown}' does not have the required permissions for this endpoint ({path}).",
        status=403,
        code="more_permissions_required",
    )


def build_invalid_key_error(shown: str) -> StripeApiError:
    """The 401 for a key that belongs to nobody."""
    return StripeApiError(f"Invalid API Key provided: {shown}", status=401)


def build_missing_key_error() -> StripeApiError:
    """The 401 for a call without a key."""
    return StripeApiError("You did not provide an API key. Send it as a bearer token.", status=401)


def build_rate_limit_error() -> StripeApiError:
    """The 429 for an account over its rate."""
    error = StripeApiError(
        "Too many requests hit the API too quickly. Back off exponentially and try again.",
        status=429,
        code="rate_limit",
    )
    error.headers = {"Stripe-Rate-Limited-Reason": "global-rate"}
    return error


def build_unexpected_state_error(intent: dict[str, Any], verb: str, why: str) -> StripeApiError:
    """The 400 for a verb that an intent's present status does not allow."""
    kind = intent["object"]
    name = "PaymentIntent" if kind == "payment_intent" else "SetupIntent"
    error = StripeApiError(f"You cannot {verb} this {name} because {why}.", code=f"{kind}_unexpected_state")
    error.error[kind] = intent
    return error
