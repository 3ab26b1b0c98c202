"""Outbox handlers of payers: the mails about their accounts."""

from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from merchants.models import Merchant
from payers.access import PORTAL_PATH
from payers.invitations import build_invitation_link
from payers.models import Invitation, Payer, PayerAccess
from wisepay.mail import send_mail
from wisepay.models import User
from wisepay.outbox import handler


@handler("payers.email_welcome")
def email_welcome(*, invitation_id: int, now: datetime, **_: object) -> None:
    """Send the mail of an invitation that still opens something: Welcome, or that they have an account already."""
    found = Invitation.objects.select_related("access__user", "access__company__merchant").get(pk=invitation_id)
    access, user = found.access, found.access.user
    if found.sent_at is not None or not found.is_open(now) or not user.is_active or access.state == "removed":
        return
    merchant = access.company.merchant
    is_new = not user.has_usable_password() and not Payer.objects.filter(user=user, state="registered").exists()
    _send(
        "emails/welcome" if is_new else "emails/welcome_known",
        user,
        merchant,
        subject="Welcome to Wise-Pay" if is_new else f"You already have an account to pay {merchant.name}",
        message_id=f"welcome-{found.reference}",
        access=access,
        link=build_invitation_link(found),
        expires_at=found.expires_at,
    )
    Invitation.objects.filter(pk=found.pk).update(sent_at=now)


@handler("payers.email_access")
def email_access(*, access_id: int, **_: object) -> None:
    """Tell a person that an access of theirs is open, and where."""
    access = PayerAccess.objects.select_related("user", "company__merchant").get(pk=access_id)
    if access.state != "active" or not access.user.is_active:
        return
    _send(
        "emails/access",
        access.user,
        access.company.merchant,
        subject=f"Your access to {access.company.name} is open",
        message_id=f"access-{access.reference}-{access.state_at.timestamp():.0f}",
        access=access,
        link=f"{settings.PUBLIC_URL}{reverse('account_login')}?{urlencode({'next': PORTAL_PATH})}",
    )


def _send(template: str, user: User, merchant: Merchant, *, subject: str, message_id: str, **context: object) -> None:
    """One mail in the merchant's name. Raises Unavailable."""
    send_mail(
        template,
        to=user.email,
        subject=subject,
        message_id=message_id,
        context={"person": user, "merchant": merchant, **context},
        sender_name=merchant.name,
        reply_to=merchant.contact_email,
    )
