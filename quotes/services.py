"""The CPQ integration's settings, and what expires: quotes and answers to idempotency keys."""

import secrets
from datetime import datetime

from django_subatomic.db import transaction

from merchants.models import Merchant
from payments.states import LIVE_STATES
from quotes.models import IDEMPOTENCY_KEY_LIFETIME, CpqIntegration, IdempotentAnswer, Quote, hash_api_key
from quotes.status import schedule_status_callback

KEY_PREFIX = "wpk_"


def get_integration(merchant: Merchant) -> CpqIntegration:
    """The merchant's integration, created if needed."""
    return CpqIntegration.objects.get_or_create(merchant=merchant)[0]


def save_integration(
    integration: CpqIntegration, *, is_enabled: bool, hosts: list[str], new_key: bool, now: datetime
) -> CpqIntegration:
    """Save the switch and the hosts; with `new_key` a fresh API key takes the place of the old one at once."""
    with transaction():
        locked = CpqIntegration.objects.select_for_update().get(pk=integration.pk)
        locked.is_enabled, locked.hosts = is_enabled, hosts
        if new_key:
            key = KEY_PREFIX + secrets.token_urlsafe(30).replace("-", "x").replace("_", "y")
            locked.api_key, locked.api_key_digest, locked.key_created_at = key, hash_api_key(key), now
        locked.save()
    return locked


def delete_expired_answers(*, now: datetime) -> int:
    """Delete the stored answers to idempotency keys that expired; answers how many."""
    return IdempotentAnswer.objects.filter(created_at__lte=now - IDEMPOTENCY_KEY_LIFETIME).delete()[0]


def expire_quotes(*, now: datetime, limit: int = 500) -> int:
    """Expire open quotes whose deadline passed, unless an attempt is live; answers how many."""
    overdue = (
        Quote.objects.filter(state="open", payment__state="open", payment__expires_at__lte=now)
        .exclude(payment__attempts__state__in=LIVE_STATES)
        .order_by("pk")
    )
    count = 0
    for quote in overdue[:limit]:
        with transaction():
            locked = quote.lock()
            locked.payment = locked.payment.lock()
            is_live = locked.payment.attempts.filter(state__in=LIVE_STATES).exists()
            if (
                locked.state == "open"
                and locked.payment.state == "open"
                and locked.payment.is_expired(now)
                and not is_live
            ):
                locked.move_to("expired", now=now, by="sweeper")
                schedule_status_callback(locked, now=now)
                count += 1
    return count
