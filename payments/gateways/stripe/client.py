"""The Stripe client with our key, timeouts and retries."""

from functools import lru_cache

import stripe
from django.conf import settings


@lru_cache(maxsize=512)
def get_client(secret_key: str) -> stripe.StripeClient:
    """A client that gives up in time and never retries on its own: the outbox does, with our key."""
    return stripe.StripeClient(
        secret_key,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=settings.HTTP_TIMEOUT),
    )
