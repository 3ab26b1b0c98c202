"""Record disputes, and reverse or reinstate the payment when one takes the money or gives it back."""

from datetime import datetime, timedelta

from django.db.models import Q
from django_subatomic.db import transaction, transaction_required

from payments import consequences
from payments.attempts.services import reverse_attempt
from payments.gateways import RemoteDispute, open_gateway
from payments.models import Attempt, BalanceTransaction, Dispute, Payment, Refund
from payments.operations.services import lock_payment
from payments.states import DISPUTE_TRANSITIONS
from wisepay import events, outbox
from wisepay.errors import Rejected, Unavailable
from wisepay.money import Money

INQUIRY_STATES = ("inquiry", "closed")
OPEN_STATES = ("inquiry", "open")
DISPUTE_LINES = ("dispute", "dispute_reversal")
UNHEARD_PERIOD = timedelta(days=7)  # so long the balance is asked for what no event told of
FIRST_STATES = ("inquiry", "closed", "open")


def sync_disputes(attempt: Attempt, *, now: datetime) -> None:
    """Record every dispute of this attempt at the gateway. Raises Unavailable."""
    try:
        found = open_gateway(attempt.account.secret_key.decrypt()).list_disputes(attempt.stripe_payment_intent_id)
    except Rejected as error:
        raise Unavailable(str(error)) from error
    for remote in found:
        if remote.amount.currency == attempt.payment.currency:
            record_dispute(attempt, remote, now=now)
        else:
            notify_merchant_of_foreign_dispute(attempt, remote, now=now)


def schedule_dispute_checks(*, now: datetime) -> None:
    """Let a worker read again what is open, and what only the balance tells of: events get lost, accounts are left."""
    is_open = Attempt.objects.filter(disputes__state__in=OPEN_STATES)
    lines = BalanceTransaction.objects.filter(kind__in=DISPUTE_LINES, read_at__gt=now - UNHEARD_PERIOD)
    is_unheard = Attempt.objects.filter(
        Q(balance_transactions__in=lines.filter(dispute=None))
        | Q(balance_transactions__in=lines.filter(kind="dispute_reversal").exclude(dispute__state="won"))
    )
    for attempt in (is_open | is_unheard).exclude(stripe_payment_intent_id="").distinct().order_by("pk"):
        outbox.schedule(
            f"attempt:{attempt.pk}:disputes",
            "payments.read_disputes",
            now=now,
            account_id=attempt.account_id,
            intent_id=attempt.stripe_payment_intent_id,
        )


def notify_merchant_of_foreign_dispute(attempt: Attempt, remote: RemoteDispute, *, now: datetime) -> None:
    """Notify the merchant's people, at each step once, of a dispute whose amount can't be compared with the payment."""
    payment = attempt.payment
    with transaction():
        consequences.notify_merchant_of_payment(
            payment.merchant,
            payment,
            event=consequences.NotificationEvent.PAYMENT_DISPUTED,
            key=f"dispute:{remote.dispute_id}:foreign:{remote.status}",
            title="A dispute in another currency",
            body=f"{payment.company} disputes {remote.amount} for {payment.purpose}, which was paid with "
            f"{attempt.money}: nothing was changed here. Follow {remote.dispute_id} at Stripe ({remote.status} now). "
            "If the bank keeps the money, take the payment back in your accounting package.",
            now=now,
        )


def notify_merchant_of_left_dispute(attempt: Attempt, *, now: datetime) -> None:
    """Notify the merchant's people once that a dispute at a former account can't be followed any more."""
    payment, account = attempt.payment, attempt.account
    with transaction():
        consequences.notify_merchant_of_payment(
            payment.merchant,
            payment,
            event=consequences.NotificationEvent.PAYMENT_DISPUTED,
            key=f"dispute-left:{attempt.reference}",
            title="A dispute can't be followed any more",
            body=f"{payment.company} disputes {attempt.money} for {payment.purpose}, and the former Stripe account "
            f"{account.label} does not accept its saved keys any more. Follow {attempt.stripe_payment_intent_id} "
            "there. If the bank keeps the money, take the payment back in your accounting package, or save working "
            "keys of that account under Gateway.",
            now=now,
        )


def record_dispute(attempt: Attempt, remote: RemoteDispute, *, now: datetime) -> None:
    """Record one dispute, notify the merchant once, and reverse the attempt when all of the money is lost.

    A dispute of a bank debit is final when it is made (docs.stripe.com/payments/ach-direct-debit); one of a card
    is when it is lost. A payment that was refunded in full, or of which only a part is lost, is not reversed; only the
    merchant is notified.
    """
    with transaction():
        attempt.payment = lock_payment(attempt.payment)
        first = remote.status if remote.status in FIRST_STATES else "open"
        dispute, is_new = Dispute.objects.get_or_create(
            stripe_dispute_id=remote.dispute_id,
            defaults={
                "attempt": attempt,
                "amount": remote.amount.amount,
                "reason": remote.reason,
                "state": first,
                "state_at": now,
                "created_at": now,
            },
        )
        Dispute.objects.filter(pk=dispute.pk).update(
            amount=remote.amount.amount,
            due_by=remote.due_by,
            has_evidence=remote.has_evidence,
            **({"fee": remote.fee.amount, "fee_currency": remote.fee.currency} if remote.fee is not None else {}),
        )
        was_inquiry = not is_new and dispute.state in INQUIRY_STATES
        if remote.status in DISPUTE_TRANSITIONS.get(dispute.state, ()):
            dispute.move_to(remote.status, now=now, by="gateway", reason=remote.reason)
        if is_new or (was_inquiry and dispute.state not in INQUIRY_STATES):
            notify_merchant_of_dispute(attempt, remote, now=now)
        if is_dispute_final(attempt, remote):
            apply_lost_dispute(attempt, remote, now=now)
        if remote.status == "won":
            return_lost_part(attempt, remote.dispute_id, now=now)
            outbox.enqueue(f"dispute:{dispute.pk}:won", "payments.restore_payment", dispute_id=dispute.pk)


def is_dispute_final(attempt: Attempt, remote: RemoteDispute) -> bool:
    """Whether the bank keeps the money, and it was not refunded already."""
    payment = attempt.payment
    is_refunded = payment.paid_amount is not None and payment.refunded_amount >= payment.paid_amount
    is_taken = remote.status == "lost" or (remote.status == "open" and attempt.is_debit)
    return not is_refunded and is_taken


@transaction_required
def apply_lost_dispute(attempt: Attempt, remote: RemoteDispute, *, now: datetime) -> None:
    """Reverse the attempt if the dispute took all that was left of it; of a part the rest stays paid."""
    payment = attempt.payment
    if Refund.objects.filter(idempotency_key=get_part_key(remote.dispute_id)).exists():
        return
    rest = (payment.paid_amount or attempt.amount) - payment.refunded_amount
    if remote.amount.amount >= rest:
        reverse_attempt(attempt, reason=f"dispute:{remote.reason}", now=now)
        return
    lost, kept = remote.amount, Money(rest - remote.amount.amount, payment.currency)
    record_lost_part(attempt, remote, now=now)
    consequences.notify_merchant_of_payment(
        payment.merchant,
        payment,
        event=consequences.NotificationEvent.PAYMENT_DISPUTED,
        key=f"dispute:{remote.dispute_id}:part",
        title="A part of a payment was lost in a dispute",
        body=f"The bank keeps {lost} of {payment.purpose} from {payment.company}; {kept} stays paid. "
        "The accounting package is told the same.",
        now=now,
    )


def get_part_key(dispute_id: str) -> str:
    """The key of the refund that stands for what a dispute took of a payment."""
    return f"dispute-{dispute_id}"[:80]


@transaction_required
def record_lost_part(attempt: Attempt, remote: RemoteDispute, *, now: datetime) -> None:
    """Record the lost part as money that went back, so that payment and books are exactly so much less."""
    payment = attempt.payment
    refund = Refund.objects.create(
        payment=payment,
        attempt=attempt,
        amount=remote.amount.amount,
        reason=f"dispute: {remote.reason}"[:200],
        origin=Refund.Origin.DISPUTE,
        idempotency_key=get_part_key(remote.dispute_id),
        state="processing",
        state_at=now,
        created_at=now,
    )
    refund.move_locked_to("succeeded", now=now, by="gateway", reason="dispute lost")
    Payment.objects.filter(pk=payment.pk).update(refunded_amount=payment.refunded_amount + refund.amount)
    events.announce("payments.refund.succeeded", refund_id=refund.pk)


@transaction_required
def return_lost_part(attempt: Attempt, dispute_id: str, *, now: datetime) -> None:
    """Take the record of a lost part back, after the bank gave it back; nothing for other disputes."""
    refund = Refund.objects.select_for_update().filter(idempotency_key=get_part_key(dispute_id)).first()
    if refund is None or refund.state != "succeeded":
        return
    refund.move_locked_to("failed", now=now, by="gateway", reason="dispute won")
    payment = Payment.objects.get(pk=attempt.payment_id)
    refunded = max(payment.refunded_amount - refund.amount, 0)
    Payment.objects.filter(pk=payment.pk).update(refunded_amount=refunded)
    events.announce("payments.refund.reverted", refund_id=refund.pk)


@transaction_required
def notify_merchant_of_dispute(attempt: Attempt, remote: RemoteDispute, *, now: datetime) -> None:
    """Notify the merchant's people of a new dispute."""
    payment = attempt.payment
    reason = remote.reason.replace("_", " ")
    advice = get_dispute_advice(attempt, remote)
    consequences.notify_merchant_of_payment(
        payment.merchant,
        payment,
        event=consequences.NotificationEvent.PAYMENT_DISPUTED,
        key=f"dispute:{remote.dispute_id}" + (":inquiry" if remote.status in INQUIRY_STATES else ""),
        title="A bank asks about a payment" if remote.status in INQUIRY_STATES else "Payment disputed",
        body=f"{payment.company} disputes {remote.amount} for {payment.purpose} ({reason}). {advice}",
        now=now,
    )


def get_dispute_advice(attempt: Attempt, remote: RemoteDispute) -> str:
    """What the merchant does about a new dispute, and where the money is meanwhile."""
    deadline = f" by {remote.due_by:%-d %b %Y, %H:%M} UTC" if remote.due_by else " before its deadline"
    if remote.status in INQUIRY_STATES:
        return f"It is an inquiry: no money was taken. Answer it at Stripe{deadline}, so that none is."
    if attempt.is_debit:
        return "Disputed bank debits are final: the money went back."
    return f"Answer it at Stripe{deadline}; until it is decided the money is held back."
