"""The door to the payment gateway. A gateway is one file and one line here."""

from payments.gateways.stripe import StripeGateway
from payments.gateways.stripe_webhooks import read_webhook
from payments.gateways.words import (
    BadSignature,
    DisputeFacts,
    Event,
    Gateway,
    Method,
    MovementFacts,
    Outcome,
    PayoutFacts,
    RefundOutcome,
    Rows,
    Save,
    Start,
)

__all__ = [
    "BadSignature",
    "DisputeFacts",
    "Event",
    "Gateway",
    "Method",
    "MovementFacts",
    "Outcome",
    "PayoutFacts",
    "RefundOutcome",
    "Rows",
    "Save",
    "Start",
    "open_gateway",
    "read_webhook",
]


def open_gateway(secret_key: str) -> Gateway:
    """The gateway of whoever owns `secret_key`."""
    return StripeGateway(secret_key)
