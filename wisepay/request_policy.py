"""What holds for every request, whichever view takes it: what nobody can read is as good as nothing."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, QueryDict

from wisepay.input import UnreadableBody, read_json


class ReadableCookiesMiddleware:
    """Drop cookies with characters that ours never hold; a quoted one may hide a NUL, which no database stores."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        readable = {n: value for n, value in request.COOKIES.items() if value.isascii() and value.isprintable()}
        request.COOKIES = readable
        return self.get_response(request)


class ReadableCredentialsMiddleware:
    """Empty a passkey's answer that is no JSON or nested without end: the library's own form would fail on it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
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
