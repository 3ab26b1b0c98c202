"""Who works for a merchant, in which role, and the roles that it makes: nobody gives what they do not have.

Everything here locks the merchant's row first, so that of two who act at once the second sees what the first did.
"""

from dataclasses import dataclass
from datetime import datetime

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Exists, OuterRef, Q, QuerySet
from django_subatomic.db import transaction, transaction_required

from merchants.giving import (
    NameTaken,
    RightsRefused,
    check_may_give,
    check_may_give_role,
    get_acting_member,
    is_strong,
    lock_merchant,
    read_again,
)
from merchants.member_invitations import withdraw_invitations_of
from merchants.models import MemberInvitation, Membership, Merchant, PayNowLink, Role
from merchants.notifications import warn_of_strong_role
from merchants.rights import STRONG_RIGHTS, Right


class LastAdmin(Exception):
    """The last administrator who can sign in would go, and nobody could let anybody in; the message says so."""

    def __init__(self) -> None:
        super().__init__("The last administrator stays one. Make somebody else an administrator first.")


class RoleInUse(Exception):
    """The role cannot be deleted: somebody has it, or is invited to it, or it is built in; the message says so."""


@dataclass(frozen=True, slots=True)
class RoleContents:
    """What a role is made of. `refund_limit` in minor units of the payment's currency; None for no limit."""

    name: str
    rights: frozenset[str]
    refund_limit: int | None
    requires_second_factor: bool


def change_role(member: Membership, *, role: Role, by: Membership, now: datetime) -> None:
    """Give a person another role; those who manage people are told of a strong one.

    Raises RightsRefused, or LastAdmin.
    """
    with transaction():
        lock_merchant(member.merchant_id)
        read_again(member)
        read_again(role)
        by = get_acting_member(by.merchant_id, by.user_id)
        check_may_give_role(by, member.role)
        check_may_give_role(by, role)
        check_admin_stays(member, role=role)
        if member.role_id == role.pk:
            return
        member.role = role
        member.save(update_fields=["role"])
        if is_strong(role):
            warn_of_strong_role(member, by=f"{by.user} ({by.user.email})", now=now)
        if Right.PEOPLE not in role.rights:
            withdraw_invitations_of(member, is_removed=False, now=now)


def remove_member(member: Membership, *, by: Membership | None, now: datetime) -> None:
    """Take a person's role away, as somebody else or an operator (None) decided, or they themselves.

    Their sessions end at once. Invitations to their address, and open ones that they sent, open nothing any more:
    nobody comes back by an older mail. PayNow Links that act as them act as an administrator, so that clients can go on
    paying. Raises RightsRefused, or LastAdmin.
    """
    with transaction():
        end_membership(member, by=by, now=now)


@transaction_required
def end_membership(member: Membership, *, by: Membership | None, now: datetime) -> None:
    """The same, within the transaction of a page that has one, as the operators' have."""
    lock_merchant(member.merchant_id)
    read_again(member)
    if by is not None and by.pk != member.pk:
        check_may_give_role(get_acting_member(by.merchant_id, by.user_id), member.role)
    check_admin_stays(member, role=None)
    withdraw_invitations_of(member, is_removed=True, now=now)
    hand_over_links(member)
    member.delete()


@transaction_required
def hand_over_links(member: Membership) -> None:
    """Let the PayNow Links that act as somebody who leaves act as the administrator who came first."""
    heir = list_administrators(member.merchant_id).exclude(pk=member.pk).order_by("pk").first()
    if heir is not None:
        PayNowLink.objects.filter(merchant=member.merchant_id, acts_as=member.user_id).update(acts_as=heir.user_id)


@transaction_required
def check_admin_stays(member: Membership, *, role: Role | None) -> None:
    """Check, with the merchant locked, that an administrator who can sign in is left. Raises LastAdmin."""
    if role is not None and role.kind == Role.Kind.ADMINISTRATOR:
        return
    if is_last_administrator(member):
        raise LastAdmin


def is_last_administrator(member: Membership) -> bool:
    """Whether nobody else is an administrator of the merchant and can sign in."""
    is_one = member.role.kind == Role.Kind.ADMINISTRATOR
    return is_one and not list_administrators(member.merchant_id).exclude(pk=member.pk).exists()


def list_administrators(merchant_id: int) -> QuerySet[Membership]:
    """The merchant's administrators who can sign in: with a password, or by another provider."""
    provider = SocialAccount.objects.filter(user=OuterRef("user"))
    found = Membership.objects.filter(merchant=merchant_id, role__kind=Role.Kind.ADMINISTRATOR, user__is_active=True)
    no_password = Q(user__password__startswith=UNUSABLE_PASSWORD_PREFIX) | Q(user__password="")  # nosec B106
    return found.filter(~no_password | Exists(provider))


def add_role(merchant: Merchant, contents: RoleContents, *, by: Membership) -> Role:
    """Make a role of rights. Raises RightsRefused, or NameTaken."""
    with transaction():
        lock_merchant(merchant)
        by = get_acting_member(by.merchant_id, by.user_id)
        check_may_give(by, contents.rights, refund_limit=contents.refund_limit)
        check_name_is_free(merchant.pk, contents.name)
        return Role.objects.create(
            merchant=merchant,
            name=contents.name,
            chosen_rights=sorted(contents.rights),
            refund_limit=contents.refund_limit,
            requires_second_factor=contents.requires_second_factor,
        )


def save_role(role: Role, contents: RoleContents, *, by: Membership, now: datetime) -> None:
    """Change what a role is made of; of a built-in one only whether it requires a second factor.

    Nobody takes their own right to manage people away with it, and what those who lose it have sent invites nobody
    any more. Raises RightsRefused, or NameTaken.
    """
    with transaction():
        lock_merchant(role.merchant_id)
        by = get_acting_member(by.merchant_id, by.user_id)
        read_again(role)
        check_may_give_role(by, role)
        if role.is_own:
            check_may_give(by, contents.rights, refund_limit=contents.refund_limit)
            if by.role_id == role.pk and Right.PEOPLE not in contents.rights:
                raise RightsRefused(
                    "This is your own role: you would no longer manage people. Ask an administrator to do it."
                )
            check_name_is_free(role.merchant_id, contents.name, but=role)
            role.name, role.refund_limit = contents.name, contents.refund_limit
            role.chosen_rights = sorted(contents.rights)
        role.requires_second_factor = contents.requires_second_factor
        role.save()
        if Right.PEOPLE not in role.rights:
            for member in role.memberships.select_related("user"):
                withdraw_invitations_of(member, is_removed=False, now=now)


def needs_proof(role: Role, contents: RoleContents) -> bool:
    """Whether this change lets people do more with money, settings or people, or with less of a proof."""
    if role.requires_second_factor and not contents.requires_second_factor and is_strong(role):
        return True
    if not role.is_own or not (contents.rights & STRONG_RIGHTS):
        return False
    before, after = role.refund_limit, contents.refund_limit
    gives_back_more = Right.REFUND in contents.rights and before is not None and (after is None or after > before)
    return gives_back_more or not (contents.rights & STRONG_RIGHTS <= role.rights)


@transaction_required
def check_name_is_free(merchant_id: int, name: str, *, but: Role | None = None) -> None:
    """Check that no other role of the merchant has the name. Raises NameTaken."""
    others = Role.objects.filter(merchant=merchant_id, name__iexact=name)
    if (others.exclude(pk=but.pk) if but else others).exists():
        raise NameTaken(f"There is a role called {name} already.")


def is_role_used(role: Role) -> bool:
    """Whether somebody has the role, or is invited to it."""
    waiting = MemberInvitation.objects.filter(role=role, accepted_at=None, withdrawn_at=None)
    return role.memberships.exists() or waiting.exists()


def delete_role(role: Role, *, by: Membership) -> None:
    """Delete an own role that nobody has or is invited to. Raises RoleInUse, or RightsRefused."""
    with transaction():
        lock_merchant(role.merchant_id)
        read_again(role)
        check_may_give_role(get_acting_member(by.merchant_id, by.user_id), role)
        if not role.is_own:
            raise RoleInUse("A built-in role stays.")
        if is_role_used(role):
            raise RoleInUse(f"Somebody is {role}, or is invited as one. Give them another role first.")
        # What was answered long ago says nothing that the audit log does not.
        MemberInvitation.objects.filter(role=role).delete()
        role.delete()
