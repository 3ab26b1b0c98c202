"""Which webhook events are handled, and by which outbox handler."""

from payments.gateways import GatewayEvent

# Beginnings of event types (docs.stripe.com/api/events/types), the handler, and which id it is given.
EVENT_HANDLERS = (
    ("payment_intent.created", "", ""),
    ("payment_intent.", "payments.read_event", "intent_id"),
    ("setup_intent.created", "", ""),
    ("setup_intent.", "payments.read_setup", "object_id"),
    ("charge.dispute.", "payments.read_disputes", "intent_id"),
    ("charge.refund", "payments.read_refunds", "intent_id"),
    ("refund.", "payments.read_refunds", "intent_id"),
    ("payment_method.attached", "", ""),
    ("payment_method.", "payments.read_method", "object_id"),
    ("mandate.", "payments.read_mandate", "object_id"),
    ("payout.", "payments.read_payout", "object_id"),
)

# The events that the merchant's endpoint at Stripe has to send.
ENABLED_EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
    "payment_method.detached",
    "payment_method.automatically_updated",
    "mandate.updated",
    "payout.paid",
    "payout.failed",
    "payout.reconciliation_completed",
)


def find_event_handler(event: GatewayEvent) -> tuple[str, str, str] | None:
    """Find the handler, the name of the id that it takes, and the id; None for an event that changes nothing here."""
    for beginning, handler, argument in EVENT_HANDLERS:
        if event.kind.startswith(beginning):
            object_id = getattr(event, argument) if argument else ""
            return (handler, argument, object_id) if object_id else None
    return None
