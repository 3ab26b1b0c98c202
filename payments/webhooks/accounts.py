"""Find the gateway account that a webhook belongs to."""

import time

from payments.models import GatewayAccount

CACHE_SECONDS = 60.0  # seconds a process may use a webhook secret it has read


_cached_accounts: dict[str, tuple[float, int, str]] = {}  # seconds of the monotonic clock, id, secret


def find_webhook_account(merchant_ref: str, *, skip_cache: bool = False) -> tuple[int, str] | None:
    """Find the id and webhook secret of a merchant's account, cached so that a webhook costs one query."""
    known = _cached_accounts.get(merchant_ref)
    if known and not skip_cache and time.monotonic() - known[0] < CACHE_SECONDS:
        return known[1], known[2]
    account = GatewayAccount.objects.filter(merchant__reference=merchant_ref).first()
    if account is None:
        return None
    _cached_accounts[merchant_ref] = (time.monotonic(), account.pk, account.webhook_secret.decrypt())
    return account.pk, _cached_accounts[merchant_ref][2]
