"""What holds for every request, whichever view takes it: a cookie that we never set is as good as none."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class ReadableCookiesMiddleware:
    """Drop cookies with characters that ours never hold; a quoted one may hide a NUL, which no database stores."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        readable = {n: value for n, value in request.COOKIES.items() if value.isascii() and value.isprintable()}
        request.COOKIES = readable
        return self.get_response(request)
