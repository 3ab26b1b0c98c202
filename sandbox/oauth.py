"""OAuth's code flow over HTTP: the consent page, the token endpoint, revocation, refusals in OAuth's words."""

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

from sandbox.identity import Identity, OAuthError
from sandbox.pages import page
from sandbox.service import RefusedError

# The last one is what Django's test client calls the site under test.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "testserver"})
NO_STORE = {"Cache-Control": "no-cache, no-store"}
PERSON = {"openid": "Know who you are", "profile": "See your name", "email": "See your e-mail address"}
Work = Callable[[Request], Awaitable[Response]]


class Choice(NamedTuple):
    """Something to tick on the consent page; of those that are `radio`, one."""

    name: str
    value: str
    label: str
    kind: str = "checkbox"
    is_ticked: bool = False


class OAuth[I: Identity](ABC):
    """An identity service; a vendor tells its words, its scopes and what a person chooses."""

    frame: ClassVar[str]
    refused: ClassVar[str]
    heading: ClassVar[str]
    legend: ClassVar[str]
    allow: ClassVar[str]
    choice: ClassVar[str] = ""  # the field that `auto` of the query fills
    scopes: ClassVar[dict[str, str]]
    needs_pkce: ClassVar[bool] = True
    somebody: ClassVar[str] = "bookkeeper@example.test"

    def __init__(self, identity: I) -> None:
        self.identity = identity
        self.world = identity.world

    async def authorize(self, request: Request) -> Response:
        """The consent page; its two buttons lead back to the app. `auto` answers for the person."""
        asked = request.query_params
        trouble = next((message for good, message in self.checks(asked) if not good), None)
        if trouble:
            return self.page("message.html", status=400, title=self.refused, message=trouble)
        if request.method == "POST":
            form = await request.form()
            return self.decided(asked, form) if form.get("decision") == "allow" else back(asked, error="access_denied")
        if asked.get("auto"):
            return self.decided(asked, FormData([(self.choice, name) for name in asked.getlist("auto")]))
        return self.consent(asked)

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

    def consent(self, asked: Mapping[str, str], message: str = "") -> Response:
        """The page where a person chooses."""
        return self.page(
            "authorize.html",
            status=422 if message else 200,
            client=asked["client_id"],
            query=urlencode(dict(asked)),
            scopes=[self.scopes[scope] for scope in asked["scope"].split()],
            choices=self.choices(),
            email=asked.get("login_hint") or self.somebody,
            message=message,
        )

    def page(self, template: str, **context: Any) -> Response:
        """A page in the service's frame."""
        return page(template, frame=self.frame, service=self, **context)

    @abstractmethod
    def choices(self) -> list[Choice]:
        """What the consent page offers."""

    @abstractmethod
    def decided(self, asked: QueryParams, told: FormData) -> Response:
        """Back to the app with a code for what was chosen, or the page again."""

    def email(self, asked: Mapping[str, str], told: FormData) -> str:
        """Who decided."""
        return str(told.get("email") or asked.get("login_hint") or self.somebody).strip().lower()

    async def token(self, request: Request) -> Response:
        """Tokens for a code or for a refresh token."""
        form = texts(await request.form())
        client = self.client(request, form)
        if form.get("grant_type") == "authorization_code":
            found = self.identity.exchange(client, form)
        elif form.get("grant_type") == "refresh_token":
            found = self.identity.refresh(client, form.get("refresh_token", ""))
        else:
            raise OAuthError("unsupported_grant_type")
        return JSONResponse(found, headers=NO_STORE)

    async def revocation(self, request: Request) -> Response:
        """End what a token opens."""
        return self.revoked(request, texts(await request.form()))

    def revoked(self, request: Request, form: Mapping[str, str]) -> Response:
        """The answer once that is done; raises OAuthError."""
        self.identity.revoke(self.client(request, form), form.get("token", ""))
        return Response(status_code=200)

    def client(self, request: Request, form: Mapping[str, str]) -> str:
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


def texts(form: Mapping[str, object]) -> dict[str, str]:
    """The fields of a form."""
    return {name: str(value) for name, value in form.items()}


def back(asked: Mapping[str, str], **answer: str) -> Response:
    """The redirect to the app."""
    target = asked["redirect_uri"]
    glue = "&" if urlsplit(target).query else "?"
    return RedirectResponse(target + glue + urlencode({**answer, "state": asked["state"]}), 303)


def guarded(work: Work) -> Work:
    """Let an endpoint refuse in the words of OAuth, or as the vendor's API does."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request)
        except OAuthError as error:
            return JSONResponse({"error": error.code}, error.status, NO_STORE)
        except RefusedError as refusal:
            return JSONResponse(refusal.body, refusal.status)

    return answer
