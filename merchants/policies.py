"""The policy of merchants about second factors."""

from merchants.models import Membership, Merchant
from wisepay.accounts.services import register_second_factor_policy
from wisepay.models import User


@register_second_factor_policy
def is_second_factor_required_by_merchants(user: User) -> bool | None:
    """Whether any merchant that the person works for requires a second factor; None without a merchant."""
    modes = set(Membership.objects.filter(user=user).values_list("merchant__two_factor_mode", flat=True))
    return modes != {Merchant.TwoFactorMode.OPTIONAL.value} if modes else None
