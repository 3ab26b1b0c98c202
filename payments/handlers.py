"""Outbox handlers of payments."""

from datetime import datetime

from django_subatomic.db import transaction

import payments.webhooks.handlers  # noqa: F401 (they register themselves)
from payments import consequences, emails
from payments.attempts.services import ATTEMPTS
from payments.balance.services import sync_balance
from payments.gateways import open_gateway
from payments.models import Attempt, Dispute, GatewayAccount, Refund, SavedMethod, Setup
from payments.operations.services import build_retry, get_retry_delay
from payments.refunds import refresh_refund
from payments.reversals.reinstatements import reinstate_payment
from payments.saved_methods.setups import SETUPS
from wisepay.outbox import Retry, handler


@handler("payments.resolve_attempt")
def resolve_attempt(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Look an attempt up until the gateway says how it ended; cancel one whose payer went away."""
    attempt = get_attempt(attempt_id)
    if not attempt.is_live:
        return
    ATTEMPTS.resolve(attempt, now=now)
    if attempt.is_live:
        with transaction():
            consequences.announce_attempt("payments.attempt.processing", attempt)
        raise build_retry(attempt, now=now)


@handler("payments.resolve_setup")
def resolve_setup(*, setup_id: int, now: datetime, **_: object) -> None:
    """Look a setup up until the gateway says how it ended; cancel one whose payer went away."""
    setup = Setup.objects.select_related("payment__merchant", "company__merchant", "account").get(pk=setup_id)
    if not setup.is_live:
        return
    SETUPS.resolve(setup, now=now)
    if setup.is_live:
        raise build_retry(setup, now=now)


@handler("payments.resolve_refund")
def resolve_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Look a refund up until the gateway says how it ended."""
    rows = Refund.objects.select_related("payment__merchant", "attempt__account", "attempt__payment")
    refund = rows.get(pk=refund_id)
    if refund.state != "processing":
        return
    refresh_refund(refund, now=now)
    if refund.state == "processing":
        raise build_retry(refund, now=now)


def get_attempt(attempt_id: int) -> Attempt:
    """Return the attempt with the rows that its services need."""
    return Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method").get(
        pk=attempt_id
    )


@handler("payments.restore_payment")
def restore_payment(*, dispute_id: int, now: datetime, **_: object) -> None:
    """Reinstate a payment whose dispute was won; retry while somebody is paying it again."""
    dispute = Dispute.objects.select_related("attempt__payment__merchant", "attempt__payment__company").get(
        pk=dispute_id
    )
    if not reinstate_payment(dispute, now=now):
        raise Retry("somebody is paying it again", after=get_retry_delay(dispute.state_at, now=now))


@handler("payments.read_movements")
def read_movements(*, account_id: int, now: datetime, **_: object) -> None:
    """Read new balance transactions and payouts."""
    sync_balance(GatewayAccount.objects.get(pk=account_id), now=now)


@handler("payments.forget_method")
def forget_method(*, method_id: int, **_: object) -> None:
    """Detach a removed method at the gateway."""
    method = SavedMethod.objects.select_related("account").get(pk=method_id)
    gateway = open_gateway(method.account.secret_key.decrypt())
    gateway.detach_method(method.stripe_payment_method_id, key=f"forget-{method.reference}")


@handler("payments.follow_success")
def follow_success(*, now: datetime, attempt_id: int = 0, payment_id: int = 0, **_: object) -> None:
    """Announce that a payment was paid. Older messages name the payment instead of the attempt."""
    found = attempt_id or Attempt.objects.get(payment=payment_id, state="succeeded").pk
    consequences.announce_success(get_attempt(found), now=now)


@handler("payments.tell_merchant")
def tell_merchant(*, attempt_id: int, news: str, now: datetime, **_: object) -> None:
    """Notify the merchant's people of what became of a bank debit."""
    consequences.notify_merchant_of_debit(get_attempt(attempt_id), news=news, now=now)


@handler("payments.email_receipt")
def email_receipt(*, attempt_id: int = 0, payment_id: int = 0, **_: object) -> None:
    """Send the payer a receipt."""
    found = attempt_id or Attempt.objects.get(payment=payment_id, state="succeeded").pk
    emails.send_receipt_email(get_attempt(found))


@handler("payments.email_progress")
def email_progress(*, attempt_id: int, news: str, **_: object) -> None:
    """Send the payer a mail about a bank debit."""
    emails.send_debit_email(get_attempt(attempt_id), news=news)


@handler("payments.email_saved")
def email_saved(*, setup_id: int, **_: object) -> None:
    """Send the payer a mail about a saved method."""
    rows = Setup.objects.select_related("company__merchant", "payment", "acceptance__terms", "saved_method")
    emails.send_method_saved_email(rows.get(pk=setup_id))


@handler("payments.email_refund")
def email_refund(*, refund_id: int, **_: object) -> None:
    """Send the payer a mail about a refund."""
    emails.send_refund_email(
        Refund.objects.select_related("payment__merchant", "payment__company", "attempt").get(pk=refund_id)
    )
