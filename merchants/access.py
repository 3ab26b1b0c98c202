"""Access to the merchant console: who may see which merchant, and with which rights a page opens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Concatenate, cast
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils.http import urlencode

from merchants.models import Membership, Merchant
from merchants.rights import Right, describe_rights
from wisepay.accounts.services import has_second_factor
from wisepay.http import SignedInRequest
from wisepay.middleware import is_fragment

READING_METHODS = ("GET", "HEAD", "OPTIONS")


class MerchantRequest(SignedInRequest):
    """A request of a member, with the membership of the page's merchant."""

    membership: Membership


@dataclass(frozen=True, slots=True)
class NeededRights:
    """With which rights a page opens: any of `opens`, and to change something any of `changes`, if it says so."""

    opens: tuple[Right, ...]
    changes: tuple[Right, ...] = ()

    def list_for(self, method: str) -> tuple[Right, ...]:
        """Any of these is needed for a request of this method."""
        return self.opens if method in READING_METHODS or not self.changes else self.changes


View = Callable[..., HttpResponseBase]


def merchant_page[**P](
    right: Right, *others: Right, changes: Sequence[Right] = (), needs_factor: bool = True
) -> Callable[[Callable[Concatenate[MerchantRequest, Merchant, P], HttpResponseBase]], View]:
    """Pass the merchant of `merchant_ref` to the view: 404 for strangers, 403 for members without the right.

    `right` or any of the `others` opens the page; what is no reading method takes any of `changes` where it is given.
    Whose role requires a second factor sets one up first, but where not `needs_factor`.
    """
    needed = NeededRights((right, *others), tuple(changes))

    def decorate(view: Callable[Concatenate[MerchantRequest, Merchant, P], HttpResponseBase]) -> View:
        @login_required
        @wraps(view)
        def wrapped(request: HttpRequest, merchant_ref: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            member = cast(MerchantRequest, request)
            member.membership = find_membership(member, merchant_ref)
            if needs_factor and lacks_second_factor(member.membership):
                return lead_to_second_factor(member)
            check_rights(member.membership, *needed.list_for(str(request.method)))
            return view(member, member.membership.merchant, *args, **kwargs)

        wrapped.needed_rights = needed  # type: ignore[attr-defined]  # the house's tests read it
        return wrapped

    return decorate


def list_pages(
    patterns: Sequence[URLPattern | URLResolver], namespace: str = ""
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every path's name with its view, below these."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from list_pages(pattern.url_patterns, inner)
        else:
            yield f"{namespace}{pattern.name}", pattern.callback


@cache
def list_needed_rights() -> dict[str, NeededRights]:
    """What each of the console's pages asks for, by its name."""
    pages = list_pages(get_resolver().url_patterns)
    found: dict[str, NeededRights | None] = {name: getattr(view, "needed_rights", None) for name, view in pages}
    return {name: needed for name, needed in found.items() if needed is not None}


def get_needed_rights(name: str) -> NeededRights:
    """With which rights the page of this name opens. Raises KeyError for what is no page of the console."""
    return list_needed_rights()[name]


def list_rights_to_open(path: str) -> tuple[Right, ...]:
    """Any of these rights opens the page at `path`; none are needed for what is no page of the console."""
    try:
        view = resolve(urlsplit(path).path).func
    except Resolver404:
        return ()
    needed: NeededRights | None = getattr(view, "needed_rights", None)
    return needed.opens if needed is not None else ()


def check_rights(membership: Membership, *rights: Right) -> None:
    """Check that the person has any of these rights. Raises PermissionDenied, in words."""
    if membership.may(*rights):
        return
    names = describe_rights(rights).replace(", ", " or ")
    raise PermissionDenied(
        f"As {membership.role} of {membership.merchant} you may not do this: it needs the right {names}. "
        "Whoever manages its people can give it to you."
    )


def lacks_second_factor(membership: Membership) -> bool:
    """Whether the person's role requires a second factor and they have set none up."""
    return membership.role.requires_second_factor and not has_second_factor(membership.user)


def lead_to_second_factor(request: MerchantRequest) -> HttpResponse:
    """Lead to the page that has a second factor set up, from a fragment of a page as well."""
    then = request.get_full_path() if request.method == "GET" and not is_fragment(request) else ""
    query = f"?{urlencode({'next': then})}" if then else ""
    path = f"{reverse('merchants:second_factor', args=[request.membership.merchant.reference])}{query}"
    if not is_fragment(request):
        return redirect(path)
    answer = HttpResponse(status=403)
    answer["HX-Redirect"] = path
    return answer


def find_membership(request: SignedInRequest, merchant_ref: str) -> Membership:
    """Find the signed-in person's membership of the merchant. Raises Http404 without one."""
    found = (
        Membership.objects.select_related("merchant", "role")
        .filter(user=request.user, merchant__reference=merchant_ref)
        .first()
    )
    if found is None:
        raise Http404
    found.user = request.user
    return found
