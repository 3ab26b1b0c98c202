"""The policies of merchants: about second factors, and whose log has what their people do."""

from collections.abc import Iterable

from merchants.models import Membership, Merchant
from wisepay.accounts.services import register_second_factor_policy
from wisepay.audit import register_employers
from wisepay.models import User


@register_second_factor_policy
def is_second_factor_required_by_merchants(user: User) -> bool | None:
    """Whether any merchant that the person works for requires a second factor; None without a merchant."""
    modes = set(Membership.objects.filter(user=user).values_list("merchant__two_factor_mode", flat=True))
    return modes != {Merchant.TwoFactorMode.OPTIONAL.value} if modes else None


@register_employers
def list_employers(user: User) -> Iterable[int]:
    """The merchants that the person works for."""
    return Membership.objects.filter(user=user).values_list("merchant_id", flat=True)
