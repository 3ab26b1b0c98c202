"""Outbox handlers of payments, and which webhook event calls which: it only names an object, which is read again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import structlog
from django_subatomic.db import transaction

from merchants.models import Terms
from payments import consequences
from payments.attempts.services import ATTEMPTS, refresh_attempt
from payments.balance.payouts import sync_payout
from payments.balance.services import sync_balance
from payments.consent import list_accepted_terms, send_authorisation_email
from payments.consequences import send_debit_email, send_method_saved_email, send_refund_email
from payments.gateway_accounts import is_unreachable, register_public_domain
from payments.gateways import GatewayEvent, open_gateway
from payments.models import Attempt, Dispute, GatewayAccount, Refund, SavedMethod, Setup
from payments.operations.customers import sync_customer
from payments.operations.next_actions import find_next_action
from payments.operations.services import build_retry, get_retry_delay
from payments.receipts import send_receipt_email
from payments.refunds import refresh_refund, sync_refunds
from payments.reversals.disputes import notify_merchant_of_left_dispute, sync_disputes
from payments.reversals.fraud_warnings import sync_fraud_warnings
from payments.reversals.reinstatements import reinstate_payment
from payments.saved_methods.removal import has_live_attempts, retire_account_methods, send_method_removed_email
from payments.saved_methods.services import send_new_method_email, sync_saved_method
from payments.saved_methods.setups import SETUPS, refresh_setup
from payments.states import LIVE_STATES
from payments.webhooks.silence import check_webhooks, sync_account
from wisepay.errors import NotThere, Rejected, Unavailable, retry_refusals
from wisepay.outbox import Retry, handler

log = structlog.get_logger(__name__)

# Beginnings of event types (docs.stripe.com/api/events/types), the handler, and which id it is given.
EVENT_HANDLERS = (
    ("payment_intent.created", "", ""),
    ("payment_intent.", "payments.read_event", "intent_id"),
    ("setup_intent.created", "", ""),
    ("setup_intent.", "payments.read_setup", "object_id"),
    ("charge.dispute.", "payments.read_disputes", "intent_id"),
    ("charge.refund", "payments.read_refunds", "intent_id"),
    ("refund.", "payments.read_refunds", "intent_id"),
    ("payment_method.attached", "", ""),
    ("payment_method.", "payments.read_method", "object_id"),
    ("mandate.", "payments.read_mandate", "object_id"),
    ("payout.", "payments.read_payout", "object_id"),
    ("customer.deleted", "payments.read_customer", "object_id"),
    ("radar.early_fraud_warning.", "payments.read_fraud_warnings", "intent_id"),
    ("account.updated", "payments.read_account", "object_id"),
    ("capability.updated", "payments.read_account", "object_id"),
)


def find_event_handler(event: GatewayEvent) -> tuple[str, str, str] | None:
    """Find the handler, the name of the id that it takes, and the id; None for an event that changes nothing here."""
    for beginning, name, argument in EVENT_HANDLERS:
        if event.kind.startswith(beginning):
            object_id = getattr(event, argument) if argument else ""
            return (name, argument, object_id) if object_id else None
    return None


@contextmanager
def unless_left(account: GatewayAccount) -> Iterator[None]:
    """Give up in the block when the account was replaced and its keys are not accepted: asking again is of no use."""
    try:
        yield
    except (Unavailable, Rejected) as error:
        if not is_unreachable(account, error) and not is_unreachable(account, error.__cause__):
            raise
        log.warning("gateway.account_left", account=account.label)


@handler("payments.read_event")
def read_event(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Read the intent again and apply its present state to its attempt."""
    account = GatewayAccount.objects.get(pk=account_id)
    with unless_left(account):
        apply_intent(account, intent_id, now=now)


def apply_intent(account: GatewayAccount, intent_id: str, *, now: datetime) -> None:
    """Read an intent, and apply its state to the attempt that it is of."""
    attempt = find_attempt_by_intent(account, intent_id)
    if attempt is not None and attempt.state in ("succeeded", "reversed"):
        return
    try:
        with retry_refusals():
            result = open_gateway(account.secret_key.decrypt()).look_up(intent_id)
    except NotThere:
        return  # not an intent of this account
    if attempt is None:
        rows = Attempt.objects.select_related("payment__merchant", "account", "saved_method").filter(account=account)
        attempt = rows.filter(reference=result.reference).exclude(reference="").first()
    if attempt is not None:
        ATTEMPTS.settle(attempt, result, now=now)


def find_attempt_by_intent(account: GatewayAccount, intent_id: str) -> Attempt | None:
    """Find the attempt of this account by its intent."""
    rows = Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method")
    return rows.filter(account=account, stripe_payment_intent_id=intent_id).exclude(stripe_payment_intent_id="").first()


@handler("payments.read_setup")
def read_setup(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read a setup again."""
    rows = Setup.objects.select_related("payment__merchant", "company__merchant", "account")
    setup = rows.filter(account=account_id, stripe_setup_intent_id=object_id).first()
    if setup is not None and setup.is_live:
        refresh_setup(setup, now=now)


@handler("payments.read_refunds")
def read_refunds(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Read the refunds of an intent again."""
    attempt = find_attempt_by_intent(GatewayAccount.objects.get(pk=account_id), intent_id)
    if attempt is not None:
        with unless_left(attempt.account):
            sync_refunds(attempt, now=now)


@handler("payments.read_disputes")
def read_disputes(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Read the disputes of an intent again, after its attempt if that is still undecided."""
    attempt = find_attempt_by_intent(GatewayAccount.objects.get(pk=account_id), intent_id)
    if attempt is None:
        return
    if attempt.is_live:
        refresh_attempt(attempt, now=now)
    try:
        sync_disputes(attempt, now=now)
    except Unavailable as error:
        if not is_unreachable(attempt.account, error.__cause__):
            raise
        notify_merchant_of_left_dispute(attempt, now=now)


@handler("payments.read_method")
def read_method(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read a saved method again."""
    account = GatewayAccount.objects.get(pk=account_id)
    with unless_left(account):
        sync_saved_method(account, object_id, now=now)


@handler("payments.read_mandate")
def read_mandate(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read the method again whose mandate changed."""
    account = GatewayAccount.objects.get(pk=account_id)
    with unless_left(account):
        for method in SavedMethod.objects.filter(account=account, stripe_mandate_id=object_id):
            sync_saved_method(account, method.stripe_payment_method_id, now=now)


@handler("payments.read_payout")
def read_payout(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read a payout again."""
    account = GatewayAccount.objects.get(pk=account_id)
    with unless_left(account):
        sync_payout(account, object_id, now=now)


@handler("payments.read_customer")
def read_customer(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read a customer again: the methods of one that was deleted are gone with it."""
    account = GatewayAccount.objects.get(pk=account_id)
    with unless_left(account):
        sync_customer(account, object_id, now=now)


@handler("payments.read_fraud_warnings")
def read_fraud_warnings(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Read the fraud warnings of an intent again, and tell the merchant of new ones."""
    attempt = find_attempt_by_intent(GatewayAccount.objects.get(pk=account_id), intent_id)
    if attempt is not None:
        with unless_left(attempt.account):
            sync_fraud_warnings(attempt, now=now)


@handler("payments.read_account")
def read_account(*, account_id: int, now: datetime, **_: object) -> None:
    """Read again what the gateway lets the account do."""
    account = GatewayAccount.objects.select_related("merchant").get(pk=account_id)
    with unless_left(account):
        sync_account(account, now=now)


@handler("payments.check_webhooks")
def check_account_webhooks(*, account_id: int, now: datetime, **_: object) -> None:
    """Look whether the gateway's events arrive."""
    account = GatewayAccount.objects.select_related("merchant").get(pk=account_id)
    if account.is_current:
        check_webhooks(account, now=now)


@handler("payments.register_domain")
def register_domain(*, account_id: int, **_: object) -> None:
    """Register the domain on which wallets are shown."""
    register_public_domain(GatewayAccount.objects.get(pk=account_id))


@handler("payments.retire_methods")
def retire_methods(*, account_id: int, now: datetime, **_: object) -> None:
    """Retire the saved methods of an account that was replaced, and tell their payers."""
    retire_account_methods(GatewayAccount.objects.select_related("merchant").get(pk=account_id), now=now)


@handler("payments.email_next_action")
def email_next_action(*, kind: str, operation_id: int, **_: object) -> None:
    """Send the payer what is left to do, unless it was done meanwhile."""
    model = Attempt if kind == "attempt" else Setup
    rows = model._base_manager.select_related("payment__merchant", "payment__company", "account__merchant")
    operation = rows.get(pk=operation_id)
    action = find_next_action(operation)
    if action is not None:
        consequences.send_next_action_email(operation, title=str(action.title), text=str(action.text))


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
    if has_live_attempts(method):
        raise Retry("a payment with it has not ended", after=3600)
    with unless_left(method.account):
        gateway = open_gateway(method.account.secret_key.decrypt())
        gateway.detach_method(method.stripe_payment_method_id, key=f"forget-{method.reference}")


@handler("payments.forget_replaced_method")
def forget_replaced_method(*, method_id: int, payment_method_id: str, **_: object) -> None:
    """Detach at the gateway what a card or an account was saved as before it was saved again."""
    method = SavedMethod.objects.select_related("account").get(pk=method_id)
    if method.stripe_payment_method_id == payment_method_id:
        return
    live = Attempt.objects.filter(account=method.account_id, state__in=LIVE_STATES)
    if live.filter(stripe_payment_method_id=payment_method_id).exists():
        raise Retry("a payment with it has not ended", after=3600)
    gateway = open_gateway(method.account.secret_key.decrypt())
    gateway.detach_method(payment_method_id, key=f"forget-{payment_method_id}")


@handler("payments.email_method_removed")
def email_method_removed(*, method_id: int, uses: str, by: str, recipient_id: int, **_: object) -> None:
    """Tell a person that a method can't be charged any more, and what ended with it."""
    method = SavedMethod.objects.select_related("company__merchant").get(pk=method_id)
    send_method_removed_email(method, uses=uses, by=by, recipient_id=recipient_id)


@handler("payments.email_new_method")
def email_new_method(*, method_id: int, recipient_id: int, **_: object) -> None:
    """Tell one of a company's people that a method was saved there, or is shared now."""
    method = SavedMethod.objects.select_related("company__merchant", "owner").get(pk=method_id)
    send_new_method_email(method, recipient_id=recipient_id)


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
    send_receipt_email(get_attempt(found))


@handler("payments.email_progress")
def email_progress(*, attempt_id: int, news: str, now: datetime, **_: object) -> None:
    """Send the payer a mail about a bank debit."""
    send_debit_email(get_attempt(attempt_id), news=news, now=now)


@handler("payments.email_saved")
def email_saved(*, setup_id: int, **_: object) -> None:
    """Send the payer a mail about a saved method."""
    rows = Setup.objects.select_related("company__merchant", "payment", "acceptance__terms", "saved_method")
    send_method_saved_email(rows.get(pk=setup_id))


@handler("payments.email_authorisation")
def email_authorisation(*, operation: str, **_: object) -> None:
    """Send the payer a copy of the debit terms that they accepted."""
    for acceptance in list_accepted_terms([operation], Terms.Kind.DIRECT_DEBIT):
        send_authorisation_email(acceptance)


@handler("payments.email_refund")
def email_refund(*, refund_id: int, **_: object) -> None:
    """Send the payer a mail about a refund."""
    send_refund_email(
        Refund.objects.select_related("payment__merchant", "payment__company", "attempt").get(pk=refund_id)
    )
