"""Invitations: the signed link of a Welcome mail, what it still opens, and how often one is mailed."""

from datetime import datetime, timedelta

from django.core.signing import BadSignature, TimestampSigner
from django.urls import reverse
from django.utils.translation import gettext as _
from django_subatomic.db import transaction, transaction_required

from payers.models import Invitation, PayerAccess
from wisepay import outbox
from wisepay.budgets import Budget, spend, spend_for_network

LIFETIME = timedelta(days=14)
RESEND_INTERVAL = timedelta(minutes=5)  # a repeat within this time needs no second mail

# The reference alone opens nothing: what makes it a key is our signature, which only the mail holds.
signer = TimestampSigner(sep="~", salt="payers.invitation")


class TooManyMails(Exception):
    """Too many mails were asked for; `wait` seconds until the next one may go out."""

    def __init__(self, wait: int, message: str = "") -> None:
        super().__init__(
            message or _("Several mails went to this address in the last hour. Please wait before you send another.")
        )
        self.wait = wait


def check_registration_mails(*, link: str, ip: str, now: datetime) -> None:
    """Count a mail that somebody with this Pay Now link, at this address, has us write to anybody.

    Raises TooManyMails. It says nothing about who was written to, so it may be shown.
    """
    wait = spend(Budget.MAILS_FROM_LINK, link, now=now) or spend_for_network(Budget.MAILS_FROM_NETWORK, ip, now=now)
    if wait:
        message = _("Too many accounts were asked for from here. Please pay as a guest, or try again in an hour.")
        raise TooManyMails(wait, message)


def build_invitation_link(invitation: Invitation) -> str:
    """The address that the mail carries."""
    path = reverse("payers:welcome_link", args=[signer.sign(invitation.reference)])
    return invitation.access.company.merchant.build_public_url(path)


def parse_token(token: str) -> str:
    """The reference of a link of ours; empty for every other text. Whether it still opens is the row's matter."""
    try:
        return str(signer.unsign(token))
    except BadSignature:
        return ""


def find_invitation(reference: str) -> Invitation | None:
    """The invitation with all that its pages show."""
    rows = Invitation.objects.select_related("access__user", "access__company__merchant")
    return rows.filter(reference=reference).first() if reference else None


@transaction_required
def send_invitation(access: PayerAccess, *, now: datetime, next_path: str = "", renew: bool = False) -> Invitation:
    """Mail an invitation to the access, and answer it. The caller holds the lock of the access.

    One that was just mailed serves again, with its new destination, unless `renew`; an older one stops working.
    Raises TooManyMails.
    """
    standing = access.invitations.filter(used_at=None, replaced_at=None).first()
    if standing is not None and not renew and standing.is_open(now) and now - standing.created_at < RESEND_INTERVAL:
        standing.next_path = next_path or standing.next_path
        standing.save(update_fields=["next_path"])
        return standing
    wait = spend(Budget.MAILS_TO_ADDRESS, f"welcome:{access.user.email}", now=now)
    if wait:
        raise TooManyMails(wait)
    if standing is not None:
        next_path = next_path or standing.next_path
        close_invitations(access, now=now)
    fresh = Invitation.objects.create(
        access=access, next_path=next_path[:200], created_at=now, expires_at=now + LIFETIME
    )
    outbox.enqueue(f"welcome:{fresh.pk}", "payers.email_welcome", invitation_id=fresh.pk)
    return fresh


@transaction_required
def close_invitations(access: PayerAccess, *, now: datetime, used: bool = False) -> None:
    """Close the open invitations of the access: their links open nothing from now on."""
    standing = access.invitations.filter(used_at=None, replaced_at=None)
    standing.update(**{"used_at" if used else "replaced_at": now})


def close_used_invitation(invitation: Invitation, *, now: datetime) -> None:
    """Close an invitation whose person has what its link would give."""
    Invitation.objects.filter(pk=invitation.pk, used_at=None, replaced_at=None).update(used_at=now)


def renew_invitation(access: PayerAccess, *, now: datetime) -> Invitation:
    """Mail a new link; the older one stops working. Raises TooManyMails, or PayerAccess.DoesNotExist once removed."""
    with transaction():
        locked = access.lock()
        if locked.state == "removed":
            raise PayerAccess.DoesNotExist("this access was removed")
        last = locked.invitations.order_by("-pk").values_list("next_path", flat=True).first()
        return send_invitation(locked, now=now, next_path=last or "", renew=True)
