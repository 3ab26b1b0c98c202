"""Who may give which role: nobody gives, changes or takes away what they do not have themselves.

It is decided with the merchant's row locked, so that of two who act at once the second sees what the first did.
"""

from django.core.exceptions import ObjectDoesNotExist
from django_subatomic.db import transaction_required

from merchants.models import Membership, Merchant, Role
from merchants.rights import STRONG_RIGHTS, Right, describe_rights


class RightsRefused(Exception):
    """Somebody would give, change or take away more than they have, or what is gone; the message says what."""


class NameTaken(RightsRefused):
    """Another role of the merchant has the name already; the message says so."""


@transaction_required
def lock_merchant(merchant: Merchant | int) -> None:
    """Let nobody else change who works for the merchant until this transaction ends."""
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant if isinstance(merchant, int) else merchant.pk)


def check_may_give(giver: Membership, rights: frozenset[str], *, refund_limit: int | None) -> None:
    """Check that nothing is given that the giver does not have. Raises RightsRefused."""
    if missing := rights - giver.role.rights:
        raise RightsRefused(f"You can't give or take rights that you don't have yourself: {describe_rights(missing)}.")
    own = giver.role.refund_limit
    if Right.REFUND in rights and own is not None and (refund_limit is None or refund_limit > own):
        raise RightsRefused("You can't give a higher refund limit than you have yourself.")


def check_may_give_role(giver: Membership, role: Role) -> None:
    """Check that the giver has all that the role has. Raises RightsRefused."""
    check_may_give(giver, frozenset(role.rights), refund_limit=role.refund_limit)


def list_roles_to_give(giver: Membership) -> list[Role]:
    """The merchant's roles that have nothing that the giver does not have."""
    return [role for role in giver.merchant.roles.order_by("pk") if may_give_role(giver, role)]


def may_give_role(giver: Membership, role: Role) -> bool:
    """Whether the giver has all that the role has."""
    try:
        check_may_give_role(giver, role)
    except RightsRefused:
        return False
    return True


def is_strong(role: Role) -> bool:
    """Whether the role moves money, settings or rights, so that it is given after a fresh proof only."""
    return not role.rights.isdisjoint(STRONG_RIGHTS)


@transaction_required
def read_again(row: Membership | Role) -> None:
    """Read the row again under the merchant's lock. Raises RightsRefused for one that is not there any more."""
    try:
        row.refresh_from_db()
    except ObjectDoesNotExist as error:
        what = "This role was deleted" if isinstance(row, Role) else "This person was removed"
        raise RightsRefused(f"{what} meanwhile. Open the page again.") from error


@transaction_required
def get_acting_member(merchant_id: int, user_id: int) -> Membership:
    """Who acts, read again under the merchant's lock. Raises RightsRefused once they manage no people any more."""
    rows = Membership.objects.select_related("role", "user", "merchant")
    found = rows.filter(merchant=merchant_id, user=user_id).first()
    if found is None or not found.may(Right.PEOPLE):
        raise RightsRefused("You may not manage people here any more.")
    return found
