"""Limits against card testing: how often a stranger may reach the gateway."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.conf import settings
from django.db import connection

from payments.errors import TooManyAttempts
from payments.models import Attempt, Payment

WINDOW = timedelta(hours=1)


def network_of(ip: str) -> str:
    """Who counts as one: an IPv4 address, or the /64 that an IPv6 line is given."""
    return str(ip_network((ip, 64 if ":" in ip else 32), strict=False))


def check_limits(payment: Payment, *, attempts: Sequence[Attempt], ip: str, now: datetime) -> None:
    """Raises TooManyAttempts. Serialises attempts of one address until the open transaction ends."""
    network = network_of(ip)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [0x1B, zlib.crc32(network.encode()) - 2**31])
    # What failed without an intent is the merchant's trouble with the gateway, not a card that was tried.
    declined = [a for a in attempts if a.state == "failed" and a.stripe_payment_intent_id]
    if len(declined) >= settings.DECLINES_PER_PAYMENT:
        raise TooManyAttempts(
            "Too many cards were declined for this quote, so we stopped here to protect you. "
            f"Please contact {payment.merchant.name}."
        )
    tried = Attempt.objects.filter(created_at__gt=now - WINDOW).extra(where=["ip <<= %s"], params=[network])
    if tried.count() >= settings.GUEST_ATTEMPTS_PER_IP_HOUR:
        raise TooManyAttempts("Too many payments were tried from your network. Please try again in an hour.")
