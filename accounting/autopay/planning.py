"""Planning: compare every invoice under a billing term with what is scheduled of it, in bulk."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db.models import Q
from django_subatomic.db import transaction, transaction_required

from accounting.autopay.bulk_writes import (
    cancel_scheduled_payments,
    create_scheduled_payments,
    hold_scheduled_payments,
    update_scheduled_payments,
)
from accounting.autopay.decision_context import (
    PlanningInput,
    get_decision_context,
    is_paused,
    list_company_ids,
    list_planning_inputs,
)
from accounting.autopay.decisions import ChargePlan, SkipReason, plan_charge
from accounting.autopay.diff import (
    CancelSchedule,
    CreateSchedule,
    HoldSchedule,
    ScheduleChange,
    UpdateSchedule,
    find_schedule_change,
)
from accounting.autopay.notifications import notify_unmatched
from accounting.autopay.snapshots import DecisionContext
from accounting.models import AutoPaySettings, UnmatchedInvoice
from merchants.models import Merchant

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=150)  # longer than a worker may live on one task
LISTED_CODES = frozenset(UnmatchedInvoice.Code.values)


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
    rows, lease_until = AutoPaySettings.objects.filter(merchant=merchant), now + LEASE
    is_free = Q(planning_lease_until=None) | Q(planning_lease_until__lt=now)
    if not rows.filter(is_free).update(planning_lease_until=lease_until):
        raise PlanningInProgress
    try:
        yield
    finally:
        rows.filter(planning_lease_until=lease_until).update(planning_lease_until=None)


def plan_batch(chunk: Iterable[PlanningInput], context: DecisionContext, *, now: datetime, paused: bool) -> ChangeBatch:
    """Decide about each of these invoices, and find what changes."""
    batch = ChangeBatch()
    for planned in chunk:
        decision = plan_charge(planned.invoice, context, now=now)
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
        for planned in chunk:
            decision = plan_charge(planned.invoice, context, now=now)
            if isinstance(decision, SkipReason) and decision.code in LISTED_CODES:
                found.append((planned.invoice.id, decision.reason))
    return found
