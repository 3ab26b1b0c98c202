"""Orders about a merchant's gateway account: save the keys after testing them, remember the webhook secret."""

import time
from datetime import datetime

from django.db import transaction

from merchants.models import Merchant
from payments.gateways import open_gateway
from payments.models import Attempt, GatewayAccount
from payments.states import LIVE

REMEMBER = 60.0  # seconds a process may use a webhook secret it has read
_remembered: dict[str, tuple[float, int, str]] = {}


class AccountBusy(Exception):
    """A payment at the present account is being processed."""


def save_gateway_account(
    merchant: Merchant, *, publishable_key: str, secret_key: str, webhook_secret: str, now: datetime
) -> GatewayAccount:
    """Test the keys at the gateway, then keep them.

    Raises Rejected, Unavailable, or AccountBusy when it is another account and a payment at the present one is
    not decided yet: only the account that was asked can tell how it ended. Keeps nothing then.
    """
    account_id = open_gateway(secret_key).check()
    with transaction.atomic(durable=True):
        Merchant.objects.select_for_update().get(pk=merchant.pk)
        undecided = Attempt.objects.filter(account__merchant=merchant, state__in=LIVE)
        if undecided.exclude(account__stripe_account_id=account_id).exists():
            raise AccountBusy
        account, _ = GatewayAccount.objects.update_or_create(
            merchant=merchant,
            defaults={
                "stripe_account_id": account_id,
                "publishable_key": publishable_key,
                "secret_key": secret_key,
                "webhook_secret": webhook_secret,
                "verified_at": now,
            },
        )
    return account


def switch_bank_debits(merchant: Merchant, *, is_on: bool) -> None:
    """Whether the merchant's payers may pay by bank debit from now on."""
    GatewayAccount.objects.filter(merchant=merchant).update(takes_bank_debits=is_on)


def webhook_account(merchant_ref: str, *, reread: bool = False) -> tuple[int, str] | None:
    """The id and webhook secret of a merchant's account, remembered a minute so that a webhook costs one statement."""
    known = _remembered.get(merchant_ref)
    if known and not reread and time.monotonic() - known[0] < REMEMBER:
        return known[1], known[2]
    account = GatewayAccount.objects.filter(merchant__reference=merchant_ref).first()
    if account is None:
        return None
    _remembered[merchant_ref] = (time.monotonic(), account.pk, account.webhook_secret.reveal())
    return account.pk, _remembered[merchant_ref][2]
