"""Planning: compare every invoice under a billing term with what is scheduled of it, and write the differences in bulk.

A row is changed only if it is still as it was read.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from django_subatomic.db import transaction, transaction_required

from accounting.autopay.charging import cancel_payment
from accounting.autopay.decision_context import (
    PlanningInput,
    get_decision_context,
    is_paused,
    list_company_ids,
    list_planning_inputs,
)
from accounting.autopay.decisions import ChargePlan, plan_charge
from accounting.autopay.notifications import notify_unmatched
from accounting.autopay.snapshots import CurrentSchedule, DecisionContext, SkipReason
from accounting.models import AutoPaySettings, ScheduledPayment, UnmatchedInvoice
from merchants.models import Merchant
from wisepay.addresses import new_references
from wisepay.leases import acquire_lease, release_lease

log = structlog.get_logger(__name__)

LISTED_CODES = frozenset(UnmatchedInvoice.Code.values)
ACTOR = "planning"
FREEZE_PERIOD = timedelta(hours=18)  # before a run: from then on an amount only falls
TOLERATED_SKIPS = frozenset({"past_due", "paying"})  # reasons that don't cancel what is scheduled already


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
    agreed_number: int | None = None


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


class PlanningInProgress(Exception):
    """Another worker is planning this merchant."""


@dataclass(slots=True)
class PlanningResult:
    """How many scheduled payments were created, updated, cancelled and held, and how many invoices are unmatched."""

    created: int = 0
    updated: int = 0
    cancelled: int = 0
    on_hold: int = 0
    unmatched: int = 0


@dataclass(slots=True)
class ChangeBatch:
    """The changes of one chunk of invoices."""

    creates: list[tuple[PlanningInput, ChargePlan]] = field(default_factory=list)
    updates: list[UpdateSchedule] = field(default_factory=list)
    cancels: list[CancelSchedule] = field(default_factory=list)
    holds: list[HoldSchedule] = field(default_factory=list)
    skips: list[tuple[int, SkipReason]] = field(default_factory=list)
    matched: list[int] = field(default_factory=list)

    def add(self, planned: PlanningInput, decision: ChargePlan | SkipReason, change: ScheduleChange) -> None:
        """Add the change of one invoice."""
        if isinstance(change, CreateSchedule):
            self.creates.append((planned, change.plan))
        elif isinstance(change, UpdateSchedule):
            self.updates.append(change)
        elif isinstance(change, CancelSchedule):
            self.cancels.append(change)
        elif isinstance(change, HoldSchedule):
            self.holds.append(change)
        self.add_unmatched(planned, decision, ends=isinstance(change, CancelSchedule))

    def add_unmatched(self, planned: PlanningInput, decision: ChargePlan | SkipReason, *, ends: bool) -> None:
        """Add the invoice to the list of unmatched ones, or remove it from there."""
        is_listed = isinstance(decision, SkipReason) and decision.code in LISTED_CODES
        stands = planned.current is not None and planned.current.state in ("scheduled", "held", "pending", "failed")
        if isinstance(decision, SkipReason) and is_listed and (ends or not stands):
            if decision.code != planned.unmatched_code:
                self.skips.append((planned.invoice.id, decision))
        elif planned.unmatched_code:
            self.matched.append(planned.invoice.id)


def plan_merchant_payments(merchant: Merchant, *, now: datetime, ids: Sequence[int] | None = None) -> PlanningResult:
    """Bring what is scheduled up to date with the invoices, all of them or those with these ids.

    The same again changes nothing. A merchant who never set automatic payments up has nothing to plan.
    Raises PlanningInProgress.
    """
    if not AutoPaySettings.objects.filter(merchant=merchant).exists():
        return PlanningResult()
    with planning_lease(merchant, now=now):
        paused = is_paused(merchant)
        companies = None if ids is None else list_company_ids(merchant, ids)
        context = get_decision_context(merchant, companies=companies)
        result = PlanningResult()
        for chunk in list_planning_inputs(merchant, context, ids=ids):
            apply_batch(merchant, plan_batch(chunk, context, now=now, paused=paused), result, now=now)
    log.debug("autopay.planned", merchant=merchant.reference, created=result.created, cancelled=result.cancelled)
    return result


@contextmanager
def planning_lease(merchant: Merchant, *, now: datetime) -> Iterator[None]:
    """Be the only worker that plans this merchant for the length of the block. Raises PlanningInProgress."""
    rows = AutoPaySettings.objects.filter(merchant=merchant)
    until = acquire_lease(rows, now=now, column="planning_lease_until")
    if until is None:
        raise PlanningInProgress
    try:
        yield
    finally:
        release_lease(rows, until, column="planning_lease_until")


def plan_in_turn(
    chunk: Iterable[PlanningInput], context: DecisionContext, *, now: datetime
) -> Iterator[tuple[PlanningInput, ChargePlan | SkipReason]]:
    """Decide about each of these invoices; of those that were agreed with a quote each takes the next number.

    The numbers that are given out are noted in the context.
    """
    for planned in chunk:
        decision = plan_charge(planned.invoice, context, now=now)
        if isinstance(decision, ChargePlan) and decision.agreed_number is not None:
            context.take_number(planned.invoice, decision.mapping_id, decision.agreed_number)
        yield planned, decision


def plan_batch(chunk: Iterable[PlanningInput], context: DecisionContext, *, now: datetime, paused: bool) -> ChangeBatch:
    """Decide about each of these invoices, and find what changes."""
    batch = ChangeBatch()
    for planned, decision in plan_in_turn(chunk, context, now=now):
        change = find_schedule_change(planned.current, decision, now=now, is_paused=paused)
        if not paused:
            batch.add(planned, decision, change)
        elif isinstance(change, CancelSchedule):
            batch.cancels.append(change)
    return batch


def apply_batch(merchant: Merchant, batch: ChangeBatch, result: PlanningResult, *, now: datetime) -> None:
    """Write one chunk's changes where they still apply, and notify the merchant of unmatched invoices."""
    with transaction():
        result.cancelled += cancel_scheduled_payments(batch.cancels, now=now)
        result.on_hold += hold_scheduled_payments(batch.holds, now=now)
        result.updated += update_scheduled_payments(batch.updates)
        result.created += create_scheduled_payments(merchant, batch.creates, now=now)
        update_unmatched(merchant, batch, now=now)
    result.unmatched += len(batch.skips)


@transaction_required
def update_unmatched(merchant: Merchant, batch: ChangeBatch, *, now: datetime) -> None:
    """Write the list of unmatched invoices."""
    if batch.matched:
        UnmatchedInvoice.objects.filter(invoice__in=batch.matched).delete()
    if batch.skips:
        rows = [
            UnmatchedInvoice(merchant=merchant, invoice_id=pk, code=skip.code, reason=skip.reason[:300], noted_at=now)
            for pk, skip in batch.skips
        ]
        UnmatchedInvoice.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["invoice"], update_fields=["code", "reason", "noted_at"]
        )
        notify_unmatched(merchant, rows, now=now)


def list_skipped_invoices(merchant: Merchant, *, now: datetime) -> list[tuple[int, str]]:
    """List the invoices under a billing term that would not be charged, each with the reason. Nothing is written."""
    context = get_decision_context(merchant)
    found: list[tuple[int, str]] = []
    for chunk in list_planning_inputs(merchant, context):
        for planned, decision in plan_in_turn(chunk, context, now=now):
            if isinstance(decision, SkipReason) and decision.code in LISTED_CODES:
                found.append((planned.invoice.id, decision.reason))
    return found


@transaction_required
def create_scheduled_payments(
    merchant: Merchant, plans: Sequence[tuple[PlanningInput, ChargePlan]], *, now: datetime
) -> int:
    """Schedule these; an invoice that was scheduled meanwhile is left as it is. Answers how many were scheduled."""
    if not plans:
        return 0
    references = new_references(len(plans))
    before = get_declined_before([planned.invoice.id for planned, _ in plans])
    rows = [
        build_scheduled_payment(merchant, planned, plan, reference=reference, now=now)
        for reference, (planned, plan) in zip(references, plans, strict=True)
    ]
    for row in rows:
        copy_tries(before.get(row.invoice_id), row)
    ScheduledPayment.objects.bulk_create(rows, ignore_conflicts=True)
    return ScheduledPayment.objects.filter(reference__in=references).count()


def get_declined_before(invoices: Sequence[int]) -> dict[int, ScheduledPayment]:
    """Of each invoice the newest scheduled payment, if it was declined before it was cancelled. One query."""
    newest = ScheduledPayment.objects.filter(invoice__in=invoices).order_by("invoice", "-pk").distinct("invoice")
    return {row.invoice_id: row for row in newest if row.state == "cancelled" and row.tries}


def copy_tries(before: ScheduledPayment | None, row: ScheduledPayment) -> None:
    """Go on counting where the one before stopped: the networks' rules count by invoice and method."""
    if before is None or before.method_id != row.method_id:
        return
    row.tries, row.presentations = before.tries, before.presentations
    row.first_presented_at = before.first_presented_at


def build_scheduled_payment(
    merchant: Merchant, planned: PlanningInput, plan: ChargePlan, *, reference: str, now: datetime
) -> ScheduledPayment:
    """The new row of an invoice that is to be charged by this plan."""
    assert planned.invoice.company_id is not None  # noqa: S101 (mappings claim only invoices of companies)
    return ScheduledPayment(
        reference=reference,
        merchant=merchant,
        company_id=planned.invoice.company_id,
        invoice_id=planned.invoice.id,
        mapping_id=plan.mapping_id,
        method_id=plan.method_id,
        amount=plan.amount,
        run_at=plan.run_at,
        agreed_number=plan.agreed_number,
        reason=(plan.hold_reason or plan.note)[:300],
        state="held" if plan.hold_reason else "scheduled",
        state_at=now,
        created_at=now,
    )


@transaction_required
def update_scheduled_payments(changes: Sequence[UpdateSchedule]) -> int:
    """Change amounts, instants, mappings and methods. Answers how many rows were changed."""
    if not changes:
        return 0
    changes_by_id = {change.id: change for change in changes}
    found = ScheduledPayment.objects.select_for_update().filter(pk__in=changes_by_id, state__in=["scheduled", "held"])
    rows = [row for row in found.order_by("pk") if row.amount == changes_by_id[row.pk].previous_amount]
    for row in rows:
        change = changes_by_id[row.pk]
        if is_notice_outdated(row, change):
            row.notified_at = row.notified_amount = row.notified_run_at = row.notice_sent_at = None
        row.amount, row.run_at, row.reason = change.amount, change.run_at, change.reason[:300]
        row.mapping_id, row.method_id = change.mapping_id, change.method_id
        row.agreed_number = change.agreed_number
    notice = ["notified_at", "notified_amount", "notified_run_at", "notice_sent_at"]
    ScheduledPayment.save_all(rows, ["amount", "run_at", "mapping", "method", "agreed_number", "reason", *notice])
    return len(rows)


def is_notice_outdated(row: ScheduledPayment, change: UpdateSchedule) -> bool:
    """Whether the payer was told something else: a smaller amount, another day, another method."""
    if row.notified_amount is None:
        return False
    announced = (row.run_at, row.mapping_id, row.method_id)
    return change.amount > row.notified_amount or announced != (change.run_at, change.mapping_id, change.method_id)


@transaction_required
def cancel_scheduled_payments(changes: Sequence[CancelSchedule], *, now: datetime) -> int:
    """Cancel these before they are charged, with the payments that exist for them. Answers how many."""
    if not changes:
        return 0
    moved = ScheduledPayment.move_all_to({c.id: c.reason for c in changes}, "cancelled", now=now, by=ACTOR)
    for payment_id in sorted(row.payment_id for row in moved if row.payment_id is not None):
        cancel_payment(payment_id, now=now)
    return len(moved)


@transaction_required
def hold_scheduled_payments(changes: Sequence[HoldSchedule], *, now: datetime) -> int:
    """Hold these until a person decides. Answers how many."""
    if not changes:
        return 0
    return len(ScheduledPayment.move_all_to({c.id: c.reason for c in changes}, "held", now=now, by=ACTOR))


def find_schedule_change(
    current: CurrentSchedule | None, decision: ChargePlan | SkipReason, *, now: datetime, is_paused: bool = False
) -> ScheduleChange:
    """Find what has to change; None when nothing has to.

    What failed, and what a person cancelled, comes back only when a person says so. While the merchant's automatic
    payments are off nothing new is scheduled, and only what is over is cancelled.
    """
    if current is None or is_replaceable(current):
        if not isinstance(decision, ChargePlan) or is_paused:
            return None
        return CreateSchedule(keep_pause(current, decision))
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


def keep_pause(current: CurrentSchedule | None, plan: ChargePlan) -> ChargePlan:
    """The plan, no earlier than the retry for which one that was declined waited when it was cancelled."""
    if current is None or current.state != "cancelled" or not current.was_charged:
        return plan
    return replace(plan, run_at=max(plan.run_at, current.run_at))


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
    agreed_number = current.agreed_number
    if can_move:
        run_at = min(current.run_at, plan.run_at) if plan.is_relative_to_now else plan.run_at
        mapping_id, method_id, agreed_number = plan.mapping_id, plan.method_id, plan.agreed_number
    before = (current.amount, current.run_at, current.mapping_id, current.method_id)
    if (amount, run_at, mapping_id, method_id) == before:
        return None
    reason = plan.note if amount == current.amount else "The invoice changed, and the amount with it."
    return UpdateSchedule(current.id, current.amount, amount, run_at, mapping_id, method_id, reason, agreed_number)
