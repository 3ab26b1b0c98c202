"""Running what is due: looked at once more under the invoice's lock, claimed once, then charged."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import models
from django_subatomic.db import savepoint, transaction, transaction_required

from accounting.autopay.decision_context import get_decision_context, is_paused
from accounting.autopay.decisions import (
    ChargePlan,
    DecisionContext,
    InvoiceSnapshot,
    SkipReason,
    choose_method,
    find_billing_term,
    find_limit_violation,
    find_mapping,
    plan_charge,
)
from accounting.autopay.failures import is_presentment_limit_reached
from accounting.autopay.notifications import notify_on_hold
from accounting.autopay.payment import cancel_payment, create_or_update_payment
from accounting.invoices.balances import InvoiceBalance, get_balances
from accounting.invoices.duplicates import list_warning_messages
from accounting.invoices.services import find_relevant_warnings, lock_invoices, record_confirmation
from accounting.mirror.services import refetch_invoices
from accounting.models import AutoPayMapping, LedgerInvoice, ScheduledPayment
from payments.attempts.off_session import create_off_session_attempt
from payments.attempts.services import send_attempt
from payments.errors import AttemptInProgress, CannotPay
from payments.models import Attempt, Payment, SavedMethod
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.dates import get_local_date
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.models import OutboxMessage

log = structlog.get_logger(__name__)

DUE_BATCH_SIZE = 500  # due ones that one look hands to the workers
MISSED_AFTER = timedelta(hours=24)  # a run that was missed for longer is planned anew instead of charged by surprise
INVOICE_FRESHNESS = timedelta(minutes=10)  # so long what the books said of an invoice is good enough to charge it
REFRESH_BATCH_SIZE = 99  # others that are due and may be read in the same call
REFRESH_RETRY_DELAY = timedelta(minutes=30)  # when books are asked again that refused to tell
NOT_REFRESHED_REASON = "It waits until the invoice can be looked at in the accounting package."
ACTOR = "scheduler"


class NotCharged(Exception):
    """It is not charged now. `state` is what becomes of it; empty leaves it as it is."""

    def __init__(self, reason: str, *, state: str = "", run_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason, self.state, self.run_at = reason, state, run_at


@dataclass(frozen=True, slots=True)
class ChargeParameters:
    """What is charged now."""

    mapping_id: int
    method_id: int
    amount: int


def schedule_due_payments(*, now: datetime) -> int:
    """Hand everything that is due to the workers; answers how many. What waits in the outbox already is left alone."""
    due = list_due_payments(now=now).values_list("pk", flat=True)[:DUE_BATCH_SIZE]
    keys = {get_outbox_key(pk): pk for pk in due}
    waiting = OutboxMessage.objects.filter(key__in=keys, state=OutboxMessage.State.PENDING)
    fresh = keys.keys() - set(waiting.values_list("key", flat=True))
    for key in sorted(fresh, key=keys.__getitem__):
        outbox.schedule(key, "accounting.run_scheduled", now=now, scheduled_id=keys[key])
    return len(fresh)


def list_due_payments(*, now: datetime) -> models.QuerySet[ScheduledPayment]:
    """What is due, of merchants whose automatic payments are on; the oldest first."""
    rows = ScheduledPayment.objects.filter(state="scheduled", run_at__lte=now)
    rows = rows.filter(merchant__autopay_settings__is_enabled=True, merchant__takes_payments=True)
    return rows.order_by("run_at", "pk")


def get_outbox_key(scheduled_id: int) -> str:
    """The outbox key of one scheduled payment's run."""
    return f"scheduled:{scheduled_id}"


def charge_scheduled_payment(scheduled_id: int, *, now: datetime) -> Attempt | None:
    """Charge one scheduled payment if it is due and nothing stands against it; None when it was not charged.

    Its invoice is read anew from the books before, so that what was paid there a moment ago is not charged; while the
    books can't be asked nothing is. Run as often as one likes, at the same time or after a crash: it is charged at
    most once.
    """
    refresh_due_invoices(scheduled_id, now=now)
    attempt = start_charge(scheduled_id, now=now)
    if attempt is not None:
        send_attempt(attempt, now=now)
        log.info("autopay.charged", scheduled=scheduled_id, attempt=attempt.reference, state=attempt.state)
    return attempt


def refresh_due_invoices(scheduled_id: int, *, now: datetime) -> None:
    """Read what is due of this merchant from the books, in one call for many, unless it was read just now.

    Where that is not possible it is written down why, and a later look tries again.
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
        told = refetch_invoices(row.merchant, invoices, now=now)
    except (Unavailable, Disconnected) as error:
        ScheduledPayment.objects.filter(pk=row.pk, state="scheduled").update(
            reason=f"{NOT_REFRESHED_REASON} {error}"[:300]
        )
    except Rejected as error:
        record_not_charged(
            row, NotCharged(f"{NOT_REFRESHED_REASON} {error.message}", run_at=now + REFRESH_RETRY_DELAY), now=now
        )
    else:
        if row.invoice_id not in told:
            record_not_charged(
                row, NotCharged("The accounting package does not know the invoice any more.", state="held"), now=now
            )


def record_not_charged(scheduled: ScheduledPayment, outcome: NotCharged, *, now: datetime) -> None:
    """It is not charged now, for a reason that was found without its lock."""
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
    """Whether the books were asked so lately that what they said can be charged."""
    return invoice.read_at >= now - INVOICE_FRESHNESS


def start_charge(scheduled_id: int, *, now: datetime) -> Attempt | None:
    """Commit that this worker charges it: `pending`, with its payment, share and attempt. None when it does not."""
    row = ScheduledPayment.objects.select_related("merchant", "company").get(pk=scheduled_id)
    with transaction():
        invoice = lock_invoices([row.invoice_id])[row.invoice_id]
        current = row.lock()
        is_due = current.state == "scheduled" and current.run_at <= now
        if not is_due or is_paused(row.merchant) or not is_invoice_fresh(invoice, now=now):
            return None
        current.merchant, current.company, current.invoice = row.merchant, row.company, invoice
        current.company.merchant = row.merchant
        try:
            go = check_charge(current, invoice, now=now)
            with savepoint():
                return create_charge_attempt(current, invoice, go, now=now)
        except AttemptInProgress:
            return None
        except CannotPay as error:
            apply_not_charged(current, NotCharged(str(error), state="held"), now=now)
        except NotCharged as error:
            apply_not_charged(current, error, now=now)
    return None


@transaction_required
def create_charge_attempt(
    scheduled: ScheduledPayment, invoice: LedgerInvoice, parameters: ChargeParameters, *, now: datetime
) -> Attempt:
    """The payment, its share and its attempt."""
    method = SavedMethod.objects.select_related("owner", "acceptance").get(pk=parameters.method_id)
    mapping = AutoPayMapping.objects.select_related("acceptance").get(pk=parameters.mapping_id)
    payment = create_or_update_payment(scheduled, invoice, amount=parameters.amount, now=now)
    if scheduled.confirmed_by is not None:
        doubts = find_relevant_warnings([invoice], origin=payment.origin, now=now, payment=payment)
        record_confirmation(payment, doubts, by=scheduled.confirmed_by, now=now)
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
        amount=parameters.amount,
        tries=scheduled.tries + 1 if is_same else 1,
        presentations=(scheduled.presentations if is_same else 0) + is_debit,
        first_presented_at=(scheduled.first_presented_at if is_same else None) or (now if is_debit else None),
    )
    return attempt


@transaction_required
def apply_not_charged(scheduled: ScheduledPayment, outcome: NotCharged, *, now: datetime) -> None:
    """It is not charged now: held, cancelled, or moved to another day."""
    if outcome.run_at is not None:
        ScheduledPayment.objects.filter(pk=scheduled.pk).update(run_at=outcome.run_at, reason=outcome.reason[:300])
        return
    if outcome.state:
        scheduled.update_state(outcome.state, now=now, by=ACTOR, reason=outcome.reason)
    if outcome.state == "held":
        notify_on_hold(scheduled, now=now)
    elif outcome.state == "cancelled" and scheduled.payment_id is not None:
        cancel_payment(scheduled.payment_id, now=now)


# ---- looking once more ------------------------------------------------------------------------------


def check_charge(scheduled: ScheduledPayment, invoice: LedgerInvoice, *, now: datetime) -> ChargeParameters:
    """What to charge, as everything stands now under the invoice's lock. Raises NotNow."""
    payment = scheduled.payment
    check_earlier_payment(payment)
    room = get_balances([invoice], apart_from=payment)[invoice.pk]
    facts = build_invoice_snapshot(invoice, room)
    book = get_decision_context(scheduled.merchant, companies=[scheduled.company_id])
    check_missed_run(scheduled, facts, book, now=now)
    go = get_charge_parameters(scheduled, facts, book, now=now)
    if scheduled.confirmed_by_id is None:
        doubts = find_relevant_warnings([invoice], origin=Payment.Origin.AUTOMATIC, now=now, payment=payment)
        if doubts:
            raise NotCharged("It may be paid already. " + " ".join(list_warning_messages(doubts)), state="held")
    return go


def check_earlier_payment(payment: Payment | None) -> None:
    """Whether the payment of an earlier try still waits for its money. Raises NotNow."""
    if payment is None:
        return
    if payment.state == "succeeded":
        raise NotCharged("The payer paid it.", state="cancelled")
    if payment.attempts.filter(state__in=LIVE_STATES).exists():
        raise NotCharged("A payment of it is on its way.")


def build_invoice_snapshot(invoice: LedgerInvoice, balance: InvoiceBalance) -> InvoiceSnapshot:
    """The locked invoice as decisions need it."""
    return InvoiceSnapshot(
        id=invoice.pk,
        company_id=invoice.company_id,
        currency=invoice.currency,
        status=invoice.status,
        due=invoice.due,
        in_flight=balance.in_flight + balance.unconfirmed,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        term_key=(invoice.organisation_id, invoice.term_id),
        remark=invoice.remark,
    )


def check_missed_run(
    scheduled: ScheduledPayment, snapshot: InvoiceSnapshot, context: DecisionContext, *, now: datetime
) -> None:
    """Plan one anew whose run was missed for long, for example while payments were off. Raises NotNow."""
    if now - scheduled.run_at < MISSED_AFTER or scheduled.tries:
        return
    decision = plan_charge(snapshot, context, now=now)
    if isinstance(decision, SkipReason) and decision.code != "paying":
        raise NotCharged(decision.reason, state="cancelled")
    if isinstance(decision, ChargePlan) and decision.run_at > now:
        raise NotCharged("Its run was missed.", run_at=decision.run_at)


def get_charge_parameters(
    scheduled: ScheduledPayment, snapshot: InvoiceSnapshot, context: DecisionContext, *, now: datetime
) -> ChargeParameters:
    """The mapping, method and amount that still hold; the amount is never more than was planned. Raises NotNow."""
    decision = plan_charge(snapshot, context, now=now)
    if isinstance(decision, SkipReason) and decision.code in ("over", "no_term", "unmatched"):
        raise NotCharged(decision.reason, state="cancelled")
    if isinstance(decision, SkipReason) and decision.code == "paying":
        raise NotCharged(decision.reason, state="held")
    amount = min(scheduled.amount, snapshot.due - snapshot.in_flight)
    gap = find_limit_violation(amount, snapshot.currency, context.rules)
    if gap is not None:
        raise NotCharged(gap.reason, state="cancelled")
    term = find_billing_term(snapshot, context)
    mapping, _ = find_mapping(snapshot, term, context)
    if term is None or mapping is None:
        raise NotCharged("Its Auto-Pay mapping ended.", state="cancelled")
    planned = scheduled.method_id if mapping.id == scheduled.mapping_id else None
    today = get_local_date(now, context.rules.zone)
    chosen = choose_method(mapping, term, context, currency=snapshot.currency, on=today, first=planned)
    if isinstance(chosen, SkipReason) or chosen.hold_reason:
        raise NotCharged(chosen.reason if isinstance(chosen, SkipReason) else chosen.hold_reason, state="held")
    is_same = chosen.method.id == scheduled.method_id
    if is_same and is_presentment_limit_reached(scheduled.presentations, scheduled.first_presented_at, now=now):
        raise NotCharged(f"The bank's rules do not allow {chosen.method.label} to be asked again for it.", state="held")
    return ChargeParameters(mapping.id, chosen.method.id, amount)
