"""Which states of the accounting floor follow which."""

POSTING_TRANSITIONS = {
    "pending": frozenset({"sent", "cancelled"}),
    "sent": frozenset({"posted", "rejected", "pending"}),
    "rejected": frozenset({"pending", "cancelled"}),
    "cancelled": frozenset({"pending", "rejected"}),
}
CREDIT_NOTE_TRANSITIONS = {
    "pending": frozenset({"draft", "approved", "rejected", "removed"}),
    "draft": frozenset({"approved", "removed"}),
    "approved": frozenset({"applied", "voided"}),
    "applied": frozenset({"approved", "voided"}),
    "rejected": frozenset({"pending", "removed"}),
}
MANUAL_TASK_TRANSITIONS = {"open": frozenset({"done"}), "done": frozenset({"open"})}
JOB_TRANSITIONS = {"running": frozenset({"finished", "failed"})}
MATCH_TRANSITIONS = {
    "proposed": frozenset({"wanted", "dismissed", "withdrawn", "applied"}),
    "wanted": frozenset({"applied", "proposed", "dismissed", "withdrawn"}),
    "applied": frozenset({"undoing", "undone"}),
    "undoing": frozenset({"undone", "applied"}),
    "undone": frozenset({"wanted", "dismissed", "applied"}),
    "dismissed": frozenset({"wanted", "applied"}),
    "withdrawn": frozenset({"proposed", "wanted", "applied"}),
}
MAPPING_TRANSITIONS = {
    "proposed": frozenset({"active", "ended"}),
    "active": frozenset({"ended"}),
}
SCHEDULED_TRANSITIONS = {
    "scheduled": frozenset({"pending", "held", "cancelled"}),
    "held": frozenset({"scheduled", "cancelled"}),
    "pending": frozenset({"settled", "failed", "scheduled"}),
    "settled": frozenset({"failed"}),
    "failed": frozenset({"scheduled"}),
}
