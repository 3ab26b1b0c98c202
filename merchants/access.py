"""Access to the merchant console: who may see which merchant."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from merchants.models import Membership, Merchant
from wisepay.http import SignedInRequest


class MerchantRequest(SignedInRequest):
    """A request of a member, with the membership of the page's merchant."""

    membership: Membership


def merchant_page[**P](
    *, admin: bool = False, payers: bool = False
) -> Callable[[Callable[Concatenate[MerchantRequest, Merchant, P], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Pass the merchant of `merchant_ref` to the view: 404 for strangers, 403 for users on pages of admins.

    `payers`: the page adds or changes payers, which users may do whom that was allowed.
    """

    def decorate(
        view: Callable[Concatenate[MerchantRequest, Merchant, P], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(view)
        def wrapped(request: HttpRequest, merchant_ref: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            member = cast(MerchantRequest, request)
            member.membership = find_membership(member, merchant_ref)
            if admin and member.membership.role != Membership.Role.ADMIN:
                raise PermissionDenied("Only merchant admins can do this.")
            if payers and not member.membership.can_add_payers:
                raise PermissionDenied("Only merchant admins, and users whom they allow it, can do this.")
            return view(member, member.membership.merchant, *args, **kwargs)

        return wrapped

    return decorate


def find_membership(request: SignedInRequest, merchant_ref: str) -> Membership:
    """Find the signed-in person's membership of the merchant. Raises Http404 without one."""
    found = (
        Membership.objects.select_related("merchant")
        .filter(user=request.user, merchant__reference=merchant_ref)
        .first()
    )
    if found is None:
        raise Http404
    return found
