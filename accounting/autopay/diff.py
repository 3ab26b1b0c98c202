"""Comparing what is scheduled with the decision of now: what changes, and what is too late to change."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounting.autopay.decisions import ChargePlan, SkipReason

FREEZE_PERIOD = timedelta(hours=18)  # before a run: from then on an amount only falls
TOLERATED_SKIPS = frozenset({"past_due", "paying"})  # reasons that don't cancel what is scheduled already


@dataclass(frozen=True, slots=True)
class CurrentSchedule:
    """The newest scheduled payment of an invoice. `was_charged`: it was charged before, and waits for a retry."""

    id: int
    state: str
    amount: int
    run_at: datetime
    mapping_id: int | None
    method_id: int | None
    was_charged: bool
    is_resolved_by_person: bool


@dataclass(frozen=True, slots=True)
class CreateSchedule:
    """Schedule it."""

    plan: ChargePlan


@dataclass(frozen=True, slots=True)
class UpdateSchedule:
    """Charge it otherwise than was planned."""

    id: int
    previous_amount: int
    amount: int
    run_at: datetime
    mapping_id: int | None
    method_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class CancelSchedule:
    """Don't charge it."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class HoldSchedule:
    """Hold it until a person decides."""

    id: int
    reason: str


ScheduleChange = CreateSchedule | UpdateSchedule | CancelSchedule | HoldSchedule | None


def find_schedule_change(
    current: CurrentSchedule | None, decision: ChargePlan | SkipReason, *, now: datetime, is_paused: bool = False
) -> ScheduleChange:
    """Find what has to change; None when nothing has to.

    What failed, and what a person cancelled, comes back only when a person says so. While the merchant's automatic
    payments are off nothing new is scheduled, and only what is over is cancelled.
    """
    if current is None or is_replaceable(current):
        return CreateSchedule(decision) if isinstance(decision, ChargePlan) and not is_paused else None
    if current.state not in ("scheduled", "held"):
        return None
    if isinstance(decision, SkipReason):
        return find_cancellation(current, decision, is_paused=is_paused)
    if current.state == "held":
        amount = min(current.amount, decision.amount)
        return find_update(current, decision, amount=amount, can_move=False) if amount < current.amount else None
    is_near = current.run_at - now <= FREEZE_PERIOD
    if decision.hold_reason and not is_near and not current.was_charged:
        return HoldSchedule(current.id, decision.hold_reason)
    amount = min(current.amount, decision.amount) if is_near else decision.amount
    return find_update(current, decision, amount=amount, can_move=not is_near and not current.was_charged)


def is_replaceable(current: CurrentSchedule) -> bool:
    """Whether a new one may take its place."""
    if current.state == "settled":
        return True
    return current.state == "cancelled" and not current.is_resolved_by_person


def find_cancellation(current: CurrentSchedule, skip: SkipReason, *, is_paused: bool) -> CancelSchedule | None:
    """Find whether a reason not to charge cancels what is scheduled."""
    if skip.code == "over":
        return CancelSchedule(current.id, skip.reason)
    if is_paused or skip.code in TOLERATED_SKIPS or current.state == "held":
        return None
    if current.was_charged and skip.code != "unmatched":
        return None
    return CancelSchedule(current.id, skip.reason)


def find_update(current: CurrentSchedule, plan: ChargePlan, *, amount: int, can_move: bool) -> UpdateSchedule | None:
    """Find the new amount and, where it may still move, the new instant, mapping and method."""
    run_at, mapping_id, method_id = current.run_at, current.mapping_id, current.method_id
    if can_move:
        run_at = min(current.run_at, plan.run_at) if plan.is_relative_to_now else plan.run_at
        mapping_id, method_id = plan.mapping_id, plan.method_id
    before = (current.amount, current.run_at, current.mapping_id, current.method_id)
    if (amount, run_at, mapping_id, method_id) == before:
        return None
    reason = plan.note if amount == current.amount else "The invoice changed, and the amount with it."
    return UpdateSchedule(current.id, current.amount, amount, run_at, mapping_id, method_id, reason)
