"""Orders about the tenant: make a merchant, generate links, choose events, tell people."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django_subatomic.db import transaction, transaction_required

from merchants.models import EventNotification, Membership, Merchant, Notification, PayNowLink
from wisepay import outbox
from wisepay.models import User
from wisepay.references import new_reference

MerchantEvent = EventNotification.Event


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Something that must stand before quotes can be paid; `code` is what the API says."""

    code: str
    title: str
    is_met: bool
    url_name: str


@transaction()
def create_merchant(*, name: str, admin_email: str, admin_name: str, password: str, time_zone: str) -> Merchant:
    """A merchant with its first admin (an existing user of that address is made admin, password untouched)."""
    merchant = Merchant(name=name, time_zone=time_zone, contact_email=admin_email.lower())
    merchant.full_clean(exclude=["reference"])
    merchant.save()
    user = User.objects.filter(email__iexact=admin_email).first()
    if user is None:
        user = User.objects.create_user(admin_email, password, name=admin_name)
    Membership.objects.create(merchant=merchant, user=user, role=Membership.Role.ADMIN)
    EventNotification.objects.bulk_create(
        EventNotification(merchant=merchant, event=event, is_enabled=event != MerchantEvent.PREPAYMENT_PROCESSED)
        for event in MerchantEvent
    )
    return merchant


def create_paynow_link(merchant: Merchant, *, kind: str, acts_as: User) -> PayNowLink:
    """A new active link of `kind`; the one before it stops working."""
    with transaction():
        merchant.paynow_links.select_for_update().filter(kind=kind, is_active=True).update(is_active=False)
        return PayNowLink.objects.create(merchant=merchant, kind=kind, acts_as=acts_as, api_key=new_reference(32))


def update_event_notifications(merchant: Merchant, *, events: set[str]) -> None:
    """Exactly `events` are told from now on."""
    EventNotification.objects.bulk_create(
        [EventNotification(merchant=merchant, event=e, is_enabled=e.value in events) for e in MerchantEvent],
        update_conflicts=True,
        unique_fields=["merchant", "event"],
        update_fields=["is_enabled"],
    )


PREREQUISITES_SQL = """
SELECT l.kind FROM merchants_paynowlink l JOIN wisepay_user u ON u.id = l.acts_as_id
WHERE l.merchant_id = %s AND l.is_active AND u.is_active
UNION ALL
SELECT e.event FROM merchants_eventnotification e
WHERE e.merchant_id = %s AND e.event = %s AND e.is_enabled
"""


def list_prerequisites(merchant: Merchant) -> list[Prerequisite]:
    """The three that the product asks for before a quote can be paid, each with its state.

    One statement of plain SQL: every Pay Now page asks it, and building it anew costs more than running it.
    """
    with connection.cursor() as cursor:
        cursor.execute(PREREQUISITES_SQL, [merchant.pk, merchant.pk, MerchantEvent.PREPAYMENT_PROCESSED.value])
        standing = {row[0] for row in cursor.fetchall()}
    links = "merchants:paynow_links"
    return [
        Prerequisite(
            "prepayment_notification",
            "‘Prepayment Processed Successfully’ notification enabled",
            MerchantEvent.PREPAYMENT_PROCESSED.value in standing,
            "merchants:events",
        ),
        Prerequisite(
            "event_notification_link",
            "PayNow Links for Event Notifications generated",
            "event_notification" in standing,
            links,
        ),
        Prerequisite("quick_link", "QuickLinks generated", "quick_link" in standing, links),
    ]


@transaction_required
def notify_merchant(
    merchant: Merchant, *, event: str, key: str, title: str, body: str, path: str, now: datetime
) -> None:
    """Tell the merchant's admins once per `key`, if the event is enabled."""
    if not merchant.event_notifications.filter(event=event, is_enabled=True).exists():
        return
    admins = User.objects.filter(
        memberships__merchant=merchant, memberships__role=Membership.Role.ADMIN, is_active=True
    )
    told = set(Notification.objects.filter(user__in=admins, key=key).values_list("user_id", flat=True))
    fresh = [
        Notification(
            user=user,
            key=key,
            merchant=merchant,
            event=event,
            title=title[:160],
            body=body[:500],
            path=path,
            created_at=now,
        )
        for user in admins
        if user.pk not in told
    ]
    for one in Notification.objects.bulk_create(fresh):
        outbox.enqueue(f"notification:{one.pk}", "merchants.email_notification", notification_id=one.pk)
