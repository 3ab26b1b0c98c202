"""Pages of no floor: liveness, readiness and the error pages."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.csrf import requires_csrf_token

from wisepay.http import prefers_page


def alive(request: HttpRequest) -> HttpResponse:
    """Answer that the process runs."""
    return JsonResponse({"alive": True})


def ready(request: HttpRequest) -> HttpResponse:
    """Whether the process can reach its database: 200 or 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"ready": False}, status=503)
    return JsonResponse({"ready": True})


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for a path that does not exist, or not for this person."""
    message = _("The link may be cut or old, or what it showed is not for the account that you are signed in with.")
    return render(request, "error.html", {"title": _("This page does not exist"), "message": message}, status=404)


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for something this person may not do, in the words of who refused it."""
    message = str(exception) or _("Your account has no right to this. Whoever gave you the account can change that.")
    return render(request, "error.html", {"title": _("You can't do this"), "message": message}, status=403)


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The answer when a form's CSRF token or its cookie was missing or of another sign-in; nothing was changed."""
    if reason == REASON_NO_CSRF_COOKIE:
        message = _(
            "Your browser did not send the cookie that protects this form, so nothing was sent, charged or saved. "
            "Allow cookies for this site and open the page again."
        )
    else:
        message = _(
            "Somebody signed in or out in this browser since the page was opened, so nothing was sent, charged or "
            "saved. Open the page again and try once more."
        )
    link = {"url": get_way_back(request), "label": _("Open the page again")}
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"status": "refused", "code": "csrf", "message": message, "link": link}, status=403)
    context = {"title": _("This form was not sent"), "message": message, "link": link}
    return render(request, "error.html", context, status=403)


def show_wrong_method(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: a browser that opens the address of a form (405) gets a page, not an empty answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405 or response.content or not prefers_page(request):
            return response
        context = {"title": _("This address only takes forms"), "message": _("Nothing was changed.")}
        page = render(request, "error.html", context, status=405)
        page["Allow"] = response["Allow"]
        return page

    return middleware


def get_way_back(request: HttpRequest) -> str:
    """The page that a form was posted from: what the browser says, else the page above the form's address."""
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, allowed_hosts={request.get_host()}):
        parts = urlsplit(referer)
        if parts.path != request.path:
            return f"{parts.path}?{parts.query}" if parts.query else parts.path
    path = request.path
    while (path := path.rpartition("/")[0]) and not _leads_somewhere(path):
        pass
    return path or "/"


def _leads_somewhere(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def server_error(request: HttpRequest) -> HttpResponse:
    """The page after an exception: static, so it needs no database, no session and no request."""
    return HttpResponseServerError(render_to_string("server_error.html"))
