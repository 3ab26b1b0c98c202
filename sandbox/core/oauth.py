"""OAuth's code flow over HTTP: the consent page, the token endpoint, revocation, OAuth's errors."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from sandbox.core.identity import IdentityService, OAuthError
from sandbox.core.pages import render_page
from sandbox.core.service import RefusedError

# The last one is what Django's test client calls the site under test.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "testserver"})
NO_STORE = {"Cache-Control": "no-cache, no-store"}
OPENID_SCOPES = {"openid": "Know who you are", "profile": "See your name", "email": "See your e-mail address"}
Endpoint = Callable[[Request], Awaitable[Response]]


class ConsentChoice(NamedTuple):
    """Something to tick on the consent page; of those that are `radio`, one."""

    name: str
    value: str
    label: str
    kind: str = "checkbox"
    is_ticked: bool = False


class OAuthServer[I: IdentityService](ABC):
    """An identity service; a vendor adds its texts, its scopes and what a person chooses."""

    frame: ClassVar[str]
    refusal_heading: ClassVar[str]
    heading: ClassVar[str]
    legend: ClassVar[str]
    allow: ClassVar[str]
    choice: ClassVar[str] = ""  # the field that `auto` of the query fills
    scopes: ClassVar[dict[str, str]]
    needs_pkce: ClassVar[bool] = True
    default_email: ClassVar[str] = "bookkeeper@example.test"

    def __init__(self, identity: I) -> None:
        self.identity = identity
        self.world = identity.world

    async def authorize(self, request: Request) -> Response:
        """The consent page; its two buttons lead back to the app. `auto` answers for the person."""
        asked = request.query_params
        trouble = next((message for good, message in self.checks(asked) if not good), None)
        if trouble:
            return self.render_page("message.html", status=400, title=self.refusal_heading, message=trouble)
        if request.method == "POST":
            form = await request.form()
            return (
                self.complete_consent(asked, form)
                if form.get("decision") == "allow"
                else redirect_to_app(asked, error="access_denied")
            )
        if asked.get("auto"):
            return self.complete_consent(asked, FormData([(self.choice, name) for name in asked.getlist("auto")]))
        return self.render_consent(asked)

    def checks(self, asked: Mapping[str, str]) -> list[tuple[bool, str]]:
        """What must be so before the request can even be shown to a person, and what is wrong otherwise."""
        target, scopes = urlsplit(asked.get("redirect_uri", "")), asked.get("scope", "").split()
        is_near = target.scheme == "http" and target.hostname in LOOPBACK
        has_challenge = asked.get("code_challenge_method") == "S256" and len(asked.get("code_challenge", "")) == 43
        return [
            (asked.get("client_id") in self.identity.clients(), "The client_id is not known."),
            (target.scheme == "https" or is_near, "The redirect_uri must be https or on this computer."),
            (asked.get("response_type") == "code", "The response_type must be code."),
            (bool(asked.get("state")), "The state is missing."),
            (bool(scopes) and self.scopes.keys() >= set(scopes), "The scope is missing or not known."),
            (has_challenge or not self.needs_pkce, "A PKCE challenge with S256 is missing."),
        ]

    def render_consent(self, asked: Mapping[str, str], message: str = "") -> Response:
        """The page where a person chooses."""
        return self.render_page(
            "authorize.html",
            status=422 if message else 200,
            client=asked["client_id"],
            query=urlencode(dict(asked)),
            scopes=[self.scopes[scope] for scope in asked["scope"].split()],
            choices=self.choices(),
            email=asked.get("login_hint") or self.default_email,
            message=message,
        )

    def render_page(self, template: str, **context: Any) -> Response:
        """A page in the service's frame."""
        return render_page(template, frame=self.frame, service=self, **context)

    @abstractmethod
    def choices(self) -> list[ConsentChoice]:
        """What the consent page offers."""

    @abstractmethod
    def complete_consent(self, asked: QueryParams, form: FormData) -> Response:
        """Back to the app with a code for what was chosen, or the page again."""

    def get_email(self, asked: Mapping[str, str], form: FormData) -> str:
        """Who decided."""
        return str(form.get("email") or asked.get("login_hint") or self.default_email).strip().lower()

    async def token(self, request: Request) -> Response:
        """Tokens for a code or for a refresh token."""
        form = get_text_fields(await request.form())
        client = self.authenticate_client(request, form)
        if form.get("grant_type") == "authorization_code":
            found = self.identity.exchange(client, form)
        elif form.get("grant_type") == "refresh_token":
            found = self.identity.refresh(client, form.get("refresh_token", ""))
        else:
            raise OAuthError("unsupported_grant_type")
        return JSONResponse(found, headers=NO_STORE)

    async def revoke(self, request: Request) -> Response:
        """End what a token opens."""
        return self.revoke_token(request, get_text_fields(await request.form()))

    def revoke_token(self, request: Request, form: Mapping[str, str]) -> Response:
        """The answer once that is done; raises OAuthError."""
        self.identity.revoke(self.authenticate_client(request, form), form.get("token", ""))
        return Response(status_code=200)

    def authenticate_client(self, request: Request, form: Mapping[str, str]) -> str:
        """The app that calls, by HTTP Basic or by fields of the form; raises OAuthError."""
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                client, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise OAuthError("invalid_client", 401) from error
        self.identity.authenticate(client, secret)
        return client


def get_text_fields(form: Mapping[str, object]) -> dict[str, str]:
    """The fields of a form."""
    return {name: str(value) for name, value in form.items()}


def redirect_to_app(asked: Mapping[str, str], **answer: str) -> Response:
    """The redirect to the app."""
    target = asked["redirect_uri"]
    glue = "&" if urlsplit(target).query else "?"
    return RedirectResponse(target + glue + urlencode({**answer, "state": asked["state"]}), 303)


def answer_oauth_errors(work: Endpoint) -> Endpoint:
    """Answer errors in OAuth's format, or in that of the vendor's API."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request)
        except OAuthError as error:
            return JSONResponse({"error": error.code}, error.status, NO_STORE)
        except RefusedError as refusal:
            return JSONResponse(refusal.body, refusal.status)

    return answer
