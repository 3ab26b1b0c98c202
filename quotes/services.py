"""Orders about the CPQ integration and about quotes whose time is over."""

import secrets
from datetime import datetime

from django.db import transaction

from merchants.models import Merchant
from payments.states import LIVE
from quotes.models import REMEMBER, CpqIntegration, IdempotentAnswer, Quote, digest
from quotes.status import tell_status

KEY_PREFIX = "wpk_"


def integration_of(merchant: Merchant) -> CpqIntegration:
    """The merchant's integration, made on first sight."""
    return CpqIntegration.objects.get_or_create(merchant=merchant)[0]


def save_integration(
    integration: CpqIntegration, *, is_enabled: bool, hosts: list[str], new_key: bool, now: datetime
) -> CpqIntegration:
    """Save the switch and the hosts; with `new_key` a fresh API key takes the place of the old one at once."""
    with transaction.atomic(durable=True):
        locked = CpqIntegration.objects.select_for_update().get(pk=integration.pk)
        locked.is_enabled, locked.hosts = is_enabled, hosts
        if new_key:
            key = KEY_PREFIX + secrets.token_urlsafe(30).replace("-", "x").replace("_", "y")
            locked.api_key, locked.api_key_digest, locked.key_made_at = key, digest(key), now
        locked.save()
    return locked


def forget_answers(*, now: datetime) -> int:
    """Delete what was answered to idempotency keys whose day is over; answers how many."""
    return IdempotentAnswer.objects.filter(created_at__lte=now - REMEMBER).delete()[0]


def expire_quotes(*, now: datetime, limit: int = 500) -> int:
    """Label open quotes whose deadline passed, if no attempt is live; answers how many."""
    over = (
        Quote.objects.filter(state="open", payment__state="open", payment__expires_at__lte=now)
        .exclude(payment__attempts__state__in=LIVE)
        .order_by("pk")
    )
    count = 0
    for quote in over[:limit]:
        with transaction.atomic(durable=True):
            locked = quote.lock()
            locked.payment = locked.payment.lock()
            is_live = locked.payment.attempts.filter(state__in=LIVE).exists()
            if (
                locked.state == "open"
                and locked.payment.state == "open"
                and locked.payment.is_over(now)
                and not is_live
            ):
                locked.move_to("expired", now=now, by="sweeper")
                tell_status(locked, now=now)
                count += 1
    return count
