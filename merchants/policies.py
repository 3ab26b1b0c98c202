"""Merchants' say in what their people's sign-in needs."""

from merchants.models import Membership, Merchant
from wisepay.accounts.services import register_second_factor_policy
from wisepay.models import User


@register_second_factor_policy
def is_second_factor_required_by_merchants(user: User) -> bool | None:
    """Needed unless every merchant that the person works for says that it is optional."""
    modes = set(Membership.objects.filter(user=user).values_list("merchant__two_factor_mode", flat=True))
    return modes != {Merchant.TwoFactorMode.OPTIONAL.value} if modes else None
