"""Which states of the accounting floor follow which."""

POSTING_TRANSITIONS = {
    "pending": frozenset({"sent", "cancelled"}),
    "sent": frozenset({"posted", "rejected", "pending"}),
    "rejected": frozenset({"pending", "cancelled"}),
    "cancelled": frozenset({"pending"}),
}
CREDIT_NOTE_TRANSITIONS = {
    "pending": frozenset({"draft", "approved", "rejected", "removed"}),
    "draft": frozenset({"approved", "removed"}),
    "approved": frozenset({"applied", "voided"}),
    "applied": frozenset({"approved", "voided"}),
    "rejected": frozenset({"pending", "removed"}),
}
TASK_TRANSITIONS = {"open": frozenset({"done"})}
DOWNLOAD_TRANSITIONS = {"running": frozenset({"finished", "failed"})}
