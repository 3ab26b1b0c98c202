"""Services of the tenant: create a merchant, its events."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django_subatomic.db import transaction, transaction_required

from merchants.member_invitations import invite_first_administrator
from merchants.models import EventNotification, Membership, Merchant, Role, Terms
from merchants.notifications import notify_merchant, warn_of_replaced_keys
from merchants.terms.defaults import DEFAULT_TERMS
from wisepay.models import User

__all__ = ["create_merchant", "notify_merchant", "warn_of_replaced_keys"]

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
    """Create a merchant with its first administrator; an existing user of that address keeps the password."""
    merchant = add_merchant(name=name, contact_email=admin_email, time_zone=time_zone)
    user = User.objects.filter(email__iexact=admin_email).first()
    if user is None:
        user = User.objects.create_user(admin_email, password, name=admin_name)
    role = merchant.roles.get(kind=Role.Kind.ADMINISTRATOR)
    Membership.objects.create(merchant=merchant, user=user, role=role)
    return merchant


@transaction()
def open_merchant(*, name: str, admin_email: str, time_zone: str, now: datetime) -> Merchant:
    """Create a merchant that nobody works for yet, and invite its first administrator by mail."""
    merchant = add_merchant(name=name, contact_email=admin_email, time_zone=time_zone)
    invite_first_administrator(merchant, email=admin_email, now=now)
    return merchant


@transaction_required
def add_merchant(*, name: str, contact_email: str, time_zone: str) -> Merchant:
    """Create a merchant with what each has from the start: its built-in roles, events and terms."""
    merchant = Merchant(name=name, time_zone=time_zone, contact_email=contact_email.lower())
    merchant.full_clean(exclude=["reference"])
    merchant.save()
    Role.objects.bulk_create(
        Role(merchant=merchant, kind=kind, name=kind.label) for kind in Role.Kind if kind != Role.Kind.OWN
    )
    EventNotification.objects.bulk_create(
        EventNotification(merchant=merchant, event=event, is_enabled=event != MerchantEvent.PREPAYMENT_PROCESSED)
        for event in MerchantEvent
    )
    # A page that shows terms reads them and never has to write their first version.
    Terms.objects.bulk_create(
        Terms(merchant=merchant, kind=kind, version=1, text=text) for kind, text in DEFAULT_TERMS.items()
    )
    return merchant


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
WHERE l.merchant_id = %s AND l.is_active AND l.is_enabled AND u.is_active
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
