"""Payment gateways behind one protocol. A gateway is one package and one line here."""

from payments.gateways.protocol import (
    BadSignature,
    ChargeRequest,
    Gateway,
    GatewayEvent,
    GatewayPage,
    OperationResult,
    RefundResult,
    RemoteAccount,
    RemoteAction,
    RemoteBalanceTransaction,
    RemoteDispute,
    RemoteEndpoint,
    RemoteEvent,
    RemoteFraudWarning,
    RemoteMethod,
    RemotePayout,
    SetupRequest,
)
from payments.gateways.stripe.client import verify_webhook
from payments.gateways.stripe.dashboard import build_page_url
from payments.gateways.stripe.fields import find_amount_problem, find_step_problem, get_charge_limits
from payments.gateways.stripe.fields import to_stripe as get_gateway_units
from payments.gateways.stripe.gateway import StripeGateway
from wisepay.budgets import count_vendor_call

__all__ = [
    "BadSignature",
    "ChargeRequest",
    "Gateway",
    "GatewayEvent",
    "GatewayPage",
    "OperationResult",
    "RefundResult",
    "RemoteAccount",
    "RemoteAction",
    "RemoteBalanceTransaction",
    "RemoteDispute",
    "RemoteEndpoint",
    "RemoteEvent",
    "RemoteFraudWarning",
    "RemoteMethod",
    "RemotePayout",
    "SetupRequest",
    "build_page_url",
    "find_amount_problem",
    "find_step_problem",
    "get_charge_limits",
    "get_gateway_units",
    "open_gateway",
    "verify_webhook",
]


def open_gateway(secret_key: str) -> Gateway:
    """Open the gateway account that the secret key belongs to. Raises CallRefused for a page that asks too often."""
    count_vendor_call()
    return StripeGateway(secret_key)
