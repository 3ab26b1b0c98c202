"""Pages of no floor: liveness, readiness and the error pages."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import requires_csrf_token


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
    return render(request, "error.html", {"title": "This page does not exist"}, status=404)


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for something this person may not do."""
    return render(request, "error.html", {"title": "You can't do this"}, status=403)


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The page when a form's CSRF token or its cookie was missing; nothing was changed."""
    title = "Your browser did not send what protects this form. Reload the page, allow cookies, and try again"
    return render(request, "error.html", {"title": title}, status=403)


@requires_csrf_token
def server_error(request: HttpRequest) -> HttpResponse:
    """The page after an exception; it needs no database."""
    return render(request, "error.html", {"title": "Something went wrong on our side"}, status=500)
