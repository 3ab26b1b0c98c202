"""Policies of payers: second factors, idle sessions, who still has access, and whose log has what is done to them."""

from collections.abc import Iterable
from datetime import timedelta

from merchants.models import Merchant
from payers.models import PayerAccess
from wisepay.accounts.services import register_second_factor_policy
from wisepay.accounts.sessions import register_access_policy, register_idle_policy, register_zone_reader
from wisepay.accounts.sign_in_context import register_merchant_reader
from wisepay.audit import register_customers
from wisepay.models import User


@register_idle_policy
def list_payer_idle_limits(user: User) -> list[timedelta]:
    """What each merchant whose companies the person may see says."""
    days = PayerAccess.objects.filter(user=user, state="active").values_list("company__merchant__payer_idle_days")
    return [timedelta(days=each) for (each,) in days.distinct()]


@register_zone_reader
def find_payer_zone(user: User) -> str:
    """The zone of the merchant that the person pays, the first one where there are more."""
    rows = PayerAccess.objects.filter(user=user, state="active").order_by("pk")
    return rows.values_list("company__merchant__time_zone", flat=True).first() or ""


@register_access_policy
def pays_somewhere(user: User) -> bool:
    """Whether the person has access to a company, or is invited to one."""
    return PayerAccess.objects.filter(user=user, state__in=["pending", "active"]).exists()


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


@register_merchant_reader
def list_merchants_of_payer(user: User) -> Iterable[str]:
    """The merchants whose companies the payer may see, or will after an invitation."""
    seen = PayerAccess.objects.filter(user=user, state__in=["pending", "active"])
    return seen.values_list("company__merchant__name", flat=True)
