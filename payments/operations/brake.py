"""The brake of a merchant: tripped by a storm of declines, told once, lifted by a person or by time."""

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django_subatomic.db import transaction

from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payments.models import AttemptBrake
from wisepay.models import User

BRAKE_LENGTH = timedelta(hours=1)
STORM_PAUSE = timedelta(hours=1)  # a brake that trips again within this time is still the same storm


def find_brake(merchant: Merchant) -> AttemptBrake | None:
    """Find the brake of the merchant's last storm, which may be over."""
    return AttemptBrake.objects.filter(merchant=merchant).first()


def is_braked(brake: AttemptBrake, *, now: datetime) -> bool:
    """Whether new cards are refused now."""
    return brake.lifted_at is None and now < brake.ends_at


def trip_brake(merchant: Merchant, *, now: datetime) -> None:
    """Refuse new methods for an hour, and notify the merchant once a storm. One that is on stays as it is."""
    with transaction():
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        brake = find_brake(merchant)
        if brake is not None and is_braked(brake, now=now):
            return
        if brake is None:
            brake = AttemptBrake(merchant=merchant, tripped_at=now)
            is_new_storm = True
        else:
            is_new_storm = brake.lifted_at is not None or now > brake.ends_at + STORM_PAUSE
        if is_new_storm:
            brake.tripped_at = now
        brake.ends_at, brake.lifted_at, brake.lifted_by = now + BRAKE_LENGTH, None, None
        brake.save()
        if is_new_storm:
            notify_of_storm(merchant, brake, now=now)


def notify_of_storm(merchant: Merchant, brake: AttemptBrake, *, now: datetime) -> None:
    """Notify the merchant's admins, by mail and in the console."""
    most = settings.DECLINES_PER_MERCHANT_HOUR
    notify_merchant(
        merchant,
        event=EventNotification.Event.CARD_TESTING,
        key=f"storm:{merchant.pk}:{brake.tripped_at.isoformat()}",
        title="Many cards were declined, so new ones are not taken for now",
        body=f"{most} tries to pay were declined within an hour, as when somebody tests stolen cards. For an hour no "
        "new cards and bank accounts are taken; payers who are signed in can use what they saved, and automatic "
        "payments go on. If these were your clients, open Payments and take new cards again at once.",
        path=reverse("payments:list", args=[merchant.reference]),
        now=now,
    )


def lift_brake(merchant: Merchant, *, by: User, now: datetime) -> bool:
    """Take new methods again at once; only what is declined from now on counts. False when no brake was on."""
    with transaction():
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        brake = find_brake(merchant)
        if brake is None or not is_braked(brake, now=now):
            return False
        brake.lifted_at, brake.lifted_by = now, by
        brake.save(update_fields=["lifted_at", "lifted_by"])
    return True
