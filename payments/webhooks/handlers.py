"""Which webhook events are handled, and the outbox handlers that re-read the object at the gateway that one named."""

from datetime import datetime

from payments.attempts.services import ATTEMPTS, refresh_attempt
from payments.balance.payouts import sync_payout
from payments.gateways import GatewayEvent, open_gateway
from payments.models import Attempt, GatewayAccount, SavedMethod, Setup
from payments.refunds import sync_refunds
from payments.reversals.disputes import sync_disputes
from payments.saved_methods.services import sync_saved_method
from payments.saved_methods.setups import refresh_setup
from wisepay.errors import Rejected
from wisepay.outbox import handler

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
)


def find_event_handler(event: GatewayEvent) -> tuple[str, str, str] | None:
    """Find the handler, the name of the id that it takes, and the id; None for an event that changes nothing here."""
    for beginning, name, argument in EVENT_HANDLERS:
        if event.kind.startswith(beginning):
            object_id = getattr(event, argument) if argument else ""
            return (name, argument, object_id) if object_id else None
    return None


@handler("payments.read_event")
def read_event(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Read the intent again and apply its present state to its attempt."""
    account = GatewayAccount.objects.get(pk=account_id)
    attempt = find_attempt_by_intent(account, intent_id)
    if attempt is not None and attempt.state in ("succeeded", "reversed"):
        return
    try:
        result = open_gateway(account.secret_key.decrypt()).look_up(intent_id)
    except Rejected:
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
        sync_refunds(attempt, now=now)


@handler("payments.read_disputes")
def read_disputes(*, account_id: int, intent_id: str, now: datetime, **_: object) -> None:
    """Read the disputes of an intent again, after its attempt if that is still undecided."""
    attempt = find_attempt_by_intent(GatewayAccount.objects.get(pk=account_id), intent_id)
    if attempt is None:
        return
    if attempt.is_live:
        refresh_attempt(attempt, now=now)
    sync_disputes(attempt, now=now)


@handler("payments.read_method")
def read_method(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read a saved method again."""
    sync_saved_method(GatewayAccount.objects.get(pk=account_id), object_id, now=now)


@handler("payments.read_mandate")
def read_mandate(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read the method again whose mandate changed."""
    account = GatewayAccount.objects.get(pk=account_id)
    for method in SavedMethod.objects.filter(account=account, stripe_mandate_id=object_id):
        sync_saved_method(account, method.stripe_payment_method_id, now=now)


@handler("payments.read_payout")
def read_payout(*, account_id: int, object_id: str, now: datetime, **_: object) -> None:
    """Read a payout again."""
    sync_payout(GatewayAccount.objects.get(pk=account_id), object_id, now=now)
