"""What people do to scheduled payments: cancel, charge anyway, requeue, resolve, ask how it stands."""

from datetime import datetime
from typing import Any

from django_subatomic.db import transaction, transaction_required

from accounting.autopay.charging import build_invoice_snapshot, get_outbox_key
from accounting.autopay.decision_context import get_decision_context
from accounting.autopay.decisions import SkipReason, choose_method, find_billing_term, find_mapping, plan_charge
from accounting.autopay.failures import is_presentment_limit_reached
from accounting.autopay.payment import cancel_payment
from accounting.invoices.balances import get_balances
from accounting.invoices.services import lock_invoices
from accounting.models import LedgerInvoice, ScheduledPayment
from payments.attempts.services import refresh_attempt
from payments.models import Attempt
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.dates import get_local_date
from wisepay.models import User


class ActionNotPossible(Exception):
    """It can't be done to this one now; the message says why."""


def cancel_scheduled_payment(scheduled: ScheduledPayment, *, by: User, now: datetime) -> None:
    """It is not charged, and not planned again. Raises NotPossible once it is pending at the gateway."""
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
    """Reset & Requeue, or for one that is held Charge Anyway: tried again at once, from the mapping's first method.

    Whoever does it has seen why it was held, and that is kept. Raises NotPossible when it could not be charged.
    """
    with transaction():
        current = lock_with_invoice(scheduled)
        if current.state not in ("failed", "held"):
            raise ActionNotPossible(f"It is {current.state}.")
        newer = ScheduledPayment.objects.filter(invoice=current.invoice, pk__gt=current.pk).exclude(state="cancelled")
        if newer.exists():
            raise ActionNotPossible("The invoice was scheduled again since.")
        changes = get_charge_fields(current, current.invoice, now=now)
        is_held = current.state == "held"
        current.update_state(
            "scheduled",
            now=now,
            by=by.email,
            run_at=now,
            confirmed_by=by if is_held else None,
            resolved_by=None,
            resolved_at=None,
            resolution="",
            **changes,
        )
        outbox.schedule(get_outbox_key(current.pk), "accounting.run_scheduled", now=now, scheduled_id=current.pk)


def get_charge_fields(scheduled: ScheduledPayment, invoice: LedgerInvoice, *, now: datetime) -> dict[str, Any]:
    """The columns with which it can be charged from the start. Raises NotPossible."""
    facts = build_invoice_snapshot(invoice, get_balances([invoice], apart_from=scheduled.payment)[invoice.pk])
    book = get_decision_context(scheduled.merchant, companies=[scheduled.company_id])
    decision = plan_charge(facts, book, now=now)
    if isinstance(decision, SkipReason) and decision.code not in ("past_due", "no_date"):
        raise ActionNotPossible(decision.reason)
    term = find_billing_term(facts, book)
    mapping, why = find_mapping(facts, term, book)
    if term is None or mapping is None:
        raise ActionNotPossible(why)
    today = get_local_date(now, book.rules.zone)
    chosen = choose_method(mapping, term, book, currency=facts.currency, on=today)
    if isinstance(chosen, SkipReason) or chosen.hold_reason:
        raise ActionNotPossible(chosen.reason if isinstance(chosen, SkipReason) else chosen.hold_reason)
    is_same = chosen.method.id == scheduled.method_id
    if is_same and is_presentment_limit_reached(scheduled.presentations, scheduled.first_presented_at, now=now):
        raise ActionNotPossible(
            f"The bank's rules do not allow {chosen.method.label} to be asked again for this invoice."
        )
    asked: dict[str, Any] = {} if is_same else {"presentations": 0, "first_presented_at": None}
    amount = facts.due - facts.in_flight
    return {"mapping_id": mapping.id, "method_id": chosen.method.id, "amount": amount, "tries": 0, **asked}


def resolve_scheduled_payment(scheduled: ScheduledPayment, *, note: str, by: User, now: datetime) -> None:
    """Nobody need look at this failure any more; the note says what was done. Raises NotPossible."""
    with transaction():
        current = lock_with_invoice(scheduled)
        if current.state not in ("failed", "held"):
            raise ActionNotPossible(f"It is {current.state}.")
        if current.state == "held":
            current.update_state("cancelled", now=now, by=by.email, reason=f"Resolved by {by}.")
        if current.payment_id is not None:
            cancel_payment(current.payment_id, now=now)
        ScheduledPayment.objects.filter(pk=current.pk).update(resolved_by=by, resolved_at=now, resolution=note[:300])


def refresh_gateway_status(scheduled: ScheduledPayment, *, now: datetime) -> bool:
    """Ask the gateway how a pending one stands; False when nothing is asked there."""
    rows = Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method")
    attempt = rows.filter(payment=scheduled.payment_id, state__in=LIVE_STATES).first() if scheduled.payment_id else None
    if attempt is None:
        return False
    refresh_attempt(attempt, now=now)
    return True


@transaction_required
def lock_with_invoice(scheduled: ScheduledPayment) -> ScheduledPayment:
    """The row as it is now, under its invoice's lock."""
    invoice = lock_invoices([scheduled.invoice_id])[scheduled.invoice_id]
    current = scheduled.lock()
    current.merchant, current.company, current.invoice = scheduled.merchant, scheduled.company, invoice
    return current
