"""What follows when an automatic charge ends: settled, retried later, the secondary method, or a person decides.

Every function is idempotent and may run late.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django_subatomic.db import transaction, transaction_required

from accounting.autopay.charging import get_outbox_key
from accounting.autopay.decisions import get_retry_run, is_presentment_limit_reached
from accounting.autopay.notifications import enqueue_result_email, notify_failed
from accounting.invoices.services import lock_invoices
from accounting.models import AutoPaySettings, ScheduledPayment
from payments.errors import explain_failure
from payments.failure_codes import PERMANENT_FAILURES
from payments.models import Attempt, Payment
from payments.states import LIVE_STATES
from wisepay import outbox
from wisepay.clock import format_date, get_local_date

ACTOR = "gateway"
FailureKind = Literal["hard", "soft", "person", "ours"]
# Days before the next try with the same method, growing; the last one repeats.
RETRY_DELAYS = (1, 3, 5, 7)
# The payer has to be there (docs.stripe.com/declines/codes).
PAYER_ACTION_CODES = frozenset(
    {
        "authentication_required",
        "authentication_not_handled",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "payment_intent_authentication_failure",
    }
)
# Something about the order or the merchant's account is wrong; another method would not help.
MERCHANT_CODES = frozenset(
    {"amount_too_large", "amount_too_small", "gateway_key", "gateway_permission", "invalid_amount"}
)
# A card that its bank will not charge again: never tried again (docs.stripe.com/declines/codes, the networks' rules).
HARD_DECLINES = frozenset(
    {
        "account_closed",
        "card_not_supported",
        "currency_not_supported",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_postal_code",
        "incorrect_zip",
        "invalid_account",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_action_taken",
        "not_permitted",
        "payment_method_invalid_parameter",
        "payment_method_unexpected_state",
        "pickup_card",
        "resource_missing",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "security_violation",
        "service_not_allowed",
        "stolen_card",
        "stop_payment_order",
        "test_mode_live_card",
        "testmode_decline",
        "transaction_not_allowed",
    }
)
# Why a debit may be presented again: R01 and R09, and what the other networks call the same.
SOFT_DEBIT_RETURNS = frozenset({"insufficient_funds", "refer_to_customer"})
# Nothing reached the payer's bank, so this was no presentment.
NOT_PRESENTED = frozenset({"never_arrived", "processing_error", "try_again_later", "rate_limit"})


@dataclass(frozen=True, slots=True)
class FailedCharge:
    """A failed charge. `tries` and `presentations` count those with this method, the failed one included."""

    code: str
    is_debit: bool
    tries: int
    presentations: int
    first_presented_at: datetime | None
    maximum_retries: int
    has_secondary: bool


@dataclass(frozen=True, slots=True)
class NextStep:
    """What happens next: `again` in `days`, the `secondary` method at once, `ask` the payer, or `stop`."""

    kind: Literal["again", "secondary", "ask", "stop"]
    days: int = 0
    failure_kind: FailureKind = "hard"


def apply_charge_result(attempt: Attempt, *, now: datetime) -> None:
    """Bring the scheduled payment of an attempt's payment up to date with the payment."""
    found = ScheduledPayment.objects.filter(payment=attempt.payment_id).first()
    if found is None:
        return
    with transaction():
        lock_invoices([found.invoice_id])
        current = lock_scheduled_payment(found.pk)
        if current.payment_id != attempt.payment_id or current.payment is None:
            return
        payment = current.payment.lock()
        newest = payment.attempts.select_related("saved_method").order_by("-pk").first()
        if payment.state == "succeeded":
            settle_scheduled_payment(current, payment, now=now)
        elif payment.state == "reversed" and current.state == "settled":
            apply_reversal(current, attempt, now=now)
        elif current.state == "pending" and newest is not None and newest.state not in LIVE_STATES:
            newest.payment = payment
            apply_failure(current, newest, now=now)


@transaction_required
def lock_scheduled_payment(pk: int) -> ScheduledPayment:
    """Lock the scheduled payment, and answer it with its related rows."""
    ScheduledPayment.objects.get(pk=pk).lock()
    related = ("merchant", "company", "invoice", "method", "payment", "mapping__secondary_method")
    return ScheduledPayment.objects.select_related(*related).get(pk=pk)


def settle_scheduled_payment(scheduled: ScheduledPayment, payment: Payment, *, now: datetime) -> None:
    """Settle it when its charge succeeded; cancel or resolve it when the payer paid by another way."""
    if scheduled.state == "pending":
        scheduled.update_state("settled", now=now, by=ACTOR)
    elif scheduled.state in ("scheduled", "held"):
        scheduled.update_state("cancelled", now=now, by=ACTOR, reason="The payer paid it.")
    elif scheduled.state == "failed" and scheduled.resolved_at is None:
        record_resolution(scheduled, "The payer paid it.", now=now)


def record_resolution(scheduled: ScheduledPayment, resolution: str, *, now: datetime) -> None:
    """Record that a failure is resolved, and how."""
    ScheduledPayment.objects.filter(pk=scheduled.pk).update(resolved_at=now, resolution=resolution[:300])


def apply_reversal(scheduled: ScheduledPayment, attempt: Attempt, *, now: datetime) -> None:
    """Move it to `failed` when the bank took the money back; the invoice is owed again, and a person decides."""
    reason = f"The bank took the payment back after it had settled. {get_failure_message(attempt)}"
    scheduled.update_state("failed", now=now, by=ACTOR, reason=reason, resolved_at=None, resolved_by=None)
    notify_failed(scheduled, now=now)
    enqueue_result_email(scheduled, attempt)


def apply_failure(scheduled: ScheduledPayment, attempt: Attempt, *, now: datetime) -> None:
    """Do what follows a failed charge: retry later, charge the secondary method, ask the payer, or give up."""
    step = plan_next_step(build_failed_charge(scheduled, attempt), now=now)
    why = f"{scheduled.method}: {get_failure_message(attempt)}"
    if attempt.failure_code in NOT_PRESENTED and scheduled.presentations:
        scheduled.presentations -= 1
        ScheduledPayment.objects.filter(pk=scheduled.pk).update(presentations=scheduled.presentations)
    if step.kind == "again":
        schedule_retry(scheduled, step, why, now=now)
    elif step.kind == "secondary":
        schedule_secondary_method(scheduled, why, now=now)
    else:
        scheduled.update_state(
            "failed", now=now, by=ACTOR, reason=build_final_reason(step, why), resolved_at=None, resolved_by=None
        )
        notify_failed(scheduled, now=now)
    enqueue_result_email(scheduled, attempt)


def build_failed_charge(scheduled: ScheduledPayment, attempt: Attempt) -> FailedCharge:
    """Build what the retry rules need of a failed charge."""
    mapping = scheduled.mapping
    secondary = mapping.secondary_method if mapping is not None else None
    return FailedCharge(
        code=attempt.failure_code or "cancelled",
        is_debit=attempt.is_debit,
        tries=max(scheduled.tries, 1),
        presentations=scheduled.presentations,
        first_presented_at=scheduled.first_presented_at,
        maximum_retries=AutoPaySettings.get_or_default(scheduled.merchant).maximum_retries,
        has_secondary=secondary is not None and secondary.pk != scheduled.method_id and secondary.state == "active",
    )


def get_failure_message(attempt: Attempt) -> str:
    """Why it failed, in words for the merchant."""
    return explain_failure(attempt.failure_code, is_debit=attempt.is_debit, was_declined=attempt.was_declined)


def schedule_retry(scheduled: ScheduledPayment, step: NextStep, reason_prefix: str, *, now: datetime) -> None:
    """Schedule the same method once more, days later."""
    run_at = get_retry_run(now, scheduled.merchant.zone, days=step.days)
    day = get_local_date(run_at, scheduled.merchant.zone)
    reason = f"{reason_prefix} It is tried again on {format_date(day)}."
    scheduled.update_state("scheduled", now=now, by=ACTOR, reason=reason, run_at=run_at)


def schedule_secondary_method(scheduled: ScheduledPayment, reason_prefix: str, *, now: datetime) -> None:
    """Schedule the secondary method at once."""
    mapping = scheduled.mapping
    secondary = mapping.secondary_method if mapping is not None else None
    fresh: dict[str, Any] = {"method": secondary, "tries": 0, "presentations": 0, "first_presented_at": None}
    reason = f"{reason_prefix} {secondary} is charged instead."
    scheduled.update_state("scheduled", now=now, by=ACTOR, reason=reason, run_at=now, **fresh)
    outbox.schedule(get_outbox_key(scheduled.pk), "accounting.run_scheduled", now=now, scheduled_id=scheduled.pk)


def build_final_reason(step: NextStep, reason_prefix: str) -> str:
    """Why it failed for good, and what to do."""
    if step.kind == "ask":
        return f"{reason_prefix} The payer was sent a link to pay it in person."
    if step.failure_kind == "ours":
        return f"{reason_prefix} Please look at the Gateway settings."
    return reason_prefix


def get_failure_kind(code: str, *, is_debit: bool) -> FailureKind:
    """Classify a failure's code. An unknown code of a debit is final (hard), of a card temporary (soft)."""
    if code in PAYER_ACTION_CODES:
        return "person"
    if code in MERCHANT_CODES:
        return "ours"
    if is_debit:
        return "soft" if code in SOFT_DEBIT_RETURNS | NOT_PRESENTED else "hard"
    return "hard" if code in HARD_DECLINES | PERMANENT_FAILURES else "soft"


def plan_next_step(charge: FailedCharge, *, now: datetime) -> NextStep:
    """Decide what follows a failed charge."""
    kind = get_failure_kind(charge.code, is_debit=charge.is_debit)
    if kind == "person":
        return NextStep("ask", failure_kind=kind)
    if kind == "ours":
        return NextStep("stop", failure_kind=kind)
    if kind == "soft" and charge.tries <= charge.maximum_retries and can_present(charge, now=now):
        return NextStep("again", days=RETRY_DELAYS[min(charge.tries, len(RETRY_DELAYS)) - 1], failure_kind=kind)
    return NextStep("secondary" if charge.has_secondary else "stop", failure_kind=kind)


def can_present(charge: FailedCharge, *, now: datetime) -> bool:
    """Whether the bank may be asked for this debit once more; cards have no such rule here."""
    if not charge.is_debit or charge.code in NOT_PRESENTED:
        return True
    return not is_presentment_limit_reached(charge.presentations, charge.first_presented_at, now=now)
