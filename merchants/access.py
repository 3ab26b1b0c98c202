"""The gate of the merchant console: who may see which merchant."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from merchants.models import Membership, Merchant
from wisepay.http import SignedInRequest, never_cached


class MerchantRequest(SignedInRequest):
    """A request of a member; `membership` says of which merchant and in which role."""

    membership: Membership


def merchant_page[**P](
    *, admin: bool = False
) -> Callable[[Callable[Concatenate[MerchantRequest, Merchant, P], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Turn `merchant_ref` of the path into the merchant: 404 for strangers, 403 for users where admins act."""

    def decorate(
        view: Callable[Concatenate[MerchantRequest, Merchant, P], HttpResponseBase],
    ) -> Callable[..., HttpResponseBase]:
        @never_cached
        @login_required
        @wraps(view)
        def wrapped(request: HttpRequest, merchant_ref: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            member = cast(MerchantRequest, request)
            member.membership = find_membership(member, merchant_ref)
            if admin and member.membership.role != Membership.Role.ADMIN:
                raise PermissionDenied("Only merchant admins can do this.")
            return view(member, member.membership.merchant, *args, **kwargs)

        return wrapped

    return decorate


def find_membership(request: SignedInRequest, merchant_ref: str) -> Membership:
    """The signed-in person's membership of that merchant. Raises Http404 for everybody else."""
    found = (
        Membership.objects.select_related("merchant")
        .filter(user=request.user, merchant__reference=merchant_ref)
        .first()
    )
    if found is None:
        raise Http404
    return found
