"""Charging what is due: decided once more under the invoice's lock, claimed by one worker, then sent to the gateway."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from django.db import models
from django_subatomic.db import savepoint, transaction, transaction_required

from accounting.autopay.decision_context import (
    build_invoice_snapshot,
    build_scheduled_charge,
    get_decision_context,
    is_paused,
)
from accounting.autopay.decisions import ChargePlan, plan_charge
from accounting.autopay.notices import find_notice_delay, matches_notice, renew_notice
from accounting.autopay.notifications import notify_on_hold
from accounting.autopay.snapshots import DecisionContext, InvoiceSnapshot, SkipReason
from accounting.invoices.balances import get_balances, is_unreadable
from accounting.invoices.duplicates import list_warning_messages
from accounting.invoices.services import (
    InvoiceAmount,
    build_details,
    create_payment_with_allocations,
    find_relevant_warnings,
    lock_invoices,
    record_confirmation,
)
from accounting.mirror.services import refresh_invoices
from accounting.models import AutoPayMapping, LedgerInvoice, PaymentAllocation, ScheduledPayment
from accounting.unreadable import find_unreadable_reason
from connections.availability import get_connection
from connections.models import Tier
from payments.attempts.services import create_off_session_attempt, send_attempt
from payments.errors import AttemptInProgress, CannotPay
from payments.models import Attempt, Payment, SavedMethod
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.events import add_once
from wisepay.models import OutboxMessage

log = structlog.get_logger(__name__)

DUE_BATCH_SIZE = 500  # due ones that are handed to the workers at a time
MISSED_AFTER = timedelta(hours=24)  # a run that was missed for longer is planned again instead of charged by surprise
INVOICE_FRESHNESS = timedelta(minutes=10)  # an invoice that was read longer ago is read again before it is charged
REFRESH_BATCH_SIZE = 99  # others that are due and may be read in the same call
REFRESH_RETRY_DELAY = timedelta(minutes=30)  # after the ledger refused to be read
OBSTACLE_DELAY = timedelta(minutes=2)
NOT_REFRESHED_REASON = "It waits until the invoice can be looked at in the accounting package."
ACTOR = "scheduler"
# Planning would not schedule these; for any other reason a person decides.
CANCELLING_CODES = frozenset({"over", "no_term", "unmatched", "below_minimum", "above_maximum"})
PAYABLE_FOR = timedelta(days=30)  # how long the payer can pay one that failed through its own link


class ChargeObstacle(Protocol):
    """Says why an invoice may not be charged yet; empty where it may."""

    def __call__(self, invoice: LedgerInvoice, *, now: datetime) -> str: ...


OBSTACLES: list[ChargeObstacle] = []


def register_charge_obstacle[F: Callable[..., str]](find: F) -> F:
    """Let an upper floor say that an invoice is not charged before it knows more; it is asked again in minutes."""
    return add_once(OBSTACLES, find)


class NotCharged(Exception):
    """A scheduled payment is not charged now. It moves to `state`, or to `run_at`; without either it stays as it is."""

    def __init__(self, reason: str, *, state: str = "", run_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason, self.state, self.run_at = reason, state, run_at


def schedule_due_payments(*, now: datetime) -> int:
    """Enqueue everything that is due and does not wait in the outbox yet; answers how many."""
    due = list_due_payments(now=now).values_list("pk", flat=True)[:DUE_BATCH_SIZE]
    keys = {get_outbox_key(pk): pk for pk in due}
    waiting = OutboxMessage.objects.filter(key__in=keys, state=OutboxMessage.State.PENDING)
    fresh = keys.keys() - set(waiting.values_list("key", flat=True))
    for key in sorted(fresh, key=keys.__getitem__):
        outbox.schedule(key, "accounting.run_scheduled", now=now, scheduled_id=keys[key])
    return len(fresh)


def list_due_payments(*, now: datetime) -> models.QuerySet[ScheduledPayment]:
    """The scheduled payments that are due, of merchants whose automatic payments are on; the oldest first."""
    rows = ScheduledPayment.objects.filter(state="scheduled", run_at__lte=now)
    rows = rows.filter(merchant__autopay_settings__is_enabled=True, merchant__takes_payments=True)
    return rows.order_by("run_at", "pk")


def get_outbox_key(scheduled_id: int) -> str:
    """The outbox key of one scheduled payment's run."""
    return f"scheduled:{scheduled_id}"


def charge_scheduled_payment(scheduled_id: int, *, now: datetime) -> Attempt | None:
    """Charge one scheduled payment if it is due and may still be charged; None when it was not charged.

    Its invoice is read again from the ledger before, so that what was paid there a moment ago is not charged; while
    the ledger can't be read, nothing is charged. Idempotent: run twice, at the same time or after a crash, it charges
    once.
    """
    refresh_due_invoices(scheduled_id, now=now)
    attempt = start_charge(scheduled_id, now=now)
    if attempt is not None:
        send_attempt(attempt, now=now)
        log.info("autopay.charged", scheduled=scheduled_id, attempt=attempt.reference, state=attempt.state)
    return attempt


def refresh_due_invoices(scheduled_id: int, *, now: datetime) -> None:
    """Read the due invoices of this merchant from the ledger, in one call for many, unless this one is fresh.

    Where that is not possible the reason is recorded, and a later run tries again.
    """
    row = ScheduledPayment.objects.select_related("merchant", "company__merchant", "invoice").get(pk=scheduled_id)
    if row.state != "scheduled" or row.run_at > now or is_invoice_fresh(row.invoice, now=now):
        return
    others = (
        list_due_payments(now=now)
        .filter(merchant=row.merchant, invoice__read_at__lt=now - INVOICE_FRESHNESS)
        .exclude(pk=row.pk)
    )
    invoices = [row.invoice, *(other.invoice for other in others.select_related("invoice")[:REFRESH_BATCH_SIZE])]
    try:
        connection = get_connection(row.merchant, tier=Tier.SERVICE)
        found_ids = refresh_invoices(connection, invoices, priority="service", now=now)
    except (Unavailable, Disconnected) as error:
        ScheduledPayment.objects.filter(pk=row.pk, state="scheduled").update(
            reason=f"{NOT_REFRESHED_REASON} {error}"[:300]
        )
    except Rejected as error:
        record_not_charged(
            row, NotCharged(f"{NOT_REFRESHED_REASON} {error.message}", run_at=now + REFRESH_RETRY_DELAY), now=now
        )
    else:
        if row.invoice_id not in found_ids:
            record_not_charged(row, explain_missing_invoice(row.invoice, now=now), now=now)


def explain_missing_invoice(invoice: LedgerInvoice, *, now: datetime) -> NotCharged:
    """Why nothing is charged for an invoice that was not among those read: it cannot be read, or it is gone."""
    reason = find_unreadable_reason(invoice.merchant, invoice.organisation_id, "invoices", invoice.ledger_id)
    if reason:
        return NotCharged(f"{NOT_REFRESHED_REASON} {reason}"[:300], run_at=now + REFRESH_RETRY_DELAY)
    return NotCharged("The accounting package does not know the invoice any more.", state="held")


def record_not_charged(scheduled: ScheduledPayment, outcome: NotCharged, *, now: datetime) -> None:
    """Lock the scheduled payment, and record that it is not charged now."""
    with transaction():
        lock_invoices([scheduled.invoice_id])
        current = scheduled.lock()
        if current.state == "scheduled":
            current.merchant, current.company, current.invoice = (
                scheduled.merchant,
                scheduled.company,
                scheduled.invoice,
            )
            apply_not_charged(current, outcome, now=now)


def is_invoice_fresh(invoice: LedgerInvoice, *, now: datetime) -> bool:
    """Whether the invoice was read from the ledger lately enough to be charged, and has not become unreadable since."""
    return invoice.read_at >= now - INVOICE_FRESHNESS and not is_unreadable(invoice)


def start_charge(scheduled_id: int, *, now: datetime) -> Attempt | None:
    """Claim it for this worker: commit it as `pending` with its payment and attempt. None when it is not charged."""
    row = ScheduledPayment.objects.select_related("merchant", "company").get(pk=scheduled_id)
    with transaction():
        invoice = lock_invoices([row.invoice_id])[row.invoice_id]
        lock_agreed_mappings(row.company_id)
        current = row.lock()
        is_due = current.state == "scheduled" and current.run_at <= now
        if not is_due or is_paused(row.merchant) or not is_invoice_fresh(invoice, now=now):
            return None
        current.merchant, current.company, current.invoice = row.merchant, row.company, invoice
        current.company.merchant = row.merchant
        try:
            plan = check_charge(current, invoice, now=now)
            check_notice(current, plan, now=now)
            with savepoint():
                return create_charge_attempt(current, invoice, plan, now=now)
        except AttemptInProgress:
            return None
        except CannotPay as error:
            apply_not_charged(current, NotCharged(str(error), state="held"), now=now)
        except NotCharged as error:
            apply_not_charged(current, error, now=now)
    return None


@transaction_required
def lock_agreed_mappings(company_id: int) -> None:
    """Lock the company's mappings that are for so many payments, so that no two invoices are the same of them."""
    rows = AutoPayMapping.objects.filter(company=company_id, state="active", agreed_amount__isnull=False)
    list(rows.select_for_update(of=("self",)).order_by("pk"))


@transaction_required
def create_charge_attempt(
    scheduled: ScheduledPayment, invoice: LedgerInvoice, plan: ChargePlan, *, now: datetime
) -> Attempt:
    """Create or update the payment, create its attempt, and move the scheduled payment to `pending`."""
    method = SavedMethod.objects.select_related("owner", "acceptance").get(pk=plan.method_id)
    mapping = AutoPayMapping.objects.select_related("acceptance").get(pk=plan.mapping_id)
    payment = create_or_update_payment(scheduled, invoice, amount=plan.amount, now=now)
    if scheduled.confirmed_by is not None:
        warnings = find_relevant_warnings([invoice], origin=payment.origin, now=now, payment=payment)
        record_confirmation(payment, warnings, by=scheduled.confirmed_by, now=now)
    attempt = create_off_session_attempt(payment, method=method, acceptance=mapping.acceptance, now=now)
    is_same = scheduled.method_id == method.pk
    is_debit = not method.is_card
    scheduled.update_state(
        "pending",
        now=now,
        by=ACTOR,
        payment=payment,
        mapping=mapping,
        method=method,
        amount=plan.amount,
        agreed_number=plan.agreed_number,
        tries=scheduled.tries + 1 if is_same else 1,
        presentations=(scheduled.presentations if is_same else 0) + is_debit,
        first_presented_at=(scheduled.first_presented_at if is_same else None) or (now if is_debit else None),
    )
    return attempt


@transaction_required
def apply_not_charged(scheduled: ScheduledPayment, outcome: NotCharged, *, now: datetime) -> None:
    """Record that it is not charged now: hold it, cancel it, or move it to another instant."""
    if outcome.run_at is not None:
        ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=outcome.run_at, reason=outcome.reason[:300])
        return
    if outcome.state:
        scheduled.update_state(outcome.state, now=now, by=ACTOR, reason=outcome.reason)
    if outcome.state == "held":
        notify_on_hold(scheduled, now=now)
    elif outcome.state == "cancelled" and scheduled.payment_id is not None:
        cancel_payment(scheduled.payment_id, now=now)


def check_charge(scheduled: ScheduledPayment, invoice: LedgerInvoice, *, now: datetime) -> ChargePlan:
    """Decide what to charge, under the invoice's lock. Raises NotCharged."""
    payment = scheduled.payment
    check_earlier_payment(payment)
    check_obstacles(invoice, now=now)
    snapshot = build_invoice_snapshot(invoice, get_balances([invoice], apart_from=payment)[invoice.pk])
    context = get_decision_context(scheduled.merchant, companies=[scheduled.company_id])
    check_missed_run(scheduled, snapshot, context, now=now)
    plan = get_charge_plan(scheduled, snapshot, context, now=now)
    if scheduled.confirmed_by_id is None:
        warnings = find_relevant_warnings([invoice], origin=Payment.Origin.AUTOMATIC, now=now, payment=payment)
        if warnings:
            raise NotCharged("It may be paid already. " + " ".join(list_warning_messages(warnings)), state="held")
    return plan


def check_obstacles(invoice: LedgerInvoice, *, now: datetime) -> None:
    """Raise NotCharged while another floor has to know more of the invoice first."""
    for find in OBSTACLES:
        if reason := find(invoice, now=now):
            raise NotCharged(reason, run_at=now + OBSTACLE_DELAY)


@transaction_required
def check_notice(scheduled: ScheduledPayment, plan: ChargePlan, *, now: datetime) -> None:
    """Raise NotCharged when the payer was not told in time, after having them told anew. No notice goes unwritten."""
    wait_until = find_notice_delay(scheduled, plan, now=now)
    is_announced = scheduled.notified_at is not None
    if not is_announced or (wait_until is not None and not matches_notice(scheduled, plan, now=now)):
        renew_notice(scheduled, is_waiting=wait_until is not None, now=now)
    if wait_until is not None:
        raise NotCharged("It waits until its payer was told of it.", run_at=wait_until)


def check_earlier_payment(payment: Payment | None) -> None:
    """Raise NotCharged when the payment of an earlier try succeeded, or may still succeed."""
    if payment is None:
        return
    if payment.state == "succeeded":
        raise NotCharged("The payer paid it.", state="cancelled")
    if payment.attempts.filter(state__in=LIVE_STATES).exists():
        raise NotCharged("A payment of it is on its way.")


def check_missed_run(
    scheduled: ScheduledPayment, snapshot: InvoiceSnapshot, context: DecisionContext, *, now: datetime
) -> None:
    """Raise NotCharged for a run that was missed for long, for example while payments were off, and plan it again."""
    if now - scheduled.run_at < MISSED_AFTER or scheduled.tries:
        return
    decision = plan_charge(snapshot, context, now=now)
    if isinstance(decision, SkipReason) and decision.code != "paying":
        raise NotCharged(decision.reason, state="cancelled")
    if isinstance(decision, ChargePlan) and decision.run_at > now:
        raise NotCharged("Its run was missed.", run_at=decision.run_at)


def get_charge_plan(
    scheduled: ScheduledPayment, snapshot: InvoiceSnapshot, context: DecisionContext, *, now: datetime
) -> ChargePlan:
    """The plan by which it is charged now; the amount is never more than was planned. Raises NotCharged."""
    decision = plan_charge(snapshot, context, now=now, scheduled=build_scheduled_charge(scheduled))
    if isinstance(decision, SkipReason):
        raise NotCharged(decision.reason, state="cancelled" if decision.code in CANCELLING_CODES else "held")
    if decision.hold_reason:
        raise NotCharged(decision.hold_reason, state="held")
    return decision


@transaction_required
def create_or_update_payment(
    scheduled: ScheduledPayment, invoice: LedgerInvoice, *, amount: int, now: datetime
) -> Payment:
    """Create or update the payment of `amount` minor units of the invoice; every try has the same one.

    The caller has locked the invoice.
    """
    company = scheduled.company
    payment = scheduled.payment.lock() if scheduled.payment is not None else None
    if payment is None:
        payment = create_payment_with_allocations(
            company, {invoice.pk: invoice}, [InvoiceAmount(invoice, amount)], origin=Payment.Origin.AUTOMATIC, now=now
        )
    payment.merchant, payment.company = company.merchant, company
    if payment.state == "cancelled":
        payment.move_locked_to("open", now=now, by="scheduler", reason="scheduled again")
    changes = {"amount": amount, "expires_at": now + PAYABLE_FOR}
    if payment.amount != amount:
        changes["details"] = build_details(company, [InvoiceAmount(invoice, amount)])
        PaymentAllocation.objects.filter(payment=payment, invoice=invoice).update(amount=amount)
    Payment.objects.filter(pk=payment.pk).update(**changes)
    for name, value in changes.items():
        setattr(payment, name, value)
    return payment


@transaction_required
def cancel_payment(payment_id: int, *, now: datetime) -> None:
    """Cancel an open payment that nobody is paying; any other stays as it is."""
    payment = Payment.objects.get(pk=payment_id).lock()
    if payment.state == "open" and not payment.attempts.filter(state__in=LIVE_STATES).exists():
        payment.move_locked_to("cancelled", now=now, by="scheduler", reason="not charged any more")
