"""What happens to a session before a view is asked: it ends after too long without activity."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _

from wisepay import clock
from wisepay.accounts.sessions import ACTIVE_KEY, is_idle_too_long, is_too_old, record_activity
from wisepay.models import User
from wisepay.response_policy import GetResponse

# Sent by console.js with what a page asks for by itself: it is no sign that somebody is there.
BACKGROUND_HEADER = "X-Background"


class SessionPolicyMiddleware:
    """End sessions that were idle for too long, and answer fragments of a page that lost its session in words."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and isinstance(request.user, User):
            follow_session(request, request.user)
        response = self.get_response(request)
        if request.session.modified and isinstance(request.user, User) and ACTIVE_KEY not in request.session:
            record_activity(request, now=clock.now())  # this request signed somebody in
        if is_fragment(request) and leads_to_sign_in(response):
            return render_signed_out(request)
        return response


def follow_session(request: HttpRequest, user: User) -> None:
    """End the session, or note that the person is active."""
    now = clock.now()
    if is_idle_too_long(request, user, now=now) or is_too_old(request, now=now):
        logout(request)
        messages.info(request, _("You were signed out because nothing was done for a while. Please sign in again."))
    elif BACKGROUND_HEADER not in request.headers:
        record_activity(request, now=now)


def is_fragment(request: HttpRequest) -> bool:
    """Whether a script put the answer into a page that is there already."""
    return request.headers.get("HX-Request") == "true" and "HX-Boosted" not in request.headers


def leads_to_sign_in(response: HttpResponse) -> bool:
    """Whether the answer is a redirect to the sign-in page."""
    path = response.get("Location", "").partition("?")[0]
    return response.status_code == 302 and path == resolve_url(settings.LOGIN_URL)


def render_signed_out(request: HttpRequest) -> HttpResponse:
    """Tell to sign in, in the fragment's place; the page is loaded again, which leads to the sign-in page and back."""
    response = render(request, "signed_out.html", status=401)
    response["HX-Refresh"] = "true"
    return response
