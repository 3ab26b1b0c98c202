"""The policy of payers for the second factor of a sign-in."""

from merchants.models import Merchant
from payers.models import PayerAccess
from wisepay.accounts.services import register_second_factor_policy
from wisepay.models import User


@register_second_factor_policy
def is_second_factor_needed(user: User) -> bool | None:
    """Needed unless every merchant whose companies the payer may see says that it is optional."""
    seen = PayerAccess.objects.filter(user=user, state__in=["pending", "active"])
    modes = set(seen.values_list("company__merchant__two_factor_mode", flat=True))
    return modes != {Merchant.TwoFactorMode.OPTIONAL.value} if modes else None
