"""Outbox handlers of the payments floor."""

from datetime import datetime, timedelta

from payments import following, letters, movements
from payments.disputes import reread_disputes
from payments.gateways import open_gateway
from payments.methods import reread_method
from payments.models import Attempt, Dispute, GatewayAccount, Refund, SavedMethod, Setup
from payments.refunds import look_up_refund, reread_refunds
from payments.restoring import restore_payment as restore
from payments.services import cancel_attempt, conclude, look_up_attempt
from payments.setups import cancel_setup, look_up_setup
from wisepay import outbox
from wisepay.errors import Rejected
from wisepay.outbox import Retry, handler

ABANDONED = timedelta(minutes=30)  # a payer who left 3-D Secure this long ago is not coming back


@handler("payments.resolve_attempt")
def resolve_attempt(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Keep asking how an attempt ended until the gateway says so; end one whose payer went away."""
    attempt = attempt_row(attempt_id)
    if not attempt.is_live:
        return
    look_up_attempt(attempt, now=now)
    if attempt.state == "requires_action" and now - attempt.created_at > ABANDONED:
        cancel_attempt(attempt, by="sweeper", now=now)
    if attempt.is_live:
        outbox.put(f"attempt:{attempt.pk}:processing", "quotes.record_outcome", payment_id=attempt.payment_id)
        raise Retry(f"attempt {attempt.reference} is {attempt.state}", after=pause(attempt.created_at, now=now))


@handler("payments.resolve_setup")
def resolve_setup(*, setup_id: int, now: datetime, **_: object) -> None:
    """The same for a method that is being saved."""
    setup = Setup.objects.select_related("payment__merchant", "company__merchant", "account").get(pk=setup_id)
    if not setup.is_live:
        return
    look_up_setup(setup, now=now)
    if setup.state == "requires_action" and now - setup.created_at > ABANDONED:
        cancel_setup(setup, now=now)
    if setup.is_live:
        raise Retry(f"setup {setup.reference} is {setup.state}", after=pause(setup.created_at, now=now))


@handler("payments.resolve_refund")
def resolve_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """The same for a refund."""
    refund = Refund.objects.select_related("payment__merchant", "attempt__account", "attempt__payment").get(
        pk=refund_id
    )
    if refund.state != "processing":
        return
    look_up_refund(refund, now=now)
    if refund.state == "processing":
        raise Retry(f"refund {refund.reference} is not decided", after=pause(refund.created_at, now=now))


def pause(since: datetime, *, now: datetime) -> float:
    """Seconds until something that is not decided is asked about again: a quarter of its age, an hour at most."""
    return min(max(10.0, (now - since).total_seconds() / 4), 3600.0)


def attempt_row(attempt_id: int) -> Attempt:
    """The attempt with what its services need."""
    return Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method").get(
        pk=attempt_id
    )


@handler("payments.read_event")
def read_event(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """A webhook is only a reason to look: read the intent again and write down what the gateway says now."""
    account = GatewayAccount.objects.get(pk=account_id)
    attempt = attempt_by_intent(account, intent_id)
    if attempt is not None and attempt.state in ("succeeded", "reversed"):
        return
    try:
        outcome = open_gateway(account.secret_key.reveal()).look_up(intent_id)
    except Rejected:
        return  # not an intent of this account
    if attempt is None:
        mine = Attempt.objects.select_related("payment__merchant", "account", "saved_method").filter(account=account)
        attempt = mine.filter(reference=outcome.reference).exclude(reference="").first()
    if attempt is not None:
        conclude(attempt, outcome, now=now)


def attempt_by_intent(account: GatewayAccount, intent_id: str) -> Attempt | None:
    """The attempt of this account that the gateway knows under `intent_id`."""
    rows = Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method")
    return rows.filter(account=account, stripe_payment_intent_id=intent_id).exclude(stripe_payment_intent_id="").first()


@handler("payments.read_setup")
def read_setup(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Look again at a setup."""
    rows = Setup.objects.select_related("payment__merchant", "company__merchant", "account")
    setup = rows.filter(account=account_id, stripe_setup_intent_id=object_id).first()
    if setup is not None and setup.is_live:
        look_up_setup(setup, now=now)


@handler("payments.read_refunds")
def read_refunds(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Look again at the refunds of an intent."""
    attempt = attempt_by_intent(GatewayAccount.objects.get(pk=account_id), intent_id)
    if attempt is not None:
        reread_refunds(attempt, now=now)


@handler("payments.read_disputes")
def read_disputes(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Look again at the disputes of an intent; one that we still think is undecided is settled first."""
    attempt = attempt_by_intent(GatewayAccount.objects.get(pk=account_id), intent_id)
    if attempt is None:
        return
    if attempt.is_live:
        look_up_attempt(attempt, now=now)
    reread_disputes(attempt, now=now)


@handler("payments.restore_payment")
def restore_payment(*, dispute_id: int, now: datetime, **_: object) -> None:
    """Let a payment be paid again whose dispute was won; come back while somebody is paying it."""
    dispute = Dispute.objects.select_related("attempt__payment__merchant", "attempt__payment__company").get(
        pk=dispute_id
    )
    if not restore(dispute, now=now):
        raise Retry("somebody is paying it again", after=pause(dispute.state_at, now=now))


@handler("payments.read_method")
def read_method(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Look again at a kept method."""
    reread_method(GatewayAccount.objects.get(pk=account_id), object_id, now=now)


@handler("payments.read_mandate")
def read_mandate(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Look again at the method whose mandate changed."""
    account = GatewayAccount.objects.get(pk=account_id)
    for method in SavedMethod.objects.filter(account=account, stripe_mandate_id=object_id):
        reread_method(account, method.stripe_payment_method_id, now=now)


@handler("payments.read_movements")
def read_movements(*, account_id: int, now: datetime, **_: object) -> None:
    """Read what moved at the gateway since the last time."""
    movements.read_movements(GatewayAccount.objects.get(pk=account_id), now=now)


@handler("payments.read_payout")
def read_payout(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Look again at a payout."""
    movements.read_payout(GatewayAccount.objects.get(pk=account_id), object_id, now=now)


@handler("payments.forget_method")
def forget_method(*, method_id: int, **_: object) -> None:
    """Let the gateway forget a method that was removed here."""
    method = SavedMethod.objects.select_related("account").get(pk=method_id)
    gateway = open_gateway(method.account.secret_key.reveal())
    gateway.forget_method(method.stripe_payment_method_id, key=f"forget-{method.reference}")


@handler("payments.follow_success")
def follow_success(*, now: datetime, attempt_id: int = 0, payment_id: int = 0, **_: object) -> None:
    """Let everything follow that a paid payment causes. Messages of before attempts were named say the payment."""
    found = attempt_id or Attempt.objects.get(payment=payment_id, state="succeeded").pk
    following.follow_success(attempt_row(found), now=now)


@handler("payments.tell_merchant")
def tell_merchant(*, attempt_id: int, news: str, now: datetime, **_: object) -> None:
    """Tell the merchant's people what became of a bank debit."""
    following.tell_merchant(attempt_row(attempt_id), news=news, now=now)


@handler("payments.email_receipt")
def email_receipt(*, attempt_id: int = 0, payment_id: int = 0, **_: object) -> None:
    """Send the payer a receipt."""
    found = attempt_id or Attempt.objects.get(payment=payment_id, state="succeeded").pk
    letters.send_receipt(attempt_row(found))


@handler("payments.email_progress")
def email_progress(*, attempt_id: int, news: str, **_: object) -> None:
    """Tell the payer what became of a bank debit."""
    letters.send_progress(attempt_row(attempt_id), news=news)


@handler("payments.email_saved")
def email_saved(*, setup_id: int, **_: object) -> None:
    """Tell the payer that a method was saved."""
    rows = Setup.objects.select_related("company__merchant", "payment", "acceptance__terms", "saved_method")
    letters.send_saved(rows.get(pk=setup_id))


@handler("payments.email_refund")
def email_refund(*, refund_id: int, **_: object) -> None:
    """Tell the payer that money went back."""
    letters.send_refund(
        Refund.objects.select_related("payment__merchant", "payment__company", "attempt").get(pk=refund_id)
    )
