"""Orders about the tenant: make a merchant, generate links, choose events, tell people."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from merchants.models import EventNotification, Membership, Merchant, Notification, PayNowLink
from wisepay import outbox
from wisepay.models import User
from wisepay.references import new_reference

Event = EventNotification.Event


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Something that must stand before quotes can be paid; `code` is what the API says."""

    code: str
    title: str
    is_met: bool
    url_name: str


@transaction.atomic(durable=True)
def create_merchant(*, name: str, admin_email: str, admin_name: str, password: str, time_zone: str) -> Merchant:
    """A merchant with its first admin (an existing user of that address is made admin, password untouched)."""
    merchant = Merchant(name=name, time_zone=time_zone, contact_email=admin_email.lower())
    merchant.full_clean(exclude=["reference"])
    merchant.save()
    user = User.objects.filter(email__iexact=admin_email).first()
    if user is None:
        user = User.objects.create_user(admin_email, password, name=admin_name)
    Membership.objects.create(merchant=merchant, user=user, role=Membership.Role.ADMIN)
    for event in Event:
        EventNotification.objects.create(merchant=merchant, event=event, is_enabled=event != Event.PREPAYMENT_PROCESSED)
    return merchant


def generate_paynow_link(merchant: Merchant, *, kind: str, acts_as: User) -> PayNowLink:
    """A new active link of `kind`; the one before it stops working."""
    with transaction.atomic(durable=True):
        merchant.paynow_links.select_for_update().filter(kind=kind, is_active=True).update(is_active=False)
        return PayNowLink.objects.create(merchant=merchant, kind=kind, acts_as=acts_as, api_key=new_reference(32))


def enable_events(merchant: Merchant, *, events: set[str]) -> None:
    """Exactly `events` are told from now on."""
    with transaction.atomic(durable=True):
        for event in Event:
            EventNotification.objects.update_or_create(
                merchant=merchant, event=event, defaults={"is_enabled": event.value in events}
            )


def list_prerequisites(merchant: Merchant) -> list[Prerequisite]:
    """The three that the product asks for before a quote can be paid, each with its state."""
    links = set(merchant.paynow_links.filter(is_active=True, acts_as__is_active=True).values_list("kind", flat=True))
    told = merchant.event_notifications.filter(event=Event.PREPAYMENT_PROCESSED, is_enabled=True).exists()
    return [
        Prerequisite(
            "prepayment_notification",
            "‘Prepayment Processed Successfully’ notification enabled",
            told,
            "merchants:events",
        ),
        Prerequisite(
            "event_notification_link",
            "PayNow Links for Event Notifications generated",
            "event_notification" in links,
            "merchants:paynow_links",
        ),
        Prerequisite("quick_link", "QuickLinks generated", "quick_link" in links, "merchants:paynow_links"),
    ]


def notify_merchant(
    merchant: Merchant, *, event: str, key: str, title: str, body: str, path: str, now: datetime
) -> None:
    """Tell the merchant's admins once per `key`, if the event is enabled. A step of an open transaction."""
    if not merchant.event_notifications.filter(event=event, is_enabled=True).exists():
        return
    admins = User.objects.filter(
        memberships__merchant=merchant, memberships__role=Membership.Role.ADMIN, is_active=True
    )
    for user in admins:
        told, is_new = Notification.objects.get_or_create(
            user=user,
            key=key,
            defaults={
                "merchant": merchant,
                "event": event,
                "title": title[:160],
                "body": body[:500],
                "path": path,
                "created_at": now,
            },
        )
        if is_new:
            outbox.put(f"notification:{told.pk}", "merchants.email_notification", notification_id=told.pk)
