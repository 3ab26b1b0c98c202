"""What people do to scheduled payments: cancel, charge anyway, requeue, resolve, check at the gateway."""

from datetime import datetime
from typing import Any

from django_subatomic.db import transaction, transaction_required

from accounting.autopay.charging import cancel_payment, get_outbox_key, lock_agreed_mappings
from accounting.autopay.decision_context import build_invoice_snapshot, build_scheduled_charge, get_decision_context
from accounting.autopay.decisions import plan_charge
from accounting.autopay.settings import schedule_planning
from accounting.autopay.snapshots import SkipReason
from accounting.invoices.balances import get_balances
from accounting.invoices.services import lock_invoices
from accounting.models import LedgerInvoice, ScheduledPayment
from payments.attempts.services import refresh_attempt
from payments.models import Attempt
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.models import User


class ActionNotPossible(Exception):
    """The action can't be done to this scheduled payment now; the message says why."""


def cancel_scheduled_payment(scheduled: ScheduledPayment, *, by: User, now: datetime) -> None:
    """Cancel it: it is not charged, and not planned again. Raises ActionNotPossible once it is pending."""
    with transaction():
        current = lock_with_invoice(scheduled)
        if current.state not in ("scheduled", "held"):
            raise ActionNotPossible(f"It is {current.state} and can't be cancelled any more.")
        current.update_state(
            "cancelled", now=now, by=by.email, reason=f"Cancelled by {by}.", resolved_by=by, resolved_at=now
        )
        if current.payment_id is not None:
            cancel_payment(current.payment_id, now=now)


def requeue_scheduled_payment(scheduled: ScheduledPayment, *, by: User, now: datetime) -> None:
    """Charge it again at once, from the mapping's primary method: Reset & Requeue, or Charge Anyway for a held one.

    Of a held one it is recorded who confirmed it. Raises ActionNotPossible when it can't be charged.
    """
    with transaction():
        current = lock_with_invoice(scheduled)
        if current.state not in ("failed", "held"):
            raise ActionNotPossible(f"It is {current.state}.")
        newer = ScheduledPayment.objects.filter(invoice=current.invoice, pk__gt=current.pk).exclude(state="cancelled")
        if newer.exists():
            raise ActionNotPossible("The invoice was scheduled again since.")
        changes = get_charge_fields(current, current.invoice, now=now)
        was_on_hold = current.state == "held"
        current.update_state(
            "scheduled",
            now=now,
            by=by.email,
            run_at=now,
            confirmed_by=by if was_on_hold else None,
            resolved_by=None,
            resolved_at=None,
            resolution="",
            **changes,
        )
        outbox.schedule(get_outbox_key(current.pk), "accounting.run_scheduled", now=now, scheduled_id=current.pk)


def get_charge_fields(scheduled: ScheduledPayment, invoice: LedgerInvoice, *, now: datetime) -> dict[str, Any]:
    """The columns with which it is charged from the start again. Raises ActionNotPossible."""
    snapshot = build_invoice_snapshot(invoice, get_balances([invoice], apart_from=scheduled.payment)[invoice.pk])
    context = get_decision_context(scheduled.merchant, companies=[scheduled.company_id])
    plan = plan_charge(snapshot, context, now=now, scheduled=build_scheduled_charge(scheduled, is_reset=True))
    if isinstance(plan, SkipReason):
        raise ActionNotPossible(plan.reason)
    if plan.hold_reason:
        raise ActionNotPossible(plan.hold_reason)
    fields: dict[str, Any] = {"mapping_id": plan.mapping_id, "method_id": plan.method_id, "amount": plan.amount}
    fields["agreed_number"] = plan.agreed_number
    if plan.method_id != scheduled.method_id:
        fields |= {"presentations": 0, "first_presented_at": None}
    return fields | {"tries": 0}


def resolve_scheduled_payment(scheduled: ScheduledPayment, *, note: str, by: User, now: datetime) -> None:
    """Resolve a failure, with a note of what was done. Raises ActionNotPossible."""
    with transaction():
        current = lock_with_invoice(scheduled)
        if current.state not in ("failed", "held"):
            raise ActionNotPossible(f"It is {current.state}.")
        if current.state == "held":
            current.update_state("cancelled", now=now, by=by.email, reason=f"Resolved by {by}.")
        if current.payment_id is not None:
            cancel_payment(current.payment_id, now=now)
        ScheduledPayment.objects.filter(pk=current.pk).update(resolved_by=by, resolved_at=now, resolution=note[:300])


def reopen_scheduled_payment(scheduled: ScheduledPayment, *, now: datetime) -> None:
    """Take back that a person resolved or cancelled it: a failure waits for somebody again, the rest is planned again.

    Raises ActionNotPossible.
    """
    with transaction():
        current = lock_with_invoice(scheduled)
        newer = ScheduledPayment.objects.filter(invoice=current.invoice, pk__gt=current.pk).exclude(state="cancelled")
        if current.resolved_at is None or current.state not in ("failed", "cancelled") or newer.exists():
            raise ActionNotPossible("Nothing of it can be taken back.")
        ScheduledPayment.objects.filter(pk=current.pk).update(resolved_by=None, resolved_at=None, resolution="")
        if current.state == "cancelled":
            schedule_planning(current.merchant, now=now)


def refresh_gateway_status(scheduled: ScheduledPayment, *, now: datetime) -> bool:
    """Ask the gateway for the state of a pending one; False when no charge of it is pending there."""
    rows = Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method")
    attempt = rows.filter(payment=scheduled.payment_id, state__in=LIVE_STATES).first() if scheduled.payment_id else None
    if attempt is None:
        return False
    refresh_attempt(attempt, now=now)
    return True


@transaction_required
def lock_with_invoice(scheduled: ScheduledPayment) -> ScheduledPayment:
    """Lock the invoice, its agreed mappings and the scheduled payment, and answer the latter as the database has it."""
    invoice = lock_invoices([scheduled.invoice_id])[scheduled.invoice_id]
    lock_agreed_mappings(scheduled.company_id)
    current = scheduled.lock()
    current.merchant, current.company, current.invoice = scheduled.merchant, scheduled.company, invoice
    return current
