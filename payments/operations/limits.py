"""Limit how often a network or an account may reach the gateway, against card testing."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.conf import settings
from django.db import connection

from payments.errors import TooManyAttempts
from payments.method_choices import Person
from payments.models import Attempt, GatewayOperation, Setup
from wisepay.locks import AdvisoryLock, lock_in_transaction

WINDOW = timedelta(hours=1)
COUNT_SQL = """
SELECT (SELECT count(*) FROM payments_attempt WHERE created_at > %(since)s AND {who})
     + (SELECT count(*) FROM payments_setup WHERE created_at > %(since)s AND {who})
"""
COUNT_BY_NETWORK_SQL = COUNT_SQL.format(who="ip <<= %(who)s::inet")
COUNT_BY_USER_SQL = COUNT_SQL.format(who="user_id = %(who)s")


def get_network(ip: str) -> str:
    """Return what counts as one network: an IPv4 address, or the /64 of an IPv6 connection."""
    return str(ip_network((ip, 64 if ":" in ip else 32), strict=False))


def check_attempt_limits(
    operations: Sequence[GatewayOperation], *, merchant: str, person: Person, now: datetime
) -> None:
    """Check the limits of attempts. Raises TooManyAttempts. `operations` are all of this payment so far.

    Serialises attempts of one address, or of one account, until the open transaction ends.
    """
    # What failed without an intent is the merchant's trouble with the gateway, not a card that was tried.
    declined = [one for one in operations if one.state == "failed" and _reached_gateway(one)]
    if len(declined) >= settings.DECLINES_PER_PAYMENT:
        raise TooManyAttempts(
            "Too many cards were declined for this payment, so we stopped here to protect you. "
            f"Please contact {merchant}."
        )
    user_id = person.user.pk if person.user is not None and person.is_signed_in else None
    if user_id is None:
        limit, sql, who = settings.GUEST_ATTEMPTS_PER_IP_HOUR, COUNT_BY_NETWORK_SQL, get_network(person.ip)
    else:
        limit, sql, who = settings.ATTEMPTS_PER_USER_HOUR, COUNT_BY_USER_SQL, str(user_id)
    lock_in_transaction(AdvisoryLock.ATTEMPT_LIMIT, zlib.crc32(who.encode()))
    with connection.cursor() as cursor:
        cursor.execute(sql, {"since": now - WINDOW, "who": who if user_id is None else user_id})
        tried = cursor.fetchone()[0]
    if tried >= limit:
        where = "from your network" if user_id is None else "with your account"
        raise TooManyAttempts(f"Too many payments were tried {where}. Please try again in an hour.")


def _reached_gateway(operation: GatewayOperation) -> bool:
    if isinstance(operation, Attempt):
        return bool(operation.stripe_payment_intent_id) and operation.submitted_at is None
    return isinstance(operation, Setup) and bool(operation.stripe_setup_intent_id)
