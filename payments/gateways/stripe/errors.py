"""Stripe's errors in the gateway protocol's terms."""

import stripe

from wisepay.errors import Rejected, Unavailable


def convert_error(error: stripe.StripeError) -> Exception:
    """Convert an error of the SDK to Unavailable or Rejected."""
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
