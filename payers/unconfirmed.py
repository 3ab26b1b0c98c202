"""Remove what somebody asked for with an address that nobody confirmed."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, ProtectedError
from django_subatomic.db import transaction

from merchants.models import Membership
from payers.models import PayerAccess, Registration
from wisepay.models import User


def delete_unconfirmed_accesses(*, now: datetime) -> int:
    """Delete accesses that were asked for in a checkout and never confirmed, with people who are nothing else.

    Return how many accesses. Who paid or saved something stays: the payment's records name them.
    """
    before = now - timedelta(days=settings.UNCONFIRMED_DAYS)
    waiting = PayerAccess.objects.filter(state="pending", origin=PayerAccess.Origin.REGISTERED, state_at__lt=before)
    deleted = 0
    paid = Registration.objects.filter(user=OuterRef("user"), company=OuterRef("company"), state="waiting")
    for access in waiting.filter(~Exists(paid), user__attempts=None, user__setups=None).order_by("pk"):
        with transaction():
            locked = access.lock()
            if locked.state == "pending" and locked.state_at < before:
                locked.delete()
                deleted += 1
    delete_unused_registrations(before=before)
    delete_unused_people(before=before)
    return deleted


def delete_unused_registrations(*, before: datetime) -> None:
    """Delete registrations that were never confirmed and made nothing: no payment and no saved method."""
    for registration in Registration.objects.filter(state="open", created_at__lt=before).order_by("pk"):
        with suppress(ProtectedError), transaction():  # a try to pay names it: that record stays
            registration.lock().delete()


def delete_unused_people(*, before: datetime) -> None:
    """Delete people who never chose a password, may see nothing, work nowhere, and left nothing behind."""
    unused = User.objects.filter(
        ~Exists(PayerAccess.objects.filter(user=OuterRef("pk"))),
        ~Exists(Membership.objects.filter(user=OuterRef("pk"))),
        password__startswith="!",  # noqa: S106 - Django's mark of a password that nobody chose
        payer__state="invited",
        joined_at__lt=before,
        last_login=None,
        is_staff=False,
    )
    for user in unused.order_by("pk"):
        with suppress(ProtectedError), transaction():  # they accepted terms or paid: that record keeps them
            user.delete()
