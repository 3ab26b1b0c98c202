"""Pages behind the link of a Welcome mail: a password, the details and terms, and every way that can go wrong."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.terms.services import render_terms
from payers.access import get_landing_path, get_payer
from payers.completion import (
    NothingToComplete,
    PasswordAlreadySet,
    TermsChanged,
    complete_registration,
    create_password,
    list_accesses_to_confirm,
    list_user_account_terms,
)
from payers.forms import AgreementForm, PasswordForm, PayerDetailsForm
from payers.invitations import TooManyMails, close_used_invitation, find_invitation, parse_token, renew_invitation
from payers.models import Invitation, PayerAccess
from payers.registrations import list_waiting_registrations
from payers.terms import get_request_source
from wisepay import clock
from wisepay.accounts.mailed_links import sign_in_by_mailed_link
from wisepay.audit import record_audit_entry
from wisepay.budgets import Budget, spend_for_network
from wisepay.http import get_client_ip
from wisepay.models import User

SESSION_KEY = "welcome"  # the session's key: which invitation was opened, and whether its password was chosen here
HTTP_GONE = 410


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """An opened link; with `is_password_chosen` in this session, nobody has to type the password again."""

    invitation: Invitation
    is_password_chosen: bool

    @property
    def user(self) -> User:
        """Whom the mail went to."""
        return self.invitation.access.user


def find_opened_link(request: HttpRequest) -> OpenedLink | None:
    """The link that this session opened last, open or not."""
    stored = request.session.get(SESSION_KEY, {})
    invitation = find_invitation(stored.get("invitation", ""))
    return OpenedLink(invitation, bool(stored.get("proved"))) if invitation else None


@require_GET
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link itself: it goes into the session at once, so that no later address carries it."""
    reference = parse_token(token)
    if request.session.get(SESSION_KEY, {}).get("invitation") != reference:
        request.session[SESSION_KEY] = {"invitation": reference}
    return redirect("payers:welcome")


@require_GET
def welcome(request: HttpRequest) -> HttpResponse:
    """The next step of whoever opened a link."""
    visit = find_opened_link(request)
    if visit is None or not visit.invitation.is_open(clock.now()):
        if visit and request.user == visit.user:
            return redirect(get_landing_path(visit.invitation.next_path, now=clock.now()))
        return render_invalid_link(request, visit)
    if list_waiting_registrations(visit.user):
        return redirect("payers:welcome_registrations")
    if visit.user.has_usable_password():
        return redirect("payers:welcome_details")
    return refuse_other_person(request, visit) or redirect("payers:welcome_password")


def render_invalid_link(request: HttpRequest, visit: OpenedLink | None) -> HttpResponse:
    """The page of a link that opens nothing: why, and what to do."""
    reason = "forged"
    if visit is not None:
        closed = visit.invitation
        reason = "used" if closed.used_at else "replaced" if closed.replaced_at else "expired"
    return render(request, "payers/welcome_dead.html", {"reason": reason}, status=HTTP_GONE)


def refuse_other_person(request: HttpRequest, visit: OpenedLink) -> HttpResponse | None:
    """The page for a browser in which another person than the invited one is signed in."""
    if request.user.is_authenticated and request.user != visit.user:
        return render(request, "payers/welcome_other.html", {"invited": visit.user}, status=409)
    return None


@require_http_methods(["GET", "POST"])
def choose_password(request: HttpRequest) -> HttpResponse:
    """Create New Password."""
    visit, now = find_opened_link(request), clock.now()
    if visit is None or not visit.invitation.is_open(now) or visit.user.has_usable_password():
        return redirect("payers:welcome")
    other = refuse_other_person(request, visit)
    if other is not None:
        return other
    form = PasswordForm(visit.user, request.POST or None)
    if request.method == "POST" and is_form_subject(request, visit.user, [visit.invitation.access]) and form.is_valid():
        return save_password(request, visit, form.cleaned_data["password"], now=now)
    context = {"form": form, "visit": visit, "about": build_form_subject(visit.user, [visit.invitation.access])}
    return render(request, "payers/welcome_password.html", context, status=422 if form.errors else 200)


def save_password(request: HttpRequest, visit: OpenedLink, password: str, *, now: datetime) -> HttpResponse:
    """Store the password; whoever lost a race with another window goes on from where that one is."""
    try:
        create_password(visit.invitation, password=password, now=now)
    except (PasswordAlreadySet, NothingToComplete):
        return redirect("payers:welcome")
    request.session[SESSION_KEY] = {"invitation": visit.invitation.reference, "proved": True}
    request.session.cycle_key()
    return redirect("payers:welcome_details")


@require_http_methods(["GET", "POST"])
def confirm_details(request: HttpRequest) -> HttpResponse:
    """Confirm details, accept the terms, Register: for the link's person, or for whoever signed in unfinished."""
    now = clock.now()
    visit = find_opened_link(request)
    if visit is not None and not visit.invitation.is_open(now):
        visit = None
    if visit is not None:
        stop = refuse_other_person(request, visit) or get_sign_in_redirect(request, visit)
        if stop is not None:
            return stop
    elif not request.user.is_authenticated:
        return redirect(f"{reverse('account_login')}?{urlencode({'next': request.get_full_path()})}")
    user = visit.user if visit else cast(User, request.user)
    next_path = visit.invitation.next_path if visit else request.POST.get("next", request.GET.get("next", ""))
    return RegistrationPage(
        request, user, visit.invitation if visit else None, get_landing_path(next_path, now=now), now
    ).render()


def get_sign_in_redirect(request: HttpRequest, visit: OpenedLink) -> HttpResponse | None:
    """Where an anonymous browser goes before it may act for the invited person; None when it may."""
    if request.user.is_authenticated:
        return None
    if not visit.user.has_usable_password():
        return redirect("payers:welcome_password")
    if visit.is_password_chosen:
        return None
    return redirect(f"{reverse('account_login')}?{urlencode({'next': reverse('payers:welcome_details')})}")


@dataclass(frozen=True, slots=True)
class RegistrationPage:
    """One request to the last step, of somebody who may act for `user`."""

    request: HttpRequest
    user: User
    invitation: Invitation | None
    next_path: str
    now: datetime

    def render(self) -> HttpResponse:
        """The form, or what follows when it was sent."""
        payer = get_payer(self.user)
        accesses = list_accesses_to_confirm(self.user, self.invitation)
        if payer.state == "registered" and not accesses:
            return self.skip()
        sent = self.get_submitted_form(accesses)
        terms = list_user_account_terms(accesses)
        details = PayerDetailsForm.for_payer(payer, sent, accesses) if payer.state == "invited" else None
        agreement = AgreementForm(sent, initial={"terms": ",".join(str(one.pk) for one in terms)})
        if sent is not None and agreement.is_valid() and (details is None or details.is_valid()):
            return self.register(accesses, agreement, details)
        failed = bool(agreement.errors or (details and details.errors))
        context = {
            "payer": payer,
            "person": self.user,
            "accesses": accesses,
            "texts": [{"terms": one, "text": render_terms(one)} for one in terms],
            "form": details,
            "agreement": agreement,
            "about": build_form_subject(self.user, accesses),
            "next": self.next_path,
        }
        return render(self.request, "payers/welcome_details.html", context, status=422 if failed else 200)

    def get_submitted_form(self, accesses: list[PayerAccess]) -> QueryDict | None:
        """What was posted, unless the page was about something else in another window."""
        if self.request.method != "POST":
            return None
        if is_form_subject(self.request, self.user, accesses):
            return self.request.POST
        messages.warning(self.request, "This page was about something else in another window. Please look again.")
        return None

    def skip(self) -> HttpResponse:
        """The person has all that the link would give: on to where they were going."""
        if self.invitation is not None:
            close_used_invitation(self.invitation, now=self.now)
            self.request.session.pop(SESSION_KEY, None)
        return redirect(self.next_path)

    def register(
        self, accesses: list[PayerAccess], agreement: AgreementForm, details: PayerDetailsForm | None
    ) -> HttpResponse:
        """Register, sign in, and go where the person was going; or read the terms again, if others came meanwhile."""
        try:
            opened = complete_registration(
                self.user,
                accesses=accesses,
                seen_terms=agreement.get_seen_terms(),
                details=details.get_details() if details else None,
                source=get_request_source(self.request),
                now=self.now,
            )
        except TermsChanged:
            messages.warning(self.request, "The terms were changed meanwhile. Please read them again.")
            return redirect(f"{reverse('payers:welcome_details')}?{urlencode({'next': self.next_path})}")
        self.record_audit_entries(opened)
        self.request.session.pop(SESSION_KEY, None)
        if self.request.user.is_authenticated:
            return redirect(self.next_path)
        return self.sign_in()

    def record_audit_entries(self, accesses: Sequence[PayerAccess]) -> None:
        """One entry for each access that became active."""
        for access in accesses:
            record_audit_entry(
                "payer.registered",
                merchant_id=access.company.merchant_id,
                user=self.user,
                ip=get_client_ip(self.request),
                subject=str(access.company),
            )

    def sign_in(self) -> HttpResponse:
        """Sign the person in as allauth does, so that an enrolled second factor is asked for."""
        return sign_in_by_mailed_link(self.request, self.user, next_path=self.next_path)


def build_form_subject(user: User, accesses: list[PayerAccess]) -> str:
    """What a form is about, so that one left open in another window changes nothing else."""
    return ":".join([user.reference, *(access.reference for access in accesses)])


def is_form_subject(request: HttpRequest, user: User, accesses: list[PayerAccess]) -> bool:
    """Whether the form that was sent is about these."""
    return request.POST.get("about") == build_form_subject(user, accesses)


@require_POST
def send_again(request: HttpRequest) -> HttpResponse:
    """Mail a new link to where the dead one went; the answer is the same whether there was anything to mail."""
    visit = find_opened_link(request)
    wait = spend_for_network(Budget.MAILS_FROM_NETWORK, get_client_ip(request), now=clock.now())
    if visit is not None and visit.user.is_active and not wait:
        # Telling why none is sent would say something about the address to whoever holds an old link.
        with suppress(TooManyMails, PayerAccess.DoesNotExist):
            renew_invitation(visit.invitation.access, now=clock.now())
    return redirect("payers:welcome_sent")


@require_GET
def sent_again(request: HttpRequest) -> HttpResponse:
    """Look into your mail."""
    return render(request, "payers/welcome_sent.html")


@require_POST
def switch_person(request: HttpRequest) -> HttpResponse:
    """Sign out whoever is signed in, and go on with the link."""
    stored = request.session.get(SESSION_KEY)
    logout(request)
    if stored:
        request.session[SESSION_KEY] = {"invitation": stored.get("invitation", "")}
    return redirect("payers:welcome")
