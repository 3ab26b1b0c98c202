"""Tables of the payments floor."""

from payments.models.balance_transactions import BalanceTransaction, BalanceTransactionCursor
from payments.models.disputes import Dispute
from payments.models.gateway_accounts import GatewayAccount, GatewayCustomer
from payments.models.operations import Attempt, GatewayOperation, Setup, get_default_method_types
from payments.models.payment import Payment
from payments.models.payouts import Payout
from payments.models.refunds import Refund
from payments.models.saved_methods import SavedMethod, describe_method

__all__ = [
    "Attempt",
    "BalanceTransaction",
    "BalanceTransactionCursor",
    "Dispute",
    "GatewayAccount",
    "GatewayCustomer",
    "GatewayOperation",
    "Payment",
    "Payout",
    "Refund",
    "SavedMethod",
    "Setup",
    "describe_method",
    "get_default_method_types",
]
