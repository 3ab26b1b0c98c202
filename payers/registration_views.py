"""The page that asks the owner of an address whether a registration with it was them."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from payers.access import get_landing_path
from payers.models import Registration
from payers.registrations import (
    AlreadyAnswered,
    ContentsChanged,
    confirm_registration,
    describe_registration,
    get_contents_digest,
    list_waiting_registrations,
    reject_registration,
)
from payers.welcome_views import OpenedLink, find_opened_link, refuse_other_person
from wisepay import clock
from wisepay.http import get_client_ip
from wisepay.models import User


@require_http_methods(["GET", "POST"])
def answer_registrations(request: HttpRequest) -> HttpResponse:
    """Was that you? One registration after the other, for the person of a mailed link or who is signed in."""
    visit = find_open_link(request)
    if visit is None and not request.user.is_authenticated:
        return redirect(f"{reverse('account_login')}?{urlencode({'next': request.get_full_path()})}")
    other = refuse_other_person(request, visit) if visit else None
    if other is not None:
        return other
    user = visit.user if visit else cast(User, request.user)
    waiting = list_waiting_registrations(user)
    if request.method == "POST":
        return answer(request, visit, waiting)
    if not waiting:
        return redirect(get_next_page(request, visit))
    lines = describe_registration(waiting[0])
    context = {"registration": waiting[0], "lines": lines, "shown": get_contents_digest(lines), "person": user}
    return render(request, "payers/welcome_registration.html", context)


def find_open_link(request: HttpRequest) -> OpenedLink | None:
    """The link that this session opened last, while it opens something."""
    visit = find_opened_link(request)
    return visit if visit is not None and visit.invitation.is_open(clock.now()) else None


def get_next_page(request: HttpRequest, visit: OpenedLink | None) -> str:
    """Where the person goes when nothing is left to answer."""
    if visit is not None:
        return reverse("payers:welcome")
    return get_landing_path(request.GET.get("next", ""), now=clock.now())


def answer(request: HttpRequest, visit: OpenedLink | None, waiting: list[Registration]) -> HttpResponse:
    """Apply one answer, and go on to the next question."""
    chosen = next((one for one in waiting if one.reference == request.POST.get("registration")), None)
    is_confirmed = request.POST.get("answer") == "keep"
    if is_confirmed and visit is not None and needs_sign_in(request, visit):
        return redirect(f"{reverse('account_login')}?{urlencode({'next': request.get_full_path()})}")
    if chosen is not None and request.POST.get("answer") in ("keep", "reject"):
        decide = confirm_registration if is_confirmed else reject_registration
        try:
            decide(chosen, shown=request.POST.get("shown", ""), ip=get_client_ip(request), now=clock.now())
        except (AlreadyAnswered, ContentsChanged):
            messages.warning(request, _("Something changed meanwhile. Please look again."))
            return redirect(request.get_full_path())
        if not is_confirmed and not request.user.is_authenticated and len(waiting) == 1:
            return render(request, "payers/welcome_rejected.html", {"registration": chosen})
        messages.success(
            request, _("It is yours now.") if is_confirmed else _("Done. Nothing of it is in your account.")
        )
    return redirect(request.get_full_path())


def needs_sign_in(request: HttpRequest, visit: OpenedLink) -> bool:
    """Whether the person has to sign in before something joins their account."""
    is_signed_in = request.user.is_authenticated or visit.is_password_chosen
    return visit.user.has_usable_password() and not is_signed_in
