"""Limits against card testing: how often a stranger may reach the gateway."""

import zlib
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from payments.errors import TooManyAttempts
from payments.models import Attempt, Payment

WINDOW = timedelta(hours=1)


def check_limits(payment: Payment, *, ip: str, now: datetime) -> None:
    """Raises TooManyAttempts. Serialises attempts of one address until the open transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [0x1B, zlib.crc32(ip.encode()) - 2**31])
    # What failed without an intent is the merchant's trouble with the gateway, not a card that was tried.
    declined = payment.attempts.filter(state="failed").exclude(stripe_payment_intent_id="")
    if declined.count() >= settings.DECLINES_PER_PAYMENT:
        raise TooManyAttempts(
            "Too many cards were declined for this quote, so we stopped here to protect you. "
            f"Please contact {payment.merchant.name}."
        )
    if Attempt.objects.filter(ip=ip, created_at__gt=now - WINDOW).count() >= settings.GUEST_ATTEMPTS_PER_IP_HOUR:
        raise TooManyAttempts("Too many payments were tried from your network. Please try again in an hour.")
