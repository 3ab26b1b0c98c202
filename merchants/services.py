"""Services of the tenant: create a merchant, its PayNow links, its events, notify its people."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from merchants.models import EventNotification, Membership, Merchant, Notification, PayNowLink, Terms
from merchants.terms.defaults import DEFAULT_TERMS
from wisepay import clock, outbox
from wisepay.addresses import new_reference
from wisepay.input import end_once
from wisepay.mail import send_email
from wisepay.models import User
from wisepay.outbox import handler

MerchantEvent = EventNotification.Event


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """A condition for paying quotes, with its `code` in the public API."""

    code: str
    title: str
    is_met: bool
    url_name: str


@transaction()
def create_merchant(*, name: str, admin_email: str, admin_name: str, password: str, time_zone: str) -> Merchant:
    """Create a merchant with its first admin; an existing user of that address keeps the password."""
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
    # A page that shows terms reads them and never has to write their first version.
    Terms.objects.bulk_create(
        Terms(merchant=merchant, kind=kind, version=1, text=text) for kind, text in DEFAULT_TERMS.items()
    )
    return merchant


class LastAdmin(Exception):
    """The merchant's last admin would go, and nobody could configure anything any more; the message says so."""

    def __init__(self) -> None:
        super().__init__("The last merchant admin stays one. Make somebody else an admin first.")


def update_membership(member: Membership, *, role: str, may_add_payers: bool, by: User, now: datetime) -> None:
    """Say what a person may do at the merchant; its admins are told of a new one. Raises LastAdmin."""
    with transaction():
        check_admin_stays(member, role=role)
        if role == Membership.Role.ADMIN and member.role != role:
            warn_of_new_admin(member, by=by, now=now)
        member.role, member.may_add_payers = role, may_add_payers
        member.save(update_fields=["role", "may_add_payers"])


def delete_membership(member: Membership) -> None:
    """Take a person's role at the merchant away, and sign them out if nothing else is left. Raises LastAdmin."""
    with transaction():
        check_admin_stays(member, role="")
        member.delete()


@transaction_required
def check_admin_stays(member: Membership, *, role: str) -> None:
    """Check, with the merchant locked, that an admin is left once this person has another role. Raises LastAdmin."""
    Merchant.objects.select_for_update(no_key=True).get(pk=member.merchant_id)
    member.refresh_from_db(fields=["role"])
    admins = Membership.objects.filter(merchant=member.merchant_id, role=Membership.Role.ADMIN, user__is_active=True)
    if role != Membership.Role.ADMIN and not admins.exclude(pk=member.pk).exists():
        raise LastAdmin


def create_paynow_link(merchant: Merchant, *, kind: str, acts_as: User, now: datetime | None = None) -> PayNowLink:
    """Create an active link of `kind`; the one before it stops working, and the admins are told."""
    with transaction():
        older = merchant.paynow_links.select_for_update().filter(kind=kind, is_active=True)
        if older.update(is_active=False):
            what = f"The PayNow Link for {PayNowLink.Kind(kind).label}"
            path = reverse("merchants:paynow_links", args=[merchant.reference])
            warn_of_replaced_keys(merchant, what=what, by=acts_as, path=path, now=now or clock.now())
        return PayNowLink.objects.create(merchant=merchant, kind=kind, acts_as=acts_as, api_key=new_reference(32))


def update_event_notifications(merchant: Merchant, *, events: set[str]) -> None:
    """Enable exactly these events."""
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
    """List the three conditions for paying quotes, each with whether it is met.

    One statement of plain SQL: every Pay Now page needs it, and building the query would cost more than running it.
    """
    with connection.cursor() as cursor:
        cursor.execute(PREREQUISITES_SQL, [merchant.pk, merchant.pk, MerchantEvent.PREPAYMENT_PROCESSED.value])
        met = {row[0] for row in cursor.fetchall()}
    links = "merchants:paynow_links"
    return [
        Prerequisite(
            "prepayment_notification",
            "‘Prepayment Processed Successfully’ notification enabled",
            MerchantEvent.PREPAYMENT_PROCESSED.value in met,
            "merchants:events",
        ),
        Prerequisite(
            "event_notification_link",
            "PayNow Links for Event Notifications generated",
            "event_notification" in met,
            links,
        ),
        Prerequisite("quick_link", "QuickLinks generated", "quick_link" in met, links),
    ]


@transaction_required
def notify_merchant(
    merchant: Merchant, *, event: str, key: str, title: str, body: str, path: str, now: datetime
) -> None:
    """Notify the merchant's admins once per `key`, if the event is enabled."""
    if not merchant.event_notifications.filter(event=event, is_enabled=True).exists():
        return
    _notify_admins(merchant, event=event, key=key, title=title, body=body, path=path, now=now)


@transaction_required
def warn_of_replaced_keys(merchant: Merchant, *, what: str, by: User, path: str, now: datetime) -> None:
    """Notify all of the merchant's admins that somebody replaced keys ("Stripe keys"); nobody can switch this off."""
    _notify_admins(
        merchant,
        event="keys_replaced",
        key=f"keys:{what}:{now.timestamp()}",
        title=f"{what} of {merchant.name}: replaced",
        body=f"{by} ({by.email}) did this. If it was not meant to happen, replace it again at once, and look "
        "into the audit log for what else was done.",
        path=path,
        now=now,
    )


@transaction_required
def warn_of_new_admin(member: Membership, *, by: User, now: datetime) -> None:
    """Notify all of the merchant's admins of a new one; nobody can switch this off."""
    _notify_admins(
        member.merchant,
        event="admin_added",
        key=f"admin:{member.pk}:{now.timestamp()}",
        title=f"{member.user.email} is a merchant admin now",
        body=f"{by} ({by.email}) did this. Admins see and change everything here. If it was not meant to happen, take "
        "the role away again at once, and look into the audit log for what else was done.",
        path=reverse("merchants:people", args=[member.merchant.reference]),
        now=now,
    )


def _notify_admins(
    merchant: Merchant, *, event: str, key: str, title: str, body: str, path: str, now: datetime
) -> None:
    admins = User.objects.filter(
        memberships__merchant=merchant, memberships__role=Membership.Role.ADMIN, is_active=True
    )
    notified = set(Notification.objects.filter(user__in=admins, key=key).values_list("user_id", flat=True))
    notifications = [
        Notification(
            user=user,
            key=key,
            merchant=merchant,
            event=event,
            title=title[:160],
            body=end_once(body)[:500],
            path=path,
            created_at=now,
        )
        for user in admins
        if user.pk not in notified
    ]
    for notification in Notification.objects.bulk_create(notifications):
        outbox.enqueue(
            f"notification:{notification.pk}", "merchants.email_notification", notification_id=notification.pk
        )


@handler("merchants.email_notification")
def email_notification(*, notification_id: int, now: datetime, **_: object) -> None:
    """Send one notification by e-mail."""
    notification = Notification.objects.select_related("user", "merchant").get(pk=notification_id)
    if notification.emailed_at is None:
        send_email(
            "notification",
            notification.user.email,
            {"notification": notification, "merchant": notification.merchant},
            subject=notification.title,
            message_id=f"notification-{notification.pk}",
        )
        Notification.objects.filter(pk=notification.pk).update(emailed_at=now)
