"""The consequences of a payment: events for the floors above, mails to the payer, notifications to the merchant.

Each is a step of the transaction that changes the state, and the same again changes nothing; mails are enqueued there,
and sent by their outbox handlers.
"""

from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from merchants.models import EventNotification, Merchant
from merchants.paynow_links import build_event_url
from merchants.services import notify_merchant
from payers.models import PayerCompany
from payments.errors import explain_failure
from payments.models import Attempt, GatewayOperation, Payment, Refund, Setup
from wisepay import events, outbox
from wisepay.errors import Rejected
from wisepay.mail import send_email

NotificationEvent = EventNotification.Event
DEBIT_NOTIFICATIONS = {
    "submitted": (
        NotificationEvent.BANK_DEBIT_SUBMITTED,
        "Bank debit submitted",
        "{company} pays {amount} for {purpose} by bank debit ({method}). It takes some days to settle.",
    ),
    "rejected": (
        NotificationEvent.BANK_DEBIT_REJECTED,
        "Bank debit rejected",
        "The bank debit of {amount} from {company} for {purpose} came back: {why} "
        "The payer was told and can pay again.",
    ),
    "reversed": (
        NotificationEvent.BANK_DEBIT_REJECTED,
        "Payment reversed",
        "{amount} from {company} for {purpose} was taken back by the bank after it had settled. "
        "The payer was told and can pay again.",
    ),
}
DEBIT_SUBJECTS = {
    "submitted": "Your bank debit to {merchant} is on its way: {amount}",
    "rejected": "Your bank debit to {merchant} was rejected: {amount}",
    "reversed": "Your payment to {merchant} was reversed: {amount}",
}
# Failures before a bank was asked that say nothing about the merchant's account.
NOT_THE_MERCHANTS = ("resource_missing", "customer_missing", "never_arrived", "undecided", "")


@transaction_required
def announce_attempt(event: str, attempt: Attempt) -> None:
    """Announce an event about an attempt."""
    events.announce(event, attempt_id=attempt.pk, payment_id=attempt.payment_id)


@transaction_required
def announce_submission(attempt: Attempt) -> None:
    """Announce that the payer's bank has a debit, and tell payer and merchant."""
    announce_attempt("payments.attempt.submitted", attempt)
    enqueue_debit_email(attempt, news="submitted")
    if not attempt.is_off_session:
        enqueue_authorisation_email(attempt.reference)
    enqueue_debit_notification(attempt, news="submitted")


@transaction_required
def announce_automatic_charge(attempt: Attempt) -> None:
    """Announce that an attempt to charge an automatic payment ended; nothing for other payments."""
    if attempt.payment.origin == Payment.Origin.AUTOMATIC and not attempt.is_live:
        events.announce("payments.automatic_charge.ended", attempt_id=attempt.pk, state=attempt.state)


@transaction_required
def announce_saved_method(payment: Payment) -> None:
    """Announce that a method was saved for the recurring part of a quote."""
    events.announce("payments.method.saved", payment_id=payment.pk)


@transaction_required
def announce_rejection(attempt: Attempt) -> None:
    """Announce that the payer's bank refused a debit days later, and tell payer and merchant."""
    announce_attempt("payments.attempt.rejected", attempt)
    if not attempt.is_off_session:  # an automatic payment has a mail of its own
        enqueue_debit_email(attempt, news="rejected")
    enqueue_debit_notification(attempt, news="rejected")


@transaction_required
def announce_reversal(attempt: Attempt) -> None:
    """Announce that the bank took money back that had arrived, and tell payer and merchant."""
    announce_attempt("payments.attempt.reversed", attempt)
    announce_automatic_charge(attempt)
    if not attempt.is_off_session:
        enqueue_debit_email(attempt, news="reversed")
    enqueue_debit_notification(attempt, news="reversed")


@transaction_required
def enqueue_debit_email(attempt: Attempt, *, news: str) -> None:
    """Enqueue the mail that tells the payer what became of a bank debit."""
    outbox.enqueue(f"attempt:{attempt.pk}:{news}-mail", "payments.email_progress", attempt_id=attempt.pk, news=news)


@transaction_required
def enqueue_authorisation_email(operation: str) -> None:
    """Enqueue the mail with a copy of the debit terms that were accepted with an attempt, a setup or a mapping."""
    outbox.enqueue(f"authorisation:{operation}", "payments.email_authorisation", operation=operation)


@transaction_required
def enqueue_debit_notification(attempt: Attempt, *, news: str) -> None:
    """Enqueue the notification that tells the merchant what became of a bank debit."""
    outbox.enqueue(f"attempt:{attempt.pk}:{news}-notice", "payments.tell_merchant", attempt_id=attempt.pk, news=news)


def announce_success(attempt: Attempt, *, now: datetime) -> None:
    """Announce that a payment was paid, send the receipt, and notify the merchant."""
    payment = attempt.payment
    with transaction():
        announce_attempt("payments.payment.succeeded", attempt)
        outbox.enqueue(f"attempt:{attempt.pk}:receipt", "payments.email_receipt", attempt_id=attempt.pk)
        if payment.needs_account:
            announce_saved_method(payment)
        notify_merchant_of_payment(
            payment.merchant,
            payment,
            event=NotificationEvent.PREPAYMENT_PROCESSED,
            key=f"paid:{attempt.pk}",
            title="Prepayment Processed Successfully" if payment.is_credited else "Payment Processed Successfully",
            body=f"{payment.company} paid {attempt.money} for {payment.purpose}.",
            now=now,
        )


@transaction_required
def notify_merchant_of_refusal(attempt: Attempt, *, now: datetime) -> None:
    """Notify the merchant's people, once a day and code, that the gateway refuses what only they can mend."""
    if attempt.state != "failed" or attempt.was_declined or attempt.failure_code in NOT_THE_MERCHANTS:
        return
    payment = attempt.payment
    notify_merchant_of_payment(
        payment.merchant,
        payment,
        event=NotificationEvent.GATEWAY_REFUSED,
        key=f"gateway-refused:{payment.merchant_id}:{attempt.failure_code}:{now:%Y-%m-%d}",
        title="The payment gateway refused a payment",
        body=f"{attempt.money} from {payment.company} for {payment.purpose}: {attempt.failure_message} "
        f"({attempt.failure_code}). The payer was told that it is not their bank's doing.",
        now=now,
    )


@transaction_required
def notify_merchant_of_undecided(operation: Attempt | Setup, *, now: datetime) -> None:
    """Notify the merchant's people that nobody can find out how a payment or a setup ended, and what they do."""
    account = operation.account
    if isinstance(operation, Attempt):
        what = f"{operation.money} from {operation.payment.company} for {operation.payment.purpose}"
    else:
        what = "a payment method that was being saved"
    payment = operation.payment
    path = get_payment_path(payment) if payment else reverse("payments:gateway", args=[account.merchant.reference])
    notify_merchant(
        account.merchant,
        event=NotificationEvent.GATEWAY_REFUSED,
        key=f"undecided:{operation.reference}",
        title="A payment can't be followed any more",
        body=f"Stripe no longer tells Wise-Pay about {what}, so it counts as not paid. Look for "
        f"{operation.intent_id or operation.reference} in the Stripe account {account.label}. If money was taken "
        "there, give it back, or tell the payer not to pay again.",
        path=path,
        now=now,
    )


def enqueue_next_action_email(operation: GatewayOperation) -> None:
    """Enqueue the mail that tells the payer what is left to do, once for each time that it is asked for."""
    kind = "attempt" if isinstance(operation, Attempt) else "setup"
    outbox.enqueue(
        f"{kind}:{operation.pk}:action:{operation.next_action}",
        "payments.email_next_action",
        kind=kind,
        operation_id=operation.pk,
    )


def notify_merchant_of_refused_email(company: PayerCompany, error: Rejected, *, now: datetime) -> None:
    """Notify the merchant's people that the gateway does not take a payer company's e-mail address."""
    with transaction():
        notify_merchant(
            company.merchant,
            event=NotificationEvent.GATEWAY_REFUSED,
            key=f"email-refused:{company.pk}:{company.email}",
            title=f"The e-mail address of {company} was refused",
            body=f"The payment gateway does not take {company.email}: {error.message} Payments go on without it. "
            "Please correct the address.",
            path=reverse("payer_admin:list", args=[company.merchant.reference]),
            now=now,
        )


def notify_merchant_of_debit(attempt: Attempt, *, news: str, now: datetime) -> None:
    """Notify the merchant's people once of what became of a bank debit."""
    event, title, body = DEBIT_NOTIFICATIONS[news]
    payment = attempt.payment
    words = {
        "company": payment.company,
        "amount": attempt.money,
        "purpose": payment.purpose,
        "method": attempt.method,
        "why": explain_failure(attempt.failure_code, is_debit=True),
    }
    with transaction():
        notify_merchant_of_payment(
            payment.merchant,
            payment,
            event=event,
            key=f"{news}:{attempt.pk}",
            title=title,
            body=body.format(**words),
            now=now,
        )


@transaction_required
def notify_merchant_of_payment(
    merchant: Merchant, payment: Payment, *, event: str, key: str, title: str, body: str, now: datetime
) -> None:
    """Notify the merchant's people of an event, with a link to the payment."""
    notify_merchant(merchant, event=event, key=key, title=title, body=body, path=get_payment_path(payment), now=now)


def get_payment_path(payment: Payment) -> str:
    """Return the payment's page in the merchant's console."""
    return reverse("payments:detail", args=[payment.merchant.reference, payment.reference])


def build_mailed_pay_url(payment: Payment, *, now: datetime) -> str:
    """The personal link to a payment, for a mail that asks for it."""
    return build_event_url(
        payment.merchant, subject="p", reference=payment.reference, otherwise=payment.pay_url, now=now
    )


def send_debit_email(attempt: Attempt, *, news: str, now: datetime) -> None:
    """Send what became of a bank debit: submitted, or rejected or reversed with the link to pay again."""
    payment = attempt.payment
    why = explain_failure(attempt.failure_code, is_debit=True)
    send_email(
        f"debit_{news}",
        attempt.payer_email,
        {"payment": payment, "attempt": attempt, "why": why, "pay_url": build_mailed_pay_url(payment, now=now)},
        subject=DEBIT_SUBJECTS[news].format(merchant=payment.merchant.name, amount=attempt.money),
        message_id=f"{news}-{attempt.reference}",
        sender=payment.merchant,
    )


def send_next_action_email(operation: Attempt | Setup, *, title: str, text: str) -> None:
    """Send what is left for the payer to do, with the gateway's page for it."""
    payment = operation.payment
    merchant = operation.account.merchant
    page = payment.pay_url if payment else merchant.build_public_url(reverse("payments:my_bank_accounts"))
    send_email(
        "next_action",
        operation.payer_email,
        {
            "payment": payment,
            "title": title,
            "text": text,
            "action_url": operation.action_url or page,
            "pay_url": page,
            "until": operation.action_expires_at if operation.next_action.endswith("_display_details") else None,
        },
        subject=f"{title}: {payment.purpose if payment else merchant.name}",
        message_id=f"action-{operation.reference}-{operation.next_action}",
        sender=merchant,
    )


def send_method_saved_email(setup: Setup) -> None:
    """Send the confirmation that a method was saved for the recurring part of a quote."""
    merchant = setup.company.merchant
    send_email(
        "method_saved",
        setup.payer_email,
        {"setup": setup, "payment": setup.payment},
        subject=f"Your payment method is saved with {merchant.name}",
        message_id=f"saved-{setup.reference}",
        sender=merchant,
    )


def send_refund_email(refund: Refund) -> None:
    """Send the confirmation of a refund."""
    payment = refund.payment
    send_email(
        "refund",
        refund.attempt.payer_email,
        {"payment": payment, "refund": refund, "attempt": refund.attempt},
        subject=f"Refund from {payment.merchant.name}: {refund.money}",
        message_id=f"refund-{refund.reference}",
        sender=payment.merchant,
    )
