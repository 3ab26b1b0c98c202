"""Comparing what is scheduled with what was decided now: what changes, and what is too late to change."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounting.autopay.deciding import Gap, Plan

FROZEN = timedelta(hours=18)  # before a run: from then on an amount only falls
KEEP_THROUGH = frozenset({"past_due", "paying"})  # gaps that came after it was scheduled, and don't undo that


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest scheduled payment of an invoice. `is_begun`: it was charged before, and waits to be tried again."""

    id: int
    state: str
    amount: int
    run_at: datetime
    mapping_id: int | None
    method_id: int | None
    is_begun: bool
    is_settled_by_person: bool


@dataclass(frozen=True, slots=True)
class Create:
    """Schedule it."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Alter:
    """Charge it otherwise than was planned."""

    id: int
    was: int
    amount: int
    run_at: datetime
    mapping_id: int | None
    method_id: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Don't charge it."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Let it wait for a person."""

    id: int
    reason: str


Change = Create | Alter | Cancel | Hold | None


def compare(standing: Standing | None, decision: Plan | Gap, *, now: datetime, is_paused: bool = False) -> Change:
    """What has to change; None when nothing has to.

    What failed, and what a person cancelled, comes back only when a person says so. While the merchant's automatic
    payments are off nothing new is scheduled, and only what is over is cancelled.
    """
    if standing is None or is_over(standing):
        return Create(decision) if isinstance(decision, Plan) and not is_paused else None
    if standing.state not in ("scheduled", "held"):
        return None
    if isinstance(decision, Gap):
        return cancelled(standing, decision, is_paused=is_paused)
    if standing.state == "held":
        less = min(standing.amount, decision.amount)
        return altered(standing, decision, amount=less, moves=False) if less < standing.amount else None
    is_near = standing.run_at - now <= FROZEN
    if decision.hold and not is_near and not standing.is_begun:
        return Hold(standing.id, decision.hold)
    amount = min(standing.amount, decision.amount) if is_near else decision.amount
    return altered(standing, decision, amount=amount, moves=not is_near and not standing.is_begun)


def is_over(standing: Standing) -> bool:
    """Whether a new one may take its place."""
    if standing.state == "settled":
        return True
    return standing.state == "cancelled" and not standing.is_settled_by_person


def cancelled(standing: Standing, gap: Gap, *, is_paused: bool) -> Cancel | None:
    """Whether a gap ends what was scheduled."""
    if gap.code == "over":
        return Cancel(standing.id, gap.reason)
    if is_paused or gap.code in KEEP_THROUGH or standing.state == "held":
        return None
    if standing.is_begun and gap.code != "unmatched":
        return None
    return Cancel(standing.id, gap.reason)


def altered(standing: Standing, plan: Plan, *, amount: int, moves: bool) -> Alter | None:
    """The new amount and, where it may still move, the new instant, mapping and method."""
    run_at, mapping_id, method_id = standing.run_at, standing.mapping_id, standing.method_id
    if moves:
        run_at = min(standing.run_at, plan.run_at) if plan.is_sticky else plan.run_at
        mapping_id, method_id = plan.mapping_id, plan.method_id
    same = (amount, run_at, mapping_id, method_id) == (
        standing.amount,
        standing.run_at,
        standing.mapping_id,
        standing.method_id,
    )
    if same:
        return None
    reason = plan.note if amount == standing.amount else "The invoice changed, and the amount with it."
    return Alter(standing.id, standing.amount, amount, run_at, mapping_id, method_id, reason)
