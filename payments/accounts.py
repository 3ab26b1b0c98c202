"""Orders about a merchant's gateway account: save the keys after testing them, remember the webhook secret."""

import time
from datetime import datetime

from django.db import transaction

from merchants.models import Merchant
from payments.gateways import open_gateway
from payments.models import GatewayAccount

REMEMBER = 60.0  # seconds a process may use a webhook secret it has read
_remembered: dict[str, tuple[float, int, str]] = {}


def save_gateway_account(
    merchant: Merchant, *, publishable_key: str, secret_key: str, webhook_secret: str, now: datetime
) -> GatewayAccount:
    """Test the keys at the gateway, then keep them. Raises Rejected or Unavailable, and keeps nothing then."""
    open_gateway(secret_key).check()
    with transaction.atomic(durable=True):
        account, _ = GatewayAccount.objects.update_or_create(
            merchant=merchant,
            defaults={
                "publishable_key": publishable_key,
                "secret_key": secret_key,
                "webhook_secret": webhook_secret,
                "verified_at": now,
            },
        )
    return account


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
