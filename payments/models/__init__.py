"""Tables of the payments floor."""

from payments.models.methods import GatewayAccount, GatewayCustomer, SavedMethod, described_method
from payments.models.movements import Movement, MovementCursor, Payout
from payments.models.payment import Payment
from payments.models.returns import Dispute, Refund
from payments.models.talks import Attempt, Conversation, Setup, card_only

__all__ = [
    "Attempt",
    "Conversation",
    "Dispute",
    "GatewayAccount",
    "GatewayCustomer",
    "Movement",
    "MovementCursor",
    "Payment",
    "Payout",
    "Refund",
    "SavedMethod",
    "Setup",
    "card_only",
    "described_method",
]
