"""What holds for every request: what nobody can read is dropped, sessions end, nothing private is stored."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render, resolve_url
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from wisepay import clock
from wisepay.accounts.sessions import ACTIVE_KEY, is_idle_too_long, is_too_old, record_activity
from wisepay.input import UnreadableBody, read_json
from wisepay.models import User

GetResponse = Callable[[HttpRequest], HttpResponse]
# Sent by console.js with what a page asks for by itself: it is no sign that somebody is there.
BACKGROUND_HEADER = "X-Background"


class ReadableCookiesMiddleware:
    """Drop cookies with characters that ours never hold; a quoted one may hide a NUL, which no database stores."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        readable = {n: value for n, value in request.COOKIES.items() if value.isascii() and value.isprintable()}
        request.COOKIES = readable
        return self.get_response(request)


class ReadableCredentialsMiddleware:
    """Empty a passkey's answer that is no JSON or nested without end: the library's own form would fail on it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """Look at the answer before the form does."""
        name = request.resolver_match.url_name if request.resolver_match else ""
        if request.method == "POST" and str(name).startswith("mfa_") and "credential" in request.POST:
            request.POST = self.empty_unreadable(request.POST)  # type: ignore[assignment]

    def empty_unreadable(self, fields: QueryDict) -> QueryDict:
        """The fields, with an empty credential instead of one that cannot be read."""
        try:
            read_json(str(fields["credential"]).encode(errors="replace"))
        except UnreadableBody:
            fields = fields.copy()
            fields["credential"] = ""
        return fields


def is_public(response: HttpResponse) -> bool:
    """Whether a view, or the server of static files, said that everybody may keep the response."""
    return "public" in response.get("Cache-Control", "").replace(" ", "").split(",")


class NoStoreMiddleware:
    """Mark every response `no-store, private`, error pages and redirects too, unless it says `public` itself."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not is_public(response):
            add_never_cache_headers(response)
        return response


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
