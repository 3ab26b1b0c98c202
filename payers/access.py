"""The gate of the payers' portal: whose view it is, which companies they may see, and what they must do first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from merchants.models import Membership, Merchant
from payers.models import Payer, PayerAccess, PayerCompany
from wisepay.http import SignedIn, never_cached
from wisepay.models import User

SEEING = "seeing_as"  # the session's key: the reference of the access whose view an admin looks at
PORTAL = "/my/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Seeing:
    """A merchant admin looks at a payer's view of this merchant's companies, and can change nothing."""

    access: PayerAccess
    payer: Payer
    merchant: Merchant


class PayerRequest(SignedIn):
    """A request that `payer_page` let through.

    `person` and `payer` are whose view it is, which while an admin sees as a payer is not `user`.
    `accesses` are the active ones that the view is made of, with company and merchant read along.
    """

    person: User
    payer: Payer
    accesses: list[PayerAccess]
    seeing: Seeing | None


def payer_page[**P](
    view: Callable[Concatenate[PayerRequest, P], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Let registered payers in: others sign in first, complete their registration first, or find nothing (404).

    A merchant admin who sees as a payer gets that payer's view; every method but a reading one is 403 then.
    """

    @never_cached
    @login_required
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        asked = cast(PayerRequest, request)
        asked.seeing = seeing_of(asked)
        if asked.seeing is not None:
            _look_through(asked, asked.seeing)
        else:
            asked.payer, asked.person = payer_of(asked.user), asked.user
            unfinished = completion_path(asked.payer, request.get_full_path() if request.method == "GET" else PORTAL)
            if unfinished:
                return redirect(unfinished)
            asked.accesses = accesses_of(asked.user)
        return view(asked, *args, **kwargs)

    return wrapped


def _look_through(request: PayerRequest, seeing: Seeing) -> None:
    """Make the request one of the payer's, for reading. Raises PermissionDenied."""
    if request.method not in SAFE_METHODS:
        raise PermissionDenied("Nothing can be changed while you see as a payer.")
    request.payer, request.person = seeing.payer, seeing.payer.user
    request.accesses = [a for a in accesses_of(request.person) if a.company.merchant_id == seeing.merchant.pk]


def payer_of(user: User) -> Payer:
    """The payer that the person is. Raises Http404 for everybody else."""
    found = Payer.objects.select_related("user").filter(user=user).first()
    if found is None:
        raise Http404
    return found


def accesses_of(user: User) -> list[PayerAccess]:
    """The person's active accesses by merchant and company, with both."""
    rows = PayerAccess.objects.filter(user=user, state="active").select_related("company__merchant", "user")
    return list(rows.order_by("company__merchant__name", "company__name", "pk"))


def access_to(user: User, company: PayerCompany) -> PayerAccess | None:
    """The person's active access to the company, if there is one."""
    return PayerAccess.objects.filter(user=user, company=company, state="active").first()


def company_of(user: User, reference: str) -> PayerCompany:
    """A company that the person has active access to, whatever its scope. Raises Http404."""
    rows = PayerCompany.objects.select_related("merchant")
    found = rows.filter(reference=reference, accesses__user=user, accesses__state="active").first()
    if found is None:
        raise Http404
    return found


def access_of(request: PayerRequest, reference: str) -> PayerAccess:
    """The access to that company among those that this view is made of. Raises Http404."""
    for access in request.accesses:
        if access.company.reference == reference:
            return access
    raise Http404


def completion_path(payer: Payer | None, next_path: str = "") -> str:
    """Where an invited payer has to go before anything else, and from there to `next_path`; empty for all others."""
    if payer is None or payer.state != "invited":
        return ""
    query = urlencode({"next": next_path}) if next_path else ""
    return reverse("payers:welcome_details") + (f"?{query}" if query else "")


def local_path(path: str) -> str:
    """`path` if it is one of this site's, else nothing."""
    is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_ours else ""


def seeing_of(request: HttpRequest) -> Seeing | None:
    """Whose view the signed-in admin looks at; what no longer may be seen is forgotten."""
    reference = request.session.get(SEEING)
    if not reference:
        return None
    access = (
        PayerAccess.objects.select_related("company__merchant", "user__payer")
        .filter(
            reference=reference,
            state="active",
            company__merchant__memberships__user=cast(User, request.user),
            company__merchant__memberships__role=Membership.Role.ADMIN,
        )
        .first()
    )
    if access is None:
        del request.session[SEEING]
        return None
    return Seeing(access, access.user.payer, access.company.merchant)
