"""Retention: an invitation or a registration that nobody answered is deleted after the merchant's days."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db.models import DurationField, ExpressionWrapper, F, ProtectedError, Value
from django_subatomic.db import transaction

from payers.models import PayerAccess, Registration
from wisepay.models import User
from wisepay.personal_data.erasure import ErasureRefused, erase_person
from wisepay.personal_data.registry import Subject

BATCH = 200
STORED = ExpressionWrapper(F("company__merchant__keeps_unproved_days") * Value(timedelta(days=1)), DurationField())


def delete_unproved_people(*, now: datetime) -> int:
    """Delete accesses that waited for longer than their merchant stores them, and people who have nothing else.

    What they paid meanwhile stays under a pseudonym. Answer how many accesses were deleted.
    """
    delete_open_registrations(now=now)
    waiting = PayerAccess.objects.annotate(stored=STORED).filter(state="pending", state_at__lt=now - F("stored"))
    found = list(waiting.select_related("user").order_by("pk")[:BATCH])
    return sum(delete_unproved_access(access) for access in found)


def delete_unproved_access(access: PayerAccess) -> bool:
    """Delete one access if it still waits, and its person if that was all. False when something is in the way."""
    with transaction():
        locked = PayerAccess.objects.select_for_update().filter(pk=access.pk, state="pending").first()
        if locked is None:
            return False
        locked.delete()
    if not is_alone(access.user):
        return True
    # While a payment of theirs is on its way the account stays, without access to anything.
    with suppress(ErasureRefused):
        erase_person(Subject(access.user.email, access.user))
    return True


def is_alone(user: User) -> bool:
    """Whether nothing holds the account: it never signed in, works nowhere, and sees no company."""
    others = PayerAccess.objects.filter(user=user).exists() or user.memberships.exists()
    return not (others or user.is_staff or user.last_login)


def delete_open_registrations(*, now: datetime) -> int:
    """Delete registrations with which nothing was made and that nobody answered; answer how many."""
    old = Registration.objects.annotate(stored=STORED).filter(state="open", created_at__lt=now - F("stored"))
    count = 0
    for registration in old.order_by("pk")[:BATCH]:
        # A payment that begins at this moment protects it; the next run looks again.
        with suppress(ProtectedError):
            registration.delete()
            count += 1
    return count
