"""Pages behind the link of an invitation to work for a merchant: sign in or make an account, and join."""

from typing import cast

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.forms import JoinForm
from merchants.member_invitations import (
    InvitationRefused,
    accept_invitation,
    can_sign_in,
    create_invited_user,
    find_invitation,
    find_invitation_by_token,
)
from merchants.models import MemberInvitation
from wisepay import clock
from wisepay.accounts.mailed_links import sign_in_by_mailed_link
from wisepay.audit import record_audit_entry
from wisepay.http import get_client_ip
from wisepay.models import User

SESSION_KEY = "joining"  # the session's key: the digest of the link that was opened
HTTP_GONE = 410


@require_GET
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """The link itself: it goes into the session at once, so that no later address carries it."""
    invitation = find_invitation_by_token(token)
    request.session[SESSION_KEY] = invitation.token_digest if invitation else ""
    return redirect("merchants:join")


@require_http_methods(["GET", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """What the invitation offers, for the person that it names: they join, sign in first, or make their account."""
    digest = request.session.get(SESSION_KEY, "")
    invitation = find_invitation(token_digest=digest) if digest else None
    if invitation is None or invitation.get_obstacle(clock.now()):
        return render_dead_link(request, invitation)
    if request.user.is_authenticated:
        return join_signed_in(request, invitation)
    user = User.objects.filter(email__iexact=invitation.email).first()
    if user is not None and not user.is_active:
        return refuse(request, invitation)
    if user is not None and can_sign_in(user):
        return redirect(f"{reverse('account_login')}?{urlencode({'next': reverse('merchants:join')})}")
    return join_newly(request, invitation, user)


def render_dead_link(request: HttpRequest, invitation: MemberInvitation | None) -> HttpResponse:
    """The page of a link that opens nothing: why, and what to do."""
    reason = invitation.get_obstacle(clock.now()) if invitation else "unknown"
    return render(request, "merchants/join_dead.html", {"reason": reason, "invitation": invitation}, status=HTTP_GONE)


def refuse(request: HttpRequest, invitation: MemberInvitation) -> HttpResponse:
    """The page for whoever the invitation does not name, or whose account is closed."""
    return render(request, "merchants/join_other.html", {"invitation": invitation}, status=409)


def join_signed_in(request: HttpRequest, invitation: MemberInvitation) -> HttpResponse:
    """Ask the signed-in person whether they join, and let them."""
    person = cast(User, request.user)
    if person.email.lower() != invitation.email:
        return refuse(request, invitation)
    if request.method != "POST":
        return render(request, "merchants/join.html", {"invitation": invitation})
    try:
        accept_invitation(invitation, user=person, now=clock.now())
    except InvitationRefused:  # somebody withdrew it, or another window was quicker
        return redirect("merchants:join")
    return welcome(request, invitation, person)


def join_newly(request: HttpRequest, invitation: MemberInvitation, user: User | None) -> HttpResponse:
    """Make the account of the invited address, sign it in, and join."""
    person = user or User(email=invitation.email)
    form = JoinForm(person, request.POST if request.method == "POST" else None, initial={"name": person.name})
    if request.method == "POST" and form.is_valid():
        try:
            created = create_invited_user(invitation, **form.cleaned_data, now=clock.now())
        except InvitationRefused:
            return redirect("merchants:join")
        welcome(request, invitation, created)
        then = reverse("merchants:dashboard", args=[invitation.merchant.reference])
        return sign_in_by_mailed_link(request, created, next_path=then)
    context = {"invitation": invitation, "form": form}
    return render(request, "merchants/join_new.html", context, status=422 if form.errors else 200)


def welcome(request: HttpRequest, invitation: MemberInvitation, person: User) -> HttpResponse:
    """Write down that the person joined, and open the dashboard."""
    request.session.pop(SESSION_KEY, None)
    record_audit_entry(
        "people.joined",
        merchant_id=invitation.merchant_id,
        user=person,
        ip=get_client_ip(request),
        subject=person.email,
        detail=f"Role: {invitation.role}",
    )
    return redirect("merchants:dashboard", invitation.merchant.reference)


@require_POST
def switch_person(request: HttpRequest) -> HttpResponse:
    """Sign out whoever is signed in, and go on with the link."""
    digest = request.session.get(SESSION_KEY, "")
    logout(request)
    if digest:
        request.session[SESSION_KEY] = digest
    return redirect("merchants:join")
