"""Pages behind the link of a Welcome mail: a password, the details and terms, and every way that can go wrong."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.internal.constants import LoginStageKey
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.terms import shown_text
from payers.access import payer_of
from payers.completion import (
    NothingToComplete,
    PasswordAlreadySet,
    TermsChanged,
    accesses_to_confirm,
    complete_registration,
    set_first_password,
    terms_of,
)
from payers.forms import AgreementForm, DetailsForm, PasswordForm
from payers.invitations import TooManyMails, find_invitation, reference_in, renew_invitation, use_up
from payers.landing import landing_path
from payers.models import Invitation, PayerAccess
from payers.terms import whence
from wisepay.audit import record
from wisepay.http import client_ip, never_cached
from wisepay.models import User

KEY = "welcome"  # the session's key: which invitation was opened, and whether its password was chosen here
GONE = 410


@dataclass(frozen=True, slots=True)
class Visit:
    """An opened link. `proved`: the password was chosen in this session, so nobody has to type it again."""

    invitation: Invitation
    proved: bool

    @property
    def user(self) -> User:
        """Whom the mail went to."""
        return self.invitation.access.user


def visit_of(request: HttpRequest) -> Visit | None:
    """The link that this session opened last, open or not."""
    stored = request.session.get(KEY, {})
    invitation = find_invitation(stored.get("invitation", ""))
    return Visit(invitation, bool(stored.get("proved"))) if invitation else None


@never_cached
@require_GET
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link itself: it goes into the session at once, so that no later address carries it."""
    reference = reference_in(token)
    if request.session.get(KEY, {}).get("invitation") != reference:
        request.session[KEY] = {"invitation": reference}
    return redirect("payers:welcome")


@never_cached
@require_GET
def welcome(request: HttpRequest) -> HttpResponse:
    """The next step of whoever opened a link."""
    visit = visit_of(request)
    if visit is None or not visit.invitation.is_open(timezone.now()):
        if visit and request.user == visit.user:
            return redirect(landing_path(visit.invitation.next_path, now=timezone.now()))
        return link_is_dead(request, visit)
    if visit.user.has_usable_password():
        return redirect("payers:welcome_details")
    return somebody_else(request, visit) or redirect("payers:welcome_password")


def link_is_dead(request: HttpRequest, visit: Visit | None) -> HttpResponse:
    """The page of a link that opens nothing: why, and what to do."""
    reason = "forged"
    if visit is not None:
        closed = visit.invitation
        reason = "used" if closed.used_at else "replaced" if closed.replaced_at else "expired"
    return render(request, "payers/welcome_dead.html", {"reason": reason}, status=GONE)


def somebody_else(request: HttpRequest, visit: Visit) -> HttpResponse | None:
    """The page for a browser in which another person than the invited one is signed in."""
    if request.user.is_authenticated and request.user != visit.user:
        return render(request, "payers/welcome_other.html", {"invited": visit.user}, status=409)
    return None


@never_cached
@require_http_methods(["GET", "POST"])
def choose_password(request: HttpRequest) -> HttpResponse:
    """Create New Password."""
    visit, now = visit_of(request), timezone.now()
    if visit is None or not visit.invitation.is_open(now) or visit.user.has_usable_password():
        return redirect("payers:welcome")
    other = somebody_else(request, visit)
    if other is not None:
        return other
    form = PasswordForm(visit.user, request.POST or None)
    if request.method == "POST" and is_about(request, visit.user, [visit.invitation.access]) and form.is_valid():
        return save_password(request, visit, form.cleaned_data["password"], now=now)
    context = {"form": form, "visit": visit, "about": about(visit.user, [visit.invitation.access])}
    return render(request, "payers/welcome_password.html", context, status=422 if form.errors else 200)


def save_password(request: HttpRequest, visit: Visit, password: str, *, now: datetime) -> HttpResponse:
    """Store the password; whoever lost a race with another window goes on from where that one is."""
    try:
        set_first_password(visit.invitation, password=password, now=now)
    except (PasswordAlreadySet, NothingToComplete):
        return redirect("payers:welcome")
    request.session[KEY] = {"invitation": visit.invitation.reference, "proved": True}
    request.session.cycle_key()
    return redirect("payers:welcome_details")


@never_cached
@require_http_methods(["GET", "POST"])
def confirm_details(request: HttpRequest) -> HttpResponse:
    """Confirm details, accept the terms, Register: for the link's person, or for whoever signed in unfinished."""
    now = timezone.now()
    visit = visit_of(request)
    if visit is not None and not visit.invitation.is_open(now):
        visit = None
    if visit is not None:
        stop = somebody_else(request, visit) or sign_in_first(request, visit)
        if stop is not None:
            return stop
    elif not request.user.is_authenticated:
        return redirect(f"{reverse('account_login')}?{urlencode({'next': request.get_full_path()})}")
    user = visit.user if visit else cast(User, request.user)
    wanted = visit.invitation.next_path if visit else request.POST.get("next", request.GET.get("next", ""))
    return Completing(request, user, visit.invitation if visit else None, landing_path(wanted, now=now), now).page()


def sign_in_first(request: HttpRequest, visit: Visit) -> HttpResponse | None:
    """Where an anonymous browser goes before it may speak for the invited person; None when it may."""
    if request.user.is_authenticated:
        return None
    if not visit.user.has_usable_password():
        return redirect("payers:welcome_password")
    if visit.proved:
        return None
    return redirect(f"{reverse('account_login')}?{urlencode({'next': reverse('payers:welcome_details')})}")


@dataclass(frozen=True, slots=True)
class Completing:
    """One request to the last step, of somebody who may speak for `user`."""

    request: HttpRequest
    user: User
    invitation: Invitation | None
    next_path: str
    now: datetime

    def page(self) -> HttpResponse:
        """The form, or what follows when it was sent."""
        payer = payer_of(self.user)
        accesses = accesses_to_confirm(self.user, self.invitation)
        if payer.state == "registered" and not accesses:
            return self.nothing_to_do()
        sent = self.request.POST if self.request.method == "POST" else None
        if sent is not None and not is_about(self.request, self.user, accesses):
            sent = None
            messages.warning(self.request, "This page was about something else in another window. Please look again.")
        terms = terms_of(accesses)
        details = DetailsForm.of(payer, sent) if payer.state == "invited" else None
        agreement = AgreementForm(sent, initial={"terms": ",".join(str(one.pk) for one in terms)})
        if sent is not None and agreement.is_valid() and (details is None or details.is_valid()):
            return self.complete(accesses, agreement, details)
        failed = bool(agreement.errors or (details and details.errors))
        context = {
            "payer": payer,
            "person": self.user,
            "accesses": accesses,
            "texts": [{"terms": one, "text": shown_text(one)} for one in terms],
            "form": details,
            "agreement": agreement,
            "about": about(self.user, accesses),
            "next": self.next_path,
        }
        return render(self.request, "payers/welcome_details.html", context, status=422 if failed else 200)

    def nothing_to_do(self) -> HttpResponse:
        """The person has all that the link would give: on to where they were going."""
        if self.invitation is not None:
            use_up(self.invitation, now=self.now)
            self.request.session.pop(KEY, None)
        return redirect(self.next_path)

    def complete(
        self, accesses: list[PayerAccess], agreement: AgreementForm, details: DetailsForm | None
    ) -> HttpResponse:
        """Register, sign in, and go where the person was going; or read the terms again, if others came meanwhile."""
        try:
            opened = complete_registration(
                self.user,
                accesses=accesses,
                seen_terms=agreement.seen_terms(),
                details=details.details() if details else None,
                source=whence(self.request),
                now=self.now,
            )
        except TermsChanged:
            messages.warning(self.request, "The terms were changed meanwhile. Please read them again.")
            return redirect(f"{reverse('payers:welcome_details')}?{urlencode({'next': self.next_path})}")
        for access in opened:
            record(
                "payer.registered",
                merchant_id=access.company.merchant_id,
                user=self.user,
                ip=client_ip(self.request),
                subject=str(access.company),
            )
        self.request.session.pop(KEY, None)
        if self.request.user.is_authenticated:
            return redirect(self.next_path)
        return self.sign_in()

    def sign_in(self) -> HttpResponse:
        """Sign the person in as allauth does, so that an enrolled second factor is asked for."""
        record_authentication(self.request, self.user, method="password", email=self.user.email)
        # The mailed link proved the address as a mailed code would, so no code is mailed right after it.
        proved = {"stages": {LoginStageKey.LOGIN_BY_CODE.value: {"handled": True}}}
        login = Login(
            user=self.user,
            redirect_url=self.next_path,
            email_verification=EmailVerificationMethod.NONE,
            state=proved,
        )
        return cast(HttpResponse, perform_login(self.request, login))


def about(user: User, accesses: list[PayerAccess]) -> str:
    """What a form is about, so that one left open in another window changes nothing else."""
    return ":".join([user.reference, *(access.reference for access in accesses)])


def is_about(request: HttpRequest, user: User, accesses: list[PayerAccess]) -> bool:
    """Whether the form that was sent is about these."""
    return request.POST.get("about") == about(user, accesses)


@never_cached
@require_POST
def send_again(request: HttpRequest) -> HttpResponse:
    """Mail a new link to where the dead one went; the answer is the same whether there was anything to mail."""
    visit = visit_of(request)
    if visit is not None and visit.user.is_active:
        # Telling why none is sent would say something about the address to whoever holds an old link.
        with suppress(TooManyMails, PayerAccess.DoesNotExist):
            renew_invitation(visit.invitation.access, now=timezone.now())
    return redirect("payers:welcome_sent")


@never_cached
@require_GET
def sent_again(request: HttpRequest) -> HttpResponse:
    """Look into your mail."""
    return render(request, "payers/welcome_sent.html")


@never_cached
@require_POST
def switch_person(request: HttpRequest) -> HttpResponse:
    """Sign out whoever is signed in, and go on with the link."""
    kept = request.session.get(KEY)
    logout(request)
    if kept:
        request.session[KEY] = {"invitation": kept.get("invitation", "")}
    return redirect("payers:welcome")
