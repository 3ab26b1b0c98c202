"""Outbox handlers of payers: the mails about their accounts."""

from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from payers.access import PORTAL_PATH
from payers.company_access import open_registration
from payers.company_emails import send_new_person_email
from payers.invitations import build_invitation_link
from payers.models import Invitation, Payer, PayerAccess, Registration
from wisepay.mail import send_email
from wisepay.models import AuditEntry
from wisepay.outbox import handler


@handler("payers.open_registration")
def open_registration_of(*, registration_id: int, now: datetime, **_: object) -> None:
    """Look up whose address a registration was made with, and ask its owner."""
    rows = Registration.objects.select_related("company__merchant")
    open_registration(rows.get(pk=registration_id), now=now)


@handler("payers.email_new_person")
def email_new_person(*, access_id: int, recipient_id: int, **_: object) -> None:
    """Tell one of a company's people of a new person there."""
    rows = PayerAccess.objects.select_related("user", "company__merchant")
    send_new_person_email(rows.get(pk=access_id), recipient_id=recipient_id)


@handler("payers.email_welcome")
def email_welcome(*, invitation_id: int, now: datetime, **_: object) -> None:
    """Send the mail of an invitation that still opens something: Welcome, or that they have an account already."""
    found = Invitation.objects.select_related("access__user", "access__company__merchant").get(pk=invitation_id)
    access, user = found.access, found.access.user
    if found.sent_at is not None or not found.is_open(now) or not user.is_active or access.state == "removed":
        return
    merchant = access.company.merchant
    is_new = not user.has_usable_password() and not Payer.objects.filter(user=user, state="registered").exists()
    link = build_invitation_link(found)
    send_email(
        "welcome" if is_new else "welcome_known",
        user.email,
        {"person": user, "access": access, "link": link, "expires_at": found.expires_at},
        subject="Welcome to Wise-Pay" if is_new else f"You already have an account to pay {merchant.name}",
        message_id=f"welcome-{found.reference}",
        sender=merchant,
    )
    Invitation.objects.filter(pk=found.pk).update(sent_at=now)


@handler("payers.email_access")
def email_access(*, access_id: int, **_: object) -> None:
    """Send the mail that an access is open, with its link."""
    access = PayerAccess.objects.select_related("user", "company__merchant").get(pk=access_id)
    if access.state != "active" or not access.user.is_active:
        return
    merchant = access.company.merchant
    link = merchant.build_public_url(f"{reverse('account_login')}?{urlencode({'next': PORTAL_PATH})}")
    send_email(
        "access",
        access.user.email,
        {"person": access.user, "access": access, "link": link},
        subject=f"Your access to {access.company.name} is open",
        message_id=f"access-{access.reference}-{access.state_at.timestamp():.0f}",
        sender=merchant,
    )


@handler("payers.email_seen_as")
def email_seen_as(*, access_id: int, entry_id: int, **__: object) -> None:
    """Tell a payer that an admin of the merchant looked at what they see, when, and why."""
    access = PayerAccess.objects.select_related("user", "company__merchant").get(pk=access_id)
    entry = AuditEntry.objects.filter(details_id=entry_id).first()
    if entry is None or not access.user.is_active:
        return
    merchant = access.company.merchant
    send_email(
        "seen_as",
        access.user.email,
        {"person": access.user, "access": access, "entry": entry},
        subject=_("%(merchant)s looked at your payments as you see them") % {"merchant": merchant.name},
        message_id=f"seen-as-{entry_id}",
        sender=merchant,
    )
