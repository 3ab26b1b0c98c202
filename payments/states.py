"""The states of the models of payments, and the transitions between them."""

LIVE_STATES = ("processing", "requires_action")
PAYMENT_TRANSITIONS = {
    "open": frozenset({"succeeded", "saved", "cancelled"}),
    "succeeded": frozenset({"reversed"}),
    "reversed": frozenset({"succeeded"}),
    "cancelled": frozenset({"open"}),
}
METHOD_TRANSITIONS = {
    "active": frozenset({"invalid", "removed"}),
    "invalid": frozenset({"active", "removed"}),
}
SETUP_TRANSITIONS = {
    "processing": frozenset({"requires_action", "succeeded", "failed", "cancelled"}),
    "requires_action": frozenset({"processing", "succeeded", "failed", "cancelled"}),
}
REFUND_TRANSITIONS = {
    "processing": frozenset({"succeeded", "failed"}),
    "succeeded": frozenset({"failed"}),
}
# An inquiry takes no money: it is closed, or becomes a dispute, also after it was closed.
DISPUTE_TRANSITIONS = {
    "inquiry": frozenset({"open", "closed", "won", "lost"}),
    "closed": frozenset({"open", "won", "lost"}),
    "open": frozenset({"won", "lost"}),
    "lost": frozenset({"won"}),
}
ATTEMPT_TRANSITIONS = {
    "processing": frozenset({"requires_action", "succeeded", "failed", "cancelled"}),
    "requires_action": frozenset({"processing", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset({"reversed"}),
}

PAID_STATES = ("succeeded", "reversed")  # of attempts that took money, whatever happened later
