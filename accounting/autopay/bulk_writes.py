"""Bulk writes of planning, a few statements each; a row is changed only if it is still as it was read."""

from collections.abc import Sequence
from datetime import datetime

from django_subatomic.db import transaction_required

from accounting.autopay.decision_context import PlanningInput
from accounting.autopay.decisions import ChargePlan
from accounting.autopay.diff import CancelSchedule, HoldSchedule, UpdateSchedule
from accounting.autopay.payment import cancel_payment
from accounting.models import ScheduledPayment
from merchants.models import Merchant
from wisepay.addresses import new_references

ACTOR = "planning"


@transaction_required
def create_scheduled_payments(
    merchant: Merchant, plans: Sequence[tuple[PlanningInput, ChargePlan]], *, now: datetime
) -> int:
    """Schedule these; an invoice that was scheduled meanwhile is left as it is. Answers how many were scheduled."""
    if not plans:
        return 0
    references = new_references(len(plans))
    rows = (
        build_scheduled_payment(merchant, planned, plan, reference=reference, now=now)
        for reference, (planned, plan) in zip(references, plans, strict=True)
    )
    ScheduledPayment.objects.bulk_create(rows, ignore_conflicts=True)
    return ScheduledPayment.objects.filter(reference__in=references).count()


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
        row.amount, row.run_at, row.reason = change.amount, change.run_at, change.reason[:300]
        row.mapping_id, row.method_id = change.mapping_id, change.method_id
    ScheduledPayment.save_all(rows, ["amount", "run_at", "mapping", "method", "reason"])
    return len(rows)


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
