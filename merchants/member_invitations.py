"""Invitations of people to work for a merchant: mailed, sent again, withdrawn, and accepted once by whom they name."""

import hashlib
from datetime import datetime, timedelta

from allauth.socialaccount.models import SocialAccount
from django.db.models import DurationField, ExpressionWrapper, F, Q, Value
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django_subatomic.db import transaction, transaction_required

from merchants.giving import check_may_give_role, get_acting_member, is_strong, lock_merchant, read_again
from merchants.models import MemberInvitation, Membership, Merchant, Role
from merchants.notifications import warn_of_strong_role
from wisepay import outbox
from wisepay.accounts.services import sync_email_address
from wisepay.addresses import build_public_url
from wisepay.budgets import Budget, spend
from wisepay.mail import send_email
from wisepay.models import User
from wisepay.outbox import handler

LIFETIME = timedelta(days=14)
BATCH = 500
SALT = "merchants.member_invitation"


class InvitationRefused(Exception):
    """The invitation cannot be sent or accepted; the message says why, and what to do."""


class TooManyInvitations(InvitationRefused):
    """So many were mailed for the merchant, or to the address, that the next one waits."""


def build_token(invitation: MemberInvitation) -> str:
    """The secret of the newest mail, made again from the row whenever it is mailed; the row holds only its digest."""
    return salted_hmac(SALT, f"{invitation.reference}:{invitation.serial}", algorithm="sha256").hexdigest()


def hash_token(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_invitation_by_token(token: str) -> MemberInvitation | None:
    """The invitation whose newest mail holds this token, whether or not it is open."""
    return find_invitation(token_digest=hash_token(token))


def find_invitation(**where: str | int) -> MemberInvitation | None:
    """An invitation with all that its pages show."""
    return MemberInvitation.objects.select_related("merchant", "role", "invited_by").filter(**where).first()


def invite_member(merchant: Merchant, *, email: str, role: Role, by: User | None, now: datetime) -> MemberInvitation:
    """Mail an invitation to work for the merchant; `by` is None for an operator.

    Raises InvitationRefused, or RightsRefused for a role that has more than whoever invites.
    """
    address = email.strip().lower()
    with transaction():
        lock_merchant(merchant)
        read_again(role)
        if by is not None:
            check_may_give_role(get_acting_member(merchant.pk, by.pk), role)
        if Membership.objects.filter(merchant=merchant, user__email__iexact=address).exists():
            raise InvitationRefused(f"{address} works here already. Change what they may do below.")
        waiting = MemberInvitation.objects.filter(merchant=merchant, email=address, accepted_at=None, withdrawn_at=None)
        if waiting.exists():
            raise InvitationRefused(f"{address} is invited already. Send that invitation again, or withdraw it.")
        spend_mail(merchant, address, now=now)
        return create_invitation(merchant, email=address, role=role, by=by, now=now)


@transaction_required
def invite_first_administrator(merchant: Merchant, *, email: str, now: datetime) -> MemberInvitation:
    """Mail the invitation with which a new merchant begins."""
    role = merchant.roles.get(kind=Role.Kind.ADMINISTRATOR)
    return create_invitation(merchant, email=email.strip().lower(), role=role, by=None, now=now)


@transaction_required
def create_invitation(
    merchant: Merchant, *, email: str, role: Role, by: User | None, now: datetime
) -> MemberInvitation:
    """Write an invitation and have it mailed."""
    invitation = MemberInvitation(
        merchant=merchant, role=role, email=email, invited_by=by, created_at=now, sent_at=now, expires_at=now + LIFETIME
    )
    invitation.token_digest = hash_token(build_token(invitation))
    invitation.save()
    enqueue_mail(invitation)
    return invitation


@transaction_required
def enqueue_mail(invitation: MemberInvitation) -> None:
    """Have the newest link mailed."""
    key = f"member-invitation:{invitation.pk}:{invitation.serial}"
    outbox.enqueue(key, "merchants.email_invitation", invitation_id=invitation.pk, serial=invitation.serial)


def spend_mail(merchant: Merchant, address: str, *, now: datetime) -> None:
    """Count a mail of the merchant to the address. Raises TooManyInvitations."""
    if spend(Budget.INVITATIONS_OF_MERCHANT, merchant.pk, now=now):
        raise TooManyInvitations("So many invitations were mailed in the last hour that the next one has to wait.")
    if spend(Budget.MAILS_TO_ADDRESS, f"member:{address}", now=now):
        raise TooManyInvitations("Several mails went to this address in the last hour. Wait before you send another.")


def resend_invitation(invitation: MemberInvitation, *, now: datetime) -> MemberInvitation:
    """Mail a new link that opens for 14 days; the older one stops working. Raises InvitationRefused."""
    with transaction():
        locked = lock_open_invitation(invitation)
        spend_mail(locked.merchant, locked.email, now=now)
        locked.serial += 1
        locked.token_digest = hash_token(build_token(locked))
        locked.sent_at, locked.expires_at = now, now + LIFETIME
        locked.save(update_fields=["serial", "token_digest", "sent_at", "expires_at"])
        enqueue_mail(locked)
    return locked


def withdraw_invitation(invitation: MemberInvitation, *, now: datetime) -> None:
    """Let the invitation open nothing from now on. Raises InvitationRefused for one that was answered."""
    with transaction():
        locked = lock_open_invitation(invitation)
        locked.withdrawn_at = now
        locked.save(update_fields=["withdrawn_at"])


@transaction_required
def lock_open_invitation(invitation: MemberInvitation) -> MemberInvitation:
    """The invitation, locked, that nobody answered or withdrew. Raises InvitationRefused."""
    rows = MemberInvitation.objects.select_for_update(of=("self",)).select_related("merchant", "role", "invited_by")
    locked = rows.get(pk=invitation.pk)
    if locked.accepted_at:
        raise InvitationRefused(f"{locked.email} has accepted this invitation already.")
    if locked.withdrawn_at:
        raise InvitationRefused("This invitation was withdrawn.")
    return locked


@transaction_required
def withdraw_invitations_of(member: Membership, *, is_removed: bool, now: datetime) -> None:
    """Withdraw the open invitations that somebody sent who manages no people any more, and those to who is removed."""
    found = Q(invited_by=member.user)
    if is_removed:
        found |= Q(email=member.user.email.lower())
    waiting = MemberInvitation.objects.filter(merchant=member.merchant_id, accepted_at=None, withdrawn_at=None)
    waiting.filter(found).update(withdrawn_at=now)


def accept_invitation(invitation: MemberInvitation, *, user: User, now: datetime) -> Membership:
    """Let the invited person work for the merchant; those who manage people are told of a strong role.

    Raises InvitationRefused for another person, for a link that is not open any more, and for one that was used.
    """
    with transaction():
        return use_invitation(invitation, user=user, now=now)


@transaction_required
def use_invitation(invitation: MemberInvitation, *, user: User, now: datetime) -> Membership:
    """Make the membership that the invitation offers, once. Raises InvitationRefused."""
    lock_merchant(invitation.merchant_id)
    locked = lock_open_invitation(invitation)
    if locked.token_digest != invitation.token_digest or locked.get_obstacle(now):
        raise InvitationRefused(_("This link does not work any more. Ask for a new mail."))
    if user.email.lower() != locked.email or not user.is_active:
        raise InvitationRefused(_("This invitation is for %(email)s.") % {"email": locked.email})
    locked.accepted_at = now
    locked.save(update_fields=["accepted_at"])
    member, is_new = Membership.objects.get_or_create(
        merchant=locked.merchant, user=user, defaults={"role": locked.role}
    )
    sync_email_address(user, verified=True)
    if is_new and is_strong(locked.role):
        by = f"{locked.invited_by} ({locked.invited_by.email})" if locked.invited_by else "An operator of Wise-Pay"
        warn_of_strong_role(member, by=by, now=now)
    return member


def can_sign_in(user: User) -> bool:
    """Whether the person has a way to sign in: a password, or an account at another provider."""
    return user.has_usable_password() or SocialAccount.objects.filter(user=user).exists()


def create_invited_user(invitation: MemberInvitation, *, name: str, password: str, now: datetime) -> User:
    """Create the account of an invited address that cannot sign in yet, and accept the invitation with it.

    The mailed link proved the address. Raises InvitationRefused, also for an address whose owner can sign in.
    """
    with transaction():
        user = User.objects.select_for_update().filter(email__iexact=invitation.email).first()
        if user is None:
            user = User.objects.create_user(invitation.email, None)
        if can_sign_in(user) or not user.is_active:
            raise InvitationRefused(_("This address has an account already. Sign in with it."))
        user.set_password(password)
        user.name = user.name or name
        user.save(update_fields=["password", "name"])
        use_invitation(invitation, user=user, now=now)
    return user


STORED = ExpressionWrapper(F("merchant__keeps_unproved_days") * Value(timedelta(days=1)), DurationField())


def delete_old_invitations(*, now: datetime) -> int:
    """Delete invitations once their merchant no longer stores what was not answered; answer how many."""
    old = MemberInvitation.objects.annotate(stored=STORED).filter(expires_at__lt=now - F("stored"))
    return MemberInvitation.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()[0]


@handler("merchants.email_invitation")
def email_invitation(*, invitation_id: int, serial: int, now: datetime, **_kwargs: object) -> None:
    """Mail the link of an invitation that still waits for its answer; a newer mail takes the place of this one."""
    invitation = find_invitation(pk=invitation_id)
    if invitation is None or invitation.serial != serial or invitation.get_obstacle(now):
        return
    merchant = invitation.merchant
    context = {
        "merchant": merchant,
        "invitation": invitation,
        "link": build_public_url(reverse("merchants:join_link", args=[build_token(invitation)])),
    }
    send_email(
        "member_invitation",
        invitation.email,
        context,
        subject=f"{merchant.name} invites you to Wise-Pay",
        message_id=f"member-invitation-{invitation.pk}-{serial}",
        sender=merchant,
    )
