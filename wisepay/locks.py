"""Advisory locks: every class of them, and the one way to take one."""

from enum import IntEnum

from django.db import connection
from django_subatomic.db import transaction_required


class AdvisoryLock(IntEnum):
    """What is locked. A number is never reused: processes of two versions may run side by side."""

    ATTEMPT_LIMIT = 0x1B  # attempts to pay, by a hash of the network or the user that they come from
    COMPANY_MATCHING = 0xC4  # matching the credits of one payer company, by its primary key


@transaction_required
def lock_in_transaction(lock: AdvisoryLock, key: int) -> None:
    """Wait for the lock of that class and key, and keep it until the open transaction ends.

    Of `key` the lowest 32 bits count, so two far apart may have to wait for each other.
    """
    signed = (key + 2**31) % 2**32 - 2**31
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [int(lock), signed])
