"""Access to the payers' portal: whose view it is, which companies they may see, and what they must do first."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from merchants.access import lacks_second_factor
from merchants.models import Membership, Merchant
from merchants.rights import Right
from payers.models import Payer, PayerAccess, PayerCompany, Registration
from wisepay.addresses import get_local_path
from wisepay.audit import record_request_audit
from wisepay.events import add_once
from wisepay.http import SignedInRequest
from wisepay.models import User

IMPERSONATION_KEY = "seeing_as"  # the session's key: the reference of the access whose view somebody looks at
PORTAL_PATH = "/my/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

LandingPolicy = Callable[[str, datetime], bool | None]
LANDING_POLICIES: list[LandingPolicy] = []


@dataclass(frozen=True, slots=True)
class Impersonation:
    """One of a merchant's people looks at a payer's view of this merchant's companies, and can change nothing."""

    access: PayerAccess
    payer: Payer
    merchant: Merchant


class PayerRequest(SignedInRequest):
    """A request that `payer_page` let through.

    `person` and `payer` are whose view it is, which while somebody sees as a payer is not `user`.
    `accesses` are the active ones that the view is made of, with company and merchant read along.
    """

    person: User
    payer: Payer
    accesses: list[PayerAccess]
    impersonation: Impersonation | None


def payer_page[**P](
    view: Callable[Concatenate[PayerRequest, P], HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Let registered payers in: others sign in first, complete their registration first, or find nothing (404).

    Who sees as a payer gets that payer's view; every method but a reading one is 403 then.
    """

    @login_required
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        asked = cast(PayerRequest, request)
        asked.impersonation = get_impersonation(asked)
        if asked.impersonation is not None:
            _apply_impersonation(asked, asked.impersonation)
        else:
            asked.payer, asked.person = get_payer(asked.user), asked.user
            unfinished = get_completion_path(
                asked.payer, request.get_full_path() if request.method == "GET" else PORTAL_PATH
            )
            if unfinished:
                return redirect(unfinished)
            if is_asked_first(request):
                return redirect(f"{reverse('payers:welcome_registrations')}?{urlencode({'next': request.path})}")
            asked.accesses = list_active_accesses(asked.user)
        return view(asked, *args, **kwargs)

    return wrapped


def is_asked_first(request: HttpRequest) -> bool:
    """Whether a page has to wait until its payer said whether registrations with their address were theirs."""
    is_page = request.method == "GET" and "HX-Request" not in request.headers
    return is_page and Registration.objects.filter(user=cast(User, request.user), state="waiting").exists()


def _apply_impersonation(request: PayerRequest, impersonation: Impersonation) -> None:
    """Make the request one of the payer's, for reading. Raises PermissionDenied."""
    if request.method not in SAFE_METHODS:
        raise PermissionDenied("Nothing can be changed while you see as a payer.")
    record_request_audit(
        request,
        "payer.page_seen",
        merchant_id=impersonation.merchant.pk,
        subject=impersonation.payer.user.email,
        detail=request.path,
        about=impersonation.payer.user,
    )
    request.payer, request.person = impersonation.payer, impersonation.payer.user
    request.accesses = [
        a for a in list_active_accesses(request.person) if a.company.merchant_id == impersonation.merchant.pk
    ]


def get_payer(user: User) -> Payer:
    """The payer that the person is. Raises Http404 for everybody else."""
    found = Payer.objects.select_related("user").filter(user=user).first()
    if found is None:
        raise Http404
    return found


def list_active_accesses(user: User) -> list[PayerAccess]:
    """The person's active accesses by merchant and company, with both."""
    rows = PayerAccess.objects.filter(user=user, state="active").select_related("company__merchant", "user")
    return list(rows.order_by("company__merchant__name", "company__name", "pk"))


def find_access(user: User, company: PayerCompany) -> PayerAccess | None:
    """The person's active access to the company, if there is one."""
    return PayerAccess.objects.filter(user=user, company=company, state="active").first()


def get_accessible_company(user: User, reference: str) -> PayerCompany:
    """A company that the person has active access to, whatever its scope. Raises Http404."""
    rows = PayerCompany.objects.select_related("merchant")
    found = rows.filter(reference=reference, accesses__user=user, accesses__state="active").first()
    if found is None:
        raise Http404
    return found


def get_company_access(request: PayerRequest, reference: str) -> PayerAccess:
    """The access to that company among those that this view is made of. Raises Http404."""
    for access in request.accesses:
        if access.company.reference == reference:
            return access
    raise Http404


def get_completion_path(payer: Payer | None, next_path: str = "") -> str:
    """Where an invited payer has to go before anything else, and from there to `next_path`; empty for all others."""
    if payer is None or payer.state != "invited":
        return ""
    query = urlencode({"next": next_path}) if next_path else ""
    return reverse("payers:welcome_details") + (f"?{query}" if query else "")


def register_landing_policy(function: LandingPolicy) -> LandingPolicy:
    """Register a function that says whether a path still makes sense; None when it is not a page of its floor."""
    return add_once(LANDING_POLICIES, function)


def get_landing_path(path: str, *, now: datetime) -> str:
    """Where a payer goes after a detour: `path`, if it is a page of ours that no policy rejects, else the portal."""
    local = get_local_path(path)
    answers = [policy(local, now) for policy in LANDING_POLICIES] if local else [False]
    return PORTAL_PATH if False in answers else local


def get_impersonation(request: HttpRequest) -> Impersonation | None:
    """The impersonation of the signed-in person, ended if the access is no longer active or theirs to see."""
    reference = request.session.get(IMPERSONATION_KEY)
    if not reference:
        return None
    access = (
        PayerAccess.objects.select_related("company__merchant", "user__payer")
        .filter(
            reference=reference,
            state="active",
            company__merchant__memberships__user=cast(User, request.user),
        )
        .first()
    )
    if access is None or not may_impersonate(request, access):
        del request.session[IMPERSONATION_KEY]
        return None
    return Impersonation(access, access.user.payer, access.company.merchant)


def may_impersonate(request: HttpRequest, access: PayerAccess) -> bool:
    """Whether the signed-in person still has the right, and what their role requires, to see as this payer."""
    members = Membership.objects.filter(user=cast(User, request.user), merchant=access.company.merchant_id)
    member = members.select_related("role", "user").first()
    return member is not None and member.may(Right.PEOPLE) and not lacks_second_factor(member)
