"""Stripe's errors in the gateway protocol's terms."""

import stripe

from payments.gateways.stripe.fields import get_text
from wisepay.errors import NotPermitted, NotThere, Rejected, Unavailable

# What a parameter names that Stripe does not have, as a failure's code. A lookup names its own object `id` or `intent`.
MISSING_CODES = {
    "confirmation_token": "token_missing",
    "customer": "customer_missing",
    "mandate": "mandate_invalid",
    "payment_method": "resource_missing",
}
OTHER_MODE = "a similar object exists in"


def convert_error(error: stripe.StripeError) -> Exception:
    """Convert an error of the SDK to Unavailable or Rejected."""
    if isinstance(error, stripe.RateLimitError):
        return Unavailable("Stripe asks us to slow down", retry_after=2)
    if isinstance(error, stripe.APIConnectionError):
        return Unavailable("Stripe does not answer")
    if isinstance(error, stripe.PermissionError) and not says_account_is_closed(error):
        said = get_text(error, "user_message", longest=500)
        return NotPermitted("gateway_permission", f"The secret key may not do this: {said}")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return Rejected("gateway_key", "Stripe does not accept the secret key.")
    status = error.http_status or 0
    if status >= 500 or status == 409 or isinstance(error, stripe.APIError):
        return Unavailable(f"Stripe answered {status}")
    if isinstance(error, stripe.IdempotencyError):
        return Rejected("idempotency", "Stripe knows this key with other words.")
    message = get_text(error, "user_message", longest=500) or "Stripe refused the request."
    if error.code == "resource_missing":
        return convert_missing_object(get_param(error), message)
    return Rejected(get_text(error, "code", longest=60) or "refused", message)


def convert_lookup_error(error: stripe.StripeError, *names: str) -> Exception:
    """Convert an error of a look-up: that something else is not there says nothing about what was asked for.

    `names` are the parameter's names of what was asked for, beside `id`.
    """
    refusal = convert_error(error)
    if isinstance(refusal, NotThere) and refusal.thing not in (*names, "id"):
        return Unavailable(f"Stripe lacks {refusal.thing or 'something'}, which was not asked for")
    return refusal


def says_account_is_closed(error: stripe.StripeError) -> bool:
    """Whether it is no missing permission: the key has no access to its account any more."""
    return getattr(error.error, "code", None) in ("account_invalid", "account_closed")


def convert_missing_object(param: str, message: str) -> Rejected:
    """Convert `resource_missing`, which says of `param` only that it is not there."""
    if OTHER_MODE in message:
        return Rejected("wrong_mode", message)
    return NotThere(MISSING_CODES.get(param, "object_missing"), message, thing=param)


def get_param(error: stripe.StripeError) -> str:
    """The parameter that the error is about; empty for none."""
    return get_text(error, "param") or get_text(error.error, "param")
