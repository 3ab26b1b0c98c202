"""The door to the payment gateway. A gateway is one file and one line here."""

from payments.gateways.stripe import StripeGateway, read_webhook
from payments.gateways.words import BadSignature, Event, Gateway, Outcome, Start

__all__ = ["BadSignature", "Event", "Gateway", "Outcome", "Start", "open_gateway", "read_webhook"]


def open_gateway(secret_key: str) -> Gateway:
    """The gateway of whoever owns `secret_key`."""
    return StripeGateway(secret_key)
