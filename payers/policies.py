"""The policies of payers: for the second factor of a sign-in, and whose log has what operators do to them."""

from collections.abc import Iterable

from merchants.models import Merchant
from payers.models import PayerAccess
from wisepay.accounts.services import register_second_factor_policy
from wisepay.audit import register_customers
from wisepay.models import User


@register_second_factor_policy
def is_second_factor_needed(user: User) -> bool | None:
    """Needed unless every merchant whose companies the payer may see says that it is optional."""
    seen = PayerAccess.objects.filter(user=user, state__in=["pending", "active"])
    modes = set(seen.values_list("company__merchant__two_factor_mode", flat=True))
    return modes != {Merchant.TwoFactorMode.OPTIONAL.value} if modes else None


@register_customers
def list_paid_merchants(user: User) -> Iterable[int]:
    """The merchants that the person pays, or is invited to pay."""
    seen = PayerAccess.objects.filter(user=user, state__in=["pending", "active"])
    return seen.values_list("company__merchant_id", flat=True)
