"""What merchants and payers are told about automatic payments: notifications, and the payer's email."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction_required

from accounting.models import AutoPayMapping, ScheduledPayment, UnmatchedInvoice
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payments.consequences import build_mailed_pay_url
from payments.errors import explain_failure
from payments.models import Attempt
from wisepay import outbox
from wisepay.mail import send_email

Event = EventNotification.Event


@transaction_required
def notify_unmatched(merchant: Merchant, rows: Sequence[UnmatchedInvoice], *, now: datetime) -> None:
    """Notify that invoices under a billing term are not charged: one notification for all of them."""
    count = len(rows)
    which = "An invoice" if count == 1 else f"{count} invoices"
    notify_merchant(
        merchant,
        event=Event.AUTOPAY_UNMATCHED,
        key=f"unmatched:{merchant.pk}:{now.isoformat()}",
        title="Unmatched Auto-Payments",
        body=f"{which} under a billing term can't be charged automatically. {rows[0].reason}",
        path=reverse("autopay:unmatched", args=[merchant.reference]),
        now=now,
    )


@transaction_required
def notify_failed(scheduled: ScheduledPayment, *, now: datetime) -> None:
    """Notify that an automatic payment failed for good."""
    notify_about_payment(scheduled, f"failed:{scheduled.pk}:{now.isoformat()}", "Automatic payment failed", now=now)


@transaction_required
def notify_on_hold(scheduled: ScheduledPayment, *, now: datetime) -> None:
    """Notify that an automatic payment waits for a person."""
    notify_about_payment(
        scheduled, f"held:{scheduled.pk}:{now.isoformat()}", "Automatic payment needs a person", now=now
    )


@transaction_required
def notify_about_payment(scheduled: ScheduledPayment, key: str, title: str, *, now: datetime) -> None:
    """Notify the merchant about one scheduled payment, with its reason."""
    notify_merchant(
        scheduled.merchant,
        event=Event.AUTOPAY_FAILED,
        key=f"autopay-{key}"[:120],
        title=title,
        body=f"{scheduled.money} from {scheduled.company} for invoice {scheduled.invoice}: {scheduled.reason}",
        path=reverse("autopay:detail", args=[scheduled.merchant.reference, scheduled.reference]),
        now=now,
    )


@transaction_required
def notify_proposed(mapping: AutoPayMapping, *, now: datetime) -> None:
    """Notify that a quote with a recurring part proposes a mapping."""
    merchant, agreed = mapping.merchant, mapping.agreed
    what = "Nobody there has accepted automatic payments yet. Ask them, or dismiss it."
    if agreed is not None:
        what = f"One click lets it be charged what they agreed to: {agreed.money} {agreed.frequency}."
    notify_merchant(
        merchant,
        event=Event.AUTOPAY_PROPOSED,
        key=f"autopay-proposed:{mapping.pk}",
        title="Automatic payments proposed",
        body=f"{mapping.company} saved {mapping.primary_method} with {mapping.quote_payment}. {what}",
        path=reverse("autopay:proposals", args=[merchant.reference]),
        now=now,
    )


@transaction_required
def enqueue_result_email(scheduled: ScheduledPayment, attempt: Attempt) -> None:
    """Enqueue the email that tells the payer how their automatic payment failed."""
    key = f"autopay:{scheduled.pk}:{attempt.pk}:mail"
    outbox.enqueue(key, "accounting.email_autopay", scheduled_id=scheduled.pk, attempt_id=attempt.pk)


def send_failure_email(scheduled: ScheduledPayment, attempt: Attempt, *, now: datetime) -> None:
    """Email the payer why it failed, what happens next, and the link to pay it. Without an address nothing is sent."""
    merchant = scheduled.merchant
    payment = attempt.payment
    if not attempt.payer_email or payment.state == "succeeded":
        return
    run_at = scheduled.run_at.astimezone(merchant.zone) if scheduled.state == "scheduled" else None
    send_email(
        "autopay_failed",
        attempt.payer_email,
        {
            "scheduled": scheduled,
            "payment": payment,
            "attempt": attempt,
            "why": explain_to_payer(attempt),
            "run_at": run_at,
            "asks": attempt.failure_code == "authentication_required",
            "pay_url": build_mailed_pay_url(payment, now=now),
        },
        subject=f"Your automatic payment to {merchant.name} failed: {attempt.money}",
        message_id=f"autopay-{attempt.reference}-{attempt.state}",
        sender=merchant,
    )


def explain_to_payer(attempt: Attempt) -> str:
    """Why it failed, in words for the payer."""
    if attempt.state == "reversed":
        return "Your bank took the payment back after it had settled, so the invoice is owed again."
    return explain_failure(attempt.failure_code, is_debit=attempt.is_debit, was_declined=attempt.was_declined)
