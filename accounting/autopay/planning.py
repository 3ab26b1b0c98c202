"""Planning: every invoice under a billing term is compared with what is scheduled of it, in bulk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import connection
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
from accounting.autopay.decisions import ChargePlan, DecisionContext, SkipReason, plan_charge
from accounting.autopay.diff import (
    CancelSchedule,
    CreateSchedule,
    HoldSchedule,
    ScheduleChange,
    UpdateSchedule,
    find_schedule_change,
)
from accounting.autopay.notifications import notify_unmatched
from accounting.models import ScheduledPayment, UnmatchedInvoice
from merchants.models import Merchant

log = structlog.get_logger(__name__)

ADVISORY_LOCK_CLASS = 0xA7  # the class of the advisory locks under which one merchant is planned by one worker
LISTED_CODES = frozenset(UnmatchedInvoice.Code.values)


class PlanningInProgress(Exception):
    """Another worker plans this merchant now."""


@dataclass(slots=True)
class PlanningResult:
    """How many scheduled payments planning made, changed and ended, and how many invoices it could not match."""

    created: int = 0
    updated: int = 0
    cancelled: int = 0
    held: int = 0
    unmatched: int = 0


@dataclass(slots=True)
class ChangeBatch:
    """What one chunk of invoices changes."""

    creates: list[tuple[PlanningInput, ChargePlan]] = field(default_factory=list)
    updates: list[UpdateSchedule] = field(default_factory=list)
    cancels: list[CancelSchedule] = field(default_factory=list)
    holds: list[HoldSchedule] = field(default_factory=list)
    skips: list[tuple[int, SkipReason]] = field(default_factory=list)
    matched: list[int] = field(default_factory=list)

    def add(self, read: PlanningInput, decision: ChargePlan | SkipReason, change: ScheduleChange) -> None:
        """Take up what one invoice changes."""
        if isinstance(change, CreateSchedule):
            self.creates.append((read, change.plan))
        elif isinstance(change, UpdateSchedule):
            self.updates.append(change)
        elif isinstance(change, CancelSchedule):
            self.cancels.append(change)
        elif isinstance(change, HoldSchedule):
            self.holds.append(change)
        self.add_unmatched(read, decision, ends=isinstance(change, CancelSchedule))

    def add_unmatched(self, read: PlanningInput, decision: ChargePlan | SkipReason, *, ends: bool) -> None:
        """Whether the invoice belongs on the list of unmatched ones."""
        code = decision.code if isinstance(decision, SkipReason) else ""
        stands = read.current is not None and read.current.state in ("scheduled", "held", "pending", "failed")
        if code in LISTED_CODES and (not stands or ends):
            if code != read.unmatched_code:
                self.skips.append((read.invoice.id, SkipReason(code, getattr(decision, "reason", ""))))
        elif read.unmatched_code:
            self.matched.append(read.invoice.id)


def plan_merchant_payments(merchant: Merchant, *, now: datetime, ids: Sequence[int] | None = None) -> PlanningResult:
    """Bring what is scheduled up to date with the invoices, all of them or those with these ids.

    The same again changes nothing. Raises PlanningUnderWay.
    """
    with planning_lock(merchant):
        paused = is_paused(merchant)
        companies = None if ids is None else list_company_ids(merchant, ids)
        book = get_decision_context(merchant, companies=companies)
        done = PlanningResult()
        for chunk in list_planning_inputs(merchant, book, ids=ids):
            apply_batch(merchant, plan_batch(chunk, book, now=now, paused=paused), done, now=now)
    log.debug("autopay.planned", merchant=merchant.reference, created=done.created, cancelled=done.cancelled)
    return done


class planning_lock:  # noqa: N801 (it is used like a function)
    """One merchant is planned by one worker at a time; a lock of the session, gone with its connection."""

    def __init__(self, merchant: Merchant) -> None:
        self.key = [ADVISORY_LOCK_CLASS, merchant.pk % 2**31]

    def __enter__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", self.key)
            if not cursor.fetchone()[0]:
                raise PlanningInProgress

    def __exit__(self, *_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", self.key)


def plan_batch(chunk: Iterable[PlanningInput], context: DecisionContext, *, now: datetime, paused: bool) -> ChangeBatch:
    """What these invoices change."""
    batch = ChangeBatch()
    for read in chunk:
        decision = plan_charge(read.invoice, context, now=now)
        change = find_schedule_change(read.current, decision, now=now, is_paused=paused)
        if not paused:
            batch.add(read, decision, change)
        elif isinstance(change, CancelSchedule):
            batch.cancels.append(change)
    return batch


def apply_batch(merchant: Merchant, batch: ChangeBatch, result: PlanningResult, *, now: datetime) -> None:
    """Write one chunk's changes, each as it is still true, and tell the merchant of invoices that match nothing."""
    with transaction():
        result.cancelled += cancel_scheduled_payments(batch.cancels, now=now)
        result.held += hold_scheduled_payments(batch.holds, now=now)
        result.updated += update_scheduled_payments(batch.updates)
        result.created += create_scheduled_payments(merchant, batch.creates, now=now)
        update_unmatched(merchant, batch, now=now)
    result.unmatched += len(batch.skips)


@transaction_required
def update_unmatched(merchant: Merchant, batch: ChangeBatch, *, now: datetime) -> None:
    """Keep the list of unmatched invoices."""
    if batch.matched:
        UnmatchedInvoice.objects.filter(invoice__in=batch.matched).delete()
    if batch.skips:
        rows = [
            UnmatchedInvoice(merchant=merchant, invoice_id=pk, code=gap.code, reason=gap.reason[:300], noted_at=now)
            for pk, gap in batch.skips
        ]
        UnmatchedInvoice.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["invoice"], update_fields=["code", "reason", "noted_at"]
        )
        notify_unmatched(merchant, rows, now=now)


def list_skipped_invoices(merchant: Merchant, *, now: datetime) -> list[tuple[int, str]]:
    """Invoices under a billing term that would not be charged, with the reason; nothing is written."""
    book = get_decision_context(merchant)
    found: list[tuple[int, str]] = []
    for chunk in list_planning_inputs(merchant, book):
        for read in chunk:
            decision = plan_charge(read.invoice, book, now=now)
            if isinstance(decision, SkipReason) and decision.code in LISTED_CODES:
                found.append((read.invoice.id, decision.reason))
    return found


def find_live_payment(invoice_id: int) -> ScheduledPayment | None:
    """The live scheduled payment of an invoice."""
    return ScheduledPayment.objects.filter(invoice=invoice_id, state__in=["scheduled", "pending", "held"]).first()
