"""What a charge's outcome makes of its scheduled payment. Every order is idempotent and may come late."""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounting.autopay.days import retry_run
from accounting.autopay.failures import NEVER_ASKED, Case, Step, next_step
from accounting.autopay.notices import promise_mail, tell_failed
from accounting.autopay.running import key_of
from accounting.autopay.settings import settings_of
from accounting.models import ScheduledPayment
from accounting.paying import locked_invoices
from payments.models import Attempt, Payment
from payments.sentences import explain_failure
from payments.states import LIVE
from wisepay import outbox

BY = "gateway"


def follow_charge(attempt: Attempt, *, now: datetime) -> None:
    """Let the scheduled payment of an attempt's payment follow what is so now."""
    found = ScheduledPayment.objects.filter(payment=attempt.payment_id).first()
    if found is None:
        return
    with transaction.atomic(durable=True):
        locked_invoices([found.invoice_id])
        current = locked_row(found.pk)
        if current.payment_id != attempt.payment_id or current.payment is None:
            return
        payment = current.payment.lock()
        newest = payment.attempts.select_related("saved_method").order_by("-pk").first()
        if payment.state == "succeeded":
            settle(current, payment, now=now)
        elif payment.state == "reversed" and current.state == "settled":
            take_back(current, attempt, now=now)
        elif current.state == "pending" and newest is not None and newest.state not in LIVE:
            newest.payment = payment
            go_on(current, newest, now=now)


def locked_row(pk: int) -> ScheduledPayment:
    """The scheduled payment, locked, with all that is said about it. A step of an open transaction."""
    ScheduledPayment.objects.get(pk=pk).lock()
    told = ("merchant", "company", "invoice", "method", "payment", "mapping__secondary_method")
    return ScheduledPayment.objects.select_related(*told).get(pk=pk)


def settle(scheduled: ScheduledPayment, payment: Payment, *, now: datetime) -> None:
    """The money arrived: by the charge, or because the payer paid it themselves."""
    if scheduled.state == "pending":
        scheduled.become("settled", now=now, by=BY)
    elif scheduled.state in ("scheduled", "held"):
        scheduled.become("cancelled", now=now, by=BY, reason="The payer paid it.")
    elif scheduled.state == "failed" and scheduled.resolved_at is None:
        resolve(scheduled, "The payer paid it.", now=now)


def resolve(scheduled: ScheduledPayment, words: str, *, now: datetime) -> None:
    """A failure that nobody need look at any more."""
    ScheduledPayment.objects.filter(pk=scheduled.pk).update(resolved_at=now, resolution=words[:300])


def take_back(scheduled: ScheduledPayment, attempt: Attempt, *, now: datetime) -> None:
    """The bank took the money back after it had arrived: the invoice is owed again, and a person decides."""
    reason = f"The bank took the payment back after it had settled. {sentence_of(attempt)}"
    scheduled.become("failed", now=now, by=BY, reason=reason, resolved_at=None, resolved_by=None)
    tell_failed(scheduled, now=now)
    promise_mail(scheduled, attempt)


def go_on(scheduled: ScheduledPayment, attempt: Attempt, *, now: datetime) -> None:
    """The charge failed: again later, the secondary method at once, the payer asked, or the end."""
    step = next_step(case_of(scheduled, attempt), now=now)
    why = f"{scheduled.method}: {sentence_of(attempt)}"
    if attempt.failure_code in NEVER_ASKED and scheduled.presentations:
        scheduled.presentations -= 1
        ScheduledPayment.objects.filter(pk=scheduled.pk).update(presentations=scheduled.presentations)
    if step.kind == "again":
        again(scheduled, step, why, now=now)
    elif step.kind == "secondary":
        use_secondary(scheduled, why, now=now)
    else:
        scheduled.become("failed", now=now, by=BY, reason=ending(step, why), resolved_at=None, resolved_by=None)
        tell_failed(scheduled, now=now)
    promise_mail(scheduled, attempt)


def case_of(scheduled: ScheduledPayment, attempt: Attempt) -> Case:
    """The failed charge as the rules need it."""
    mapping = scheduled.mapping
    secondary = mapping.secondary_method if mapping is not None else None
    return Case(
        code=attempt.failure_code or "cancelled",
        is_debit=attempt.is_debit,
        tries=max(scheduled.tries, 1),
        presentations=scheduled.presentations,
        first_asked_at=scheduled.first_asked_at,
        maximum_retries=settings_of(scheduled.merchant).maximum_retries,
        has_secondary=secondary is not None and secondary.pk != scheduled.method_id and secondary.state == "active",
    )


def sentence_of(attempt: Attempt) -> str:
    """Why it failed, for the merchant."""
    return explain_failure(attempt.failure_code, is_debit=attempt.is_debit)


def again(scheduled: ScheduledPayment, step: Step, why: str, *, now: datetime) -> None:
    """The same method once more, days later."""
    run_at = retry_run(now, scheduled.merchant.zone, days=step.days)
    day = run_at.astimezone(scheduled.merchant.zone)
    reason = f"{why} It is tried again on {day.day} {day:%b %Y}."
    scheduled.become("scheduled", now=now, by=BY, reason=reason, run_at=run_at)


def use_secondary(scheduled: ScheduledPayment, why: str, *, now: datetime) -> None:
    """The secondary method, at once."""
    mapping = scheduled.mapping
    secondary = mapping.secondary_method if mapping is not None else None
    fresh: dict[str, Any] = {"method": secondary, "tries": 0, "presentations": 0, "first_asked_at": None}
    reason = f"{why} {secondary} is charged instead."
    scheduled.become("scheduled", now=now, by=BY, reason=reason, run_at=now, **fresh)
    outbox.arm(key_of(scheduled.pk), "accounting.run_scheduled", now=now, scheduled_id=scheduled.pk)


def ending(step: Step, why: str) -> str:
    """Why it is over, and what to do."""
    if step.kind == "ask":
        return f"{why} The payer was sent a link to pay it in person."
    if step.verdict == "ours":
        return f"{why} Please look at the Gateway settings."
    return why
