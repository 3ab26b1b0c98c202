"""What holds for every response, whichever view made it: nothing private is stored by a browser or a proxy."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers

GetResponse = Callable[[HttpRequest], HttpResponse]


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
