"""Save a merchant's gateway account, after testing its keys, and say what its webhooks have to send where."""

from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction

from merchants.models import Merchant
from merchants.services import warn_of_replaced_keys
from payments.gateways import open_gateway
from payments.models import Attempt, GatewayAccount
from payments.states import LIVE_STATES
from wisepay.addresses import build_public_url
from wisepay.models import User

# The events that the merchant's endpoint at Stripe has to send.
ENABLED_EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
    "payment_method.detached",
    "payment_method.automatically_updated",
    "mandate.updated",
    "payout.paid",
    "payout.failed",
    "payout.reconciliation_completed",
)


class GatewayAccountInUse(Exception):
    """A payment at the present account is being processed."""


def save_gateway_account(
    merchant: Merchant,
    *,
    publishable_key: str,
    secret_key: str,
    webhook_secret: str,
    now: datetime,
    by: User | None = None,
) -> GatewayAccount:
    """Test the keys at the gateway, then save them; the admins are told when they take the place of others.

    Raises Rejected, Unavailable, or GatewayAccountInUse when the keys are another account's while a payment at the
    present one is undecided: only the present account can say how it ended. Nothing is saved then.
    """
    account_id = open_gateway(secret_key).get_account_id()
    with transaction():
        Merchant.objects.select_for_update().get(pk=merchant.pk)
        undecided = Attempt.objects.filter(account__merchant=merchant, state__in=LIVE_STATES)
        if undecided.exclude(account__stripe_account_id=account_id).exists():
            raise GatewayAccountInUse
        account, is_first = GatewayAccount.objects.update_or_create(
            merchant=merchant,
            defaults={
                "stripe_account_id": account_id,
                "publishable_key": publishable_key,
                "secret_key": secret_key,
                "webhook_secret": webhook_secret,
                "verified_at": now,
            },
        )
        if by and not is_first:
            path = reverse("payments:gateway", args=[merchant.reference])
            warn_of_replaced_keys(merchant, what="The Stripe keys", by=by, path=path, now=now)
    return account


def set_bank_debits(merchant: Merchant, *, is_on: bool) -> None:
    """Set whether the merchant's payers may pay by bank debit."""
    GatewayAccount.objects.filter(merchant=merchant).update(takes_bank_debits=is_on)


def get_webhook_url(merchant: Merchant) -> str:
    """Where Stripe has to send this merchant's events."""
    return build_public_url(reverse("payments:stripe_webhook", args=[merchant.reference]))
