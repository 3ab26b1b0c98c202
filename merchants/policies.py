"""Policies of merchants: second factors, idle sessions, who still has access, erasure, and whose log has what."""

from collections.abc import Iterable
from datetime import timedelta

from django.utils.translation import gettext as _

from merchants.models import Membership, Merchant
from wisepay.accounts.services import register_second_factor_policy
from wisepay.accounts.sessions import register_access_policy, register_idle_policy, register_zone_reader
from wisepay.accounts.sign_in_context import register_merchant_reader
from wisepay.audit import register_employers
from wisepay.audit_log.policies import register_retention_policy
from wisepay.models import User
from wisepay.personal_data.erasure import register_erasure_obstacle
from wisepay.personal_data.registry import Subject


@register_idle_policy
def list_staff_idle_limits(user: User) -> list[timedelta]:
    """What each merchant that the person works for says."""
    minutes = Membership.objects.filter(user=user).values_list("merchant__staff_idle_minutes", flat=True)
    return [timedelta(minutes=each) for each in minutes]


@register_zone_reader
def find_staff_zone(user: User) -> str:
    """The zone of the merchant that the person works for, the one joined first where there are more."""
    rows = Membership.objects.filter(user=user).order_by("pk")
    return rows.values_list("merchant__time_zone", flat=True).first() or ""


@register_access_policy
def works_somewhere(user: User) -> bool:
    """Whether the person works for a merchant."""
    return Membership.objects.filter(user=user).exists()


@register_erasure_obstacle
def list_workplaces(subject: Subject) -> list[str]:
    """A merchant's people are removed by the merchant first."""
    names = Membership.objects.filter(user=subject.user).values_list("merchant__name", flat=True)
    return [_("You work for %(name)s. Ask them to remove you first.") % {"name": name} for name in names]


@register_second_factor_policy
def is_second_factor_required_by_merchants(user: User) -> bool | None:
    """Whether any merchant that the person works for requires a second factor; None without a merchant."""
    modes = set(Membership.objects.filter(user=user).values_list("merchant__two_factor_mode", flat=True))
    return modes != {Merchant.TwoFactorMode.OPTIONAL.value} if modes else None


@register_employers
def list_employers(user: User) -> Iterable[int]:
    """The merchants that the person works for."""
    return Membership.objects.filter(user=user).values_list("merchant_id", flat=True)


@register_retention_policy
def list_audit_months() -> dict[int, int]:
    """How many months each merchant has its audit log stored."""
    return dict(Merchant.objects.values_list("pk", "keeps_audit_months"))


@register_merchant_reader
def list_merchants_of_member(user: User) -> Iterable[str]:
    """The merchants that the person works for."""
    return Membership.objects.filter(user=user).values_list("merchant__name", flat=True)
