"""Tables of the payments floor."""

from payments.models.balance_transactions import BalanceTransaction, BalanceTransactionCursor
from payments.models.brakes import AttemptBrake
from payments.models.gateway_accounts import GatewayAccount, GatewayCustomer
from payments.models.operations import Attempt, Dispute, GatewayOperation, Refund, Setup, get_default_method_types
from payments.models.payment import Payment, PaymentLines, SavedMethod, describe_method
from payments.models.payouts import Payout

__all__ = [
    "Attempt",
    "AttemptBrake",
    "BalanceTransaction",
    "BalanceTransactionCursor",
    "Dispute",
    "GatewayAccount",
    "GatewayCustomer",
    "GatewayOperation",
    "Payment",
    "PaymentLines",
    "Payout",
    "Refund",
    "SavedMethod",
    "Setup",
    "describe_method",
    "get_default_method_types",
]
