"""Outbox handlers of the payments floor."""

from datetime import datetime, timedelta

from payments.gateways import open_gateway
from payments.models import Attempt, GatewayAccount, Payment
from payments.services import cancel_attempt, conclude, look_up_attempt
from payments.services import follow_success as follow
from wisepay import outbox
from wisepay.errors import Rejected
from wisepay.mail import send_mail
from wisepay.outbox import Retry, handler

ABANDONED = timedelta(minutes=30)  # a payer who left 3-D Secure this long ago is not coming back


@handler("payments.resolve_attempt")
def resolve_attempt(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Keep asking how an attempt ended until the gateway says so; end one whose payer went away."""
    attempt = Attempt.objects.select_related("payment__merchant", "account").get(pk=attempt_id)
    if not attempt.is_live:
        return
    look_up_attempt(attempt, now=now)
    if attempt.state == "requires_action" and now - attempt.created_at > ABANDONED:
        cancel_attempt(attempt, by="sweeper", now=now)
    if attempt.is_live:
        outbox.put(f"attempt:{attempt.pk}:processing", "quotes.record_outcome", payment_id=attempt.payment_id)
        age = (now - attempt.created_at).total_seconds()
        raise Retry(f"attempt {attempt.reference} is {attempt.state}", after=min(max(10.0, age / 4), 3600.0))


@handler("payments.read_event")
def read_event(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """A webhook is only a reason to look: read the intent again and write down what the gateway says now."""
    account = GatewayAccount.objects.get(pk=account_id)
    mine = Attempt.objects.select_related("payment__merchant", "account").filter(account=account)
    attempt = mine.filter(stripe_payment_intent_id=intent_id).first()
    if attempt is not None and attempt.state in ("succeeded", "reversed"):
        return
    try:
        outcome = open_gateway(account.secret_key.reveal()).look_up(intent_id)
    except Rejected:
        return  # not an intent of this account
    attempt = attempt or mine.filter(reference=outcome.reference).exclude(reference="").first()
    if attempt is not None:
        conclude(attempt, outcome, now=now)


@handler("payments.follow_success")
def follow_success(*, payment_id: int, now: datetime, **_: object) -> None:
    """Let everything follow that a paid payment causes."""
    follow(Payment.objects.select_related("merchant", "company").get(pk=payment_id), now=now)


@handler("payments.email_receipt")
def email_receipt(*, payment_id: int, **_: object) -> None:
    """Send the payer a receipt."""
    payment = Payment.objects.select_related("merchant", "company").get(pk=payment_id)
    attempt = payment.attempts.get(state="succeeded")
    send_mail(
        "emails/receipt",
        to=attempt.payer_email,
        subject=f"Receipt from {payment.merchant.name}: {payment.paid}",
        message_id=f"receipt-{payment.reference}",
        context={"payment": payment, "attempt": attempt, "merchant": payment.merchant},
        sender_name=payment.merchant.name,
        reply_to=payment.merchant.contact_email,
    )
