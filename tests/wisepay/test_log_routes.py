"""Tokens and links never reach a log: every route that holds one, by every method, with every failure."""

import io
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import get_resolver, reverse
from pytest_django import Settings

from wisepay.logs import REDACTED, configure_logs, is_secret_argument, list_routes, redact_routes, rules, split_route

TOKEN = "eW91LXNoYWxsLW5vdC1yZWFkLXRoaXM"
METHODS = ["get", "head", "post", "put", "patch", "delete", "options"]


def build_paths() -> dict[str, str]:
    """A path of every route with a secret argument, with the same secret in each."""
    found = {}
    for chain, name in list_routes(get_resolver()):
        parts = split_route(chain)
        if any(is_secret for _, _, is_secret in parts):
            path = "".join(
                literal + (TOKEN if secret else "x1" if argument else "") for literal, argument, secret in parts
            )
            found[f"{name} /{path}"] = f"/{path}"
    return found


PATHS = build_paths()


@pytest.fixture
def written() -> Iterator[Callable[[], str]]:
    """The logs as a process writes them, those of gunicorn with them."""
    names = (None, "gunicorn.access", "gunicorn.error")
    saved = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in names}
    stderr, sys.stderr = sys.stderr, io.StringIO()
    configure_logs(as_json=True, level="INFO")
    stream = sys.stderr
    yield stream.getvalue
    sys.stderr = stderr
    for name, (handlers, level) in saved.items():
        logging.getLogger(name).handlers[:] = handlers
        logging.getLogger(name).setLevel(level)


def failing(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that fails with the path in its message."""

    def middleware(request: HttpRequest) -> HttpResponse:
        raise RuntimeError(f"no answer for {request.get_full_path()}")

    return middleware


def test_the_routes_with_secrets_are_known() -> None:
    names = {label.split()[0] for label in PATHS}
    assert {"welcome_link", "pay", "create_attempt", "return", "account_reset_password_from_key"} <= names
    assert {"account_confirm_email"} <= names
    assert any("/checkouts/" in path for path in PATHS.values())
    assert len(PATHS) >= 12


@pytest.mark.parametrize("label", sorted(PATHS))
@pytest.mark.django_db
def test_no_failure_of_a_route_writes_its_secret(label: str, written: Callable[[], str], settings: Settings) -> None:
    path = PATHS[label]
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    for method in METHODS:
        for address in (path, f"{path}/more", path.rstrip("/")):
            getattr(client, method)(address)  # 200, 404, 405, or 403 without the CSRF token
    settings.MIDDLEWARE = [*django_settings.MIDDLEWARE[:1], f"{__name__}.failing"]
    fresh = Client(raise_request_exception=False)
    assert {getattr(fresh, method)(path, headers={"referer": f"http://testserver{path}"}).status_code
            for method in METHODS} <= {500, 301}  # fmt: skip
    found = written()
    assert "Internal Server Error" in found
    assert "no answer for" in found
    assert TOKEN not in found


def test_what_the_server_in_front_writes_is_redacted_too(written: Callable[[], str]) -> None:
    for path in PATHS.values():
        logging.getLogger("gunicorn.access").info(
            '%s - - [%s] "GET %s?next=%s HTTP/1.1" 405 0 "http://testserver%s" "curl"',
            "127.0.0.1", "29/Nov/2026", path, path.replace("/", "%2F"), path,
        )  # fmt: skip
        logging.getLogger("gunicorn.error").error("Error handling request %s", path)
        logging.getLogger("django.security.csrf").warning("Forbidden (CSRF cookie not set.): %s", path)
    found = written()
    assert found.count("\n") == 3 * len(PATHS)
    assert TOKEN not in found
    assert "curl" in found


SPELLINGS = [
    f"/welcome/{TOKEN}",
    f"welcome/{TOKEN}",
    f"'path': 'pay/{TOKEN}/guest'",
    f"/WELCOME/{TOKEN}",
    f"//welcome/{TOKEN}",
    f"/welcome%2F{TOKEN}",
    f"/accounts/login/?next=/pay/{TOKEN}/checkout",
    f"/accounts/login/?next=%2Fpay%2F{TOKEN}%2Fcheckout",
    f"/accounts/login/?next=%252Fpay%252F{TOKEN}",
    f"https://pay.example.com/pay/{TOKEN}?x=1",
    f"https%3A%2F%2Fpay.example.com%2Fpay%2F{TOKEN}",
    f"/oauth/xero/callback?code={TOKEN}&state={TOKEN}",
    f"/pay/x/checkout?payment_intent_client_secret={TOKEN}",
    f"/api/cpq/v1/checkouts/{TOKEN}",
    f"/a?access_token={TOKEN}#b",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_secret_is_redacted_however_its_path_is_spelt(text: str) -> None:
    assert TOKEN not in redact_routes(text)
    assert REDACTED in redact_routes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Not Found: /m/abc/payments/",
        "GET /welcome/password HTTP/1.1",
        "/welcome/details?next=/my/",
        'File "/srv/templates/pay/checkout.html"',
        "/static/css/pay.css",
        "read 3/4 of 12 per cent",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_routes(text) == text


def test_names_of_arguments_that_sound_secret_are_secret_by_their_route() -> None:
    """A new route with a token, key or signature in its path has to say so by its converter."""
    loose = [
        f"{name}: {argument}"
        for chain, name in list_routes(get_resolver())
        for pattern in chain
        for argument in getattr(pattern, "converters", {})
        if any(word in argument for word in ("token", "secret", "signature"))
        and not is_secret_argument(pattern, argument)
    ]
    assert loose == []
    assert len(rules.get()) >= 6
    assert reverse("payers:welcome_link", args=["a:b"]) == "/welcome/a:b"
