"""What people do to scheduled payments: cancel, charge anyway, requeue, resolve, ask how it stands."""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounting.autopay.days import local_day
from accounting.autopay.deciding import Gap, choose_method, decide, mapping_for, term_of
from accounting.autopay.failures import is_exhausted
from accounting.autopay.promising import drop_payment
from accounting.autopay.reading import read_rulebook
from accounting.autopay.running import facts_of, key_of
from accounting.invoice_room import rooms_of
from accounting.models import LedgerInvoice, ScheduledPayment
from accounting.paying import locked_invoices
from payments.models import Attempt
from payments.services import look_up_attempt
from payments.states import LIVE
from wisepay import outbox
from wisepay.models import User


class NotPossible(Exception):
    """It can't be done to this one now; the message says why."""


def cancel_scheduled(scheduled: ScheduledPayment, *, by: User, now: datetime) -> None:
    """It is not charged, and not planned again. Raises NotPossible once it is pending at the gateway."""
    with transaction.atomic(durable=True):
        current = locked(scheduled)
        if current.state not in ("scheduled", "held"):
            raise NotPossible(f"It is {current.state} and can't be cancelled any more.")
        current.become("cancelled", now=now, by=by.email, reason=f"Cancelled by {by}.", resolved_by=by, resolved_at=now)
        if current.payment_id is not None:
            drop_payment(current.payment_id, now=now)


def requeue(scheduled: ScheduledPayment, *, by: User, now: datetime) -> None:
    """Reset & Requeue, or for one that is held Charge Anyway: tried again at once, from the mapping's first method.

    Whoever does it has seen why it was held, and that is kept. Raises NotPossible when it could not be charged.
    """
    with transaction.atomic(durable=True):
        current = locked(scheduled)
        if current.state not in ("failed", "held"):
            raise NotPossible(f"It is {current.state}.")
        newer = ScheduledPayment.objects.filter(invoice=current.invoice, pk__gt=current.pk).exclude(state="cancelled")
        if newer.exists():
            raise NotPossible("The invoice was scheduled again since.")
        changes = chargeable(current, current.invoice, now=now)
        is_held = current.state == "held"
        current.become(
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
        outbox.arm(key_of(current.pk), "accounting.run_scheduled", now=now, scheduled_id=current.pk)


def chargeable(scheduled: ScheduledPayment, invoice: LedgerInvoice, *, now: datetime) -> dict[str, Any]:
    """The columns with which it can be charged from the start. Raises NotPossible."""
    facts = facts_of(invoice, rooms_of([invoice], apart_from=scheduled.payment)[invoice.pk])
    book = read_rulebook(scheduled.merchant, companies=[scheduled.company_id])
    decision = decide(facts, book, now=now)
    if isinstance(decision, Gap) and decision.code not in ("past_due", "no_date"):
        raise NotPossible(decision.reason)
    term = term_of(facts, book)
    mapping, why = mapping_for(facts, term, book)
    if term is None or mapping is None:
        raise NotPossible(why)
    today = local_day(now, book.rules.zone)
    chosen = choose_method(mapping, term, book, currency=facts.currency, on=today)
    if isinstance(chosen, Gap) or chosen.hold:
        raise NotPossible(chosen.reason if isinstance(chosen, Gap) else chosen.hold)
    is_same = chosen.method.id == scheduled.method_id
    if is_same and is_exhausted(scheduled.presentations, scheduled.first_asked_at, now=now):
        raise NotPossible(f"The bank's rules do not allow {chosen.method.label} to be asked again for this invoice.")
    asked: dict[str, Any] = {} if is_same else {"presentations": 0, "first_asked_at": None}
    amount = facts.due - facts.flying
    return {"mapping_id": mapping.id, "method_id": chosen.method.id, "amount": amount, "tries": 0, **asked}


def mark_resolved(scheduled: ScheduledPayment, *, note: str, by: User, now: datetime) -> None:
    """Nobody need look at this failure any more; the note says what was done. Raises NotPossible."""
    with transaction.atomic(durable=True):
        current = locked(scheduled)
        if current.state not in ("failed", "held"):
            raise NotPossible(f"It is {current.state}.")
        if current.state == "held":
            current.become("cancelled", now=now, by=by.email, reason=f"Resolved by {by}.")
        if current.payment_id is not None:
            drop_payment(current.payment_id, now=now)
        ScheduledPayment.objects.filter(pk=current.pk).update(resolved_by=by, resolved_at=now, resolution=note[:300])


def check_request(scheduled: ScheduledPayment, *, now: datetime) -> bool:
    """Ask the gateway how a pending one stands; False when nothing is asked there."""
    rows = Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method")
    attempt = rows.filter(payment=scheduled.payment_id, state__in=LIVE).first() if scheduled.payment_id else None
    if attempt is None:
        return False
    look_up_attempt(attempt, now=now)
    return True


def locked(scheduled: ScheduledPayment) -> ScheduledPayment:
    """The row as it is now, under its invoice's lock. A step of an open transaction."""
    invoice = locked_invoices([scheduled.invoice_id])[scheduled.invoice_id]
    current = scheduled.lock()
    current.merchant, current.company, current.invoice = scheduled.merchant, scheduled.company, invoice
    return current
