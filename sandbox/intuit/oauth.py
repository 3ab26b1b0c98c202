"""The sign-in service over HTTP: discovery, the consent page, the token endpoint, revocation, the user."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.intuit.books import every, find
from sandbox.intuit.errors import RefusedError
from sandbox.intuit.identity import ACCOUNTING, Identity, OAuthError
from sandbox.pages import page
from sandbox.world import World

DEFAULT_USER = "bookkeeper@example.test"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SCOPES = {
    ACCOUNTING: "Read and write the books of your company",
    "com.intuit.quickbooks.payment": "Take payments",
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "phone": "See your phone number",
    "address": "See your address",
}
Work = Callable[[Request], Awaitable[Response]]


class OAuth:
    """The sign-in service, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = Identity(world)

    def routes(self) -> list[BaseRoute]:
        """Everything of the service; the discovery document is found under its four addresses."""
        names = ("openid_configuration", "openid_sandbox_configuration")
        return [
            *(Route(f"/.well-known/{name}{end}", self.discovery) for name in names for end in ("", "/")),
            Route("/connect/oauth2", self.authorize, methods=["GET", "POST"]),
            Route("/oauth2/v1/tokens/bearer", spoken(self.token), methods=["POST"]),
            Route("/v2/oauth2/tokens/revoke", spoken(self.revocation), methods=["POST"]),
            Route("/v1/openid_connect/userinfo", self.user),
            Route("/op/v1/jwks", self.keys),
        ]

    async def discovery(self, request: Request) -> Response:
        """Where everything is."""
        root = f"{self.world.url}/intuit"
        found = {
            "issuer": f"{root}/op/v1",
            "authorization_endpoint": f"{root}/connect/oauth2",
            "token_endpoint": f"{root}/oauth2/v1/tokens/bearer",
            "userinfo_endpoint": f"{root}/v1/openid_connect/userinfo",
            "revocation_endpoint": f"{root}/v2/oauth2/tokens/revoke",
            "jwks_uri": f"{root}/op/v1/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(SCOPES),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "claims_supported": ["aud", "exp", "iat", "iss", "realmid", "sub"],
        }
        return JSONResponse(found)

    async def keys(self, request: Request) -> Response:
        """No keys: nobody here signs identity tokens."""
        return JSONResponse({"keys": []})

    async def authorize(self, request: Request) -> Response:
        """The consent page; its two buttons lead back to the app. `auto` names the company for the person."""
        asked = request.query_params
        trouble = self.trouble(asked)
        if trouble:
            return page("intuit_message.html", status=400, title="Sorry, but this app didn't connect", message=trouble)
        if request.method == "POST":
            form = await request.form()
            if form.get("decision") != "allow":
                return back(asked, error="access_denied")
            return self.decided(asked, str(form.get("email") or DEFAULT_USER), str(form.get("company") or ""))
        if asked.get("auto"):
            return self.decided(asked, asked.get("login_hint") or DEFAULT_USER, asked["auto"])
        return self.consent(asked)

    def trouble(self, asked: Mapping[str, str]) -> str | None:
        """Why the request can not even be shown to a person."""
        address = asked.get("redirect_uri", "")
        target = urlsplit(address)
        registered = self.world.config.get("intuit_redirects")
        scopes = asked.get("scope", "").split()
        checks = (
            (asked.get("client_id") in self.identity.clients(), "The client_id query parameter is not known."),
            (
                target.scheme == "https" or (target.scheme == "http" and target.hostname in LOOPBACK),
                "The redirect_uri must be https or on this computer.",
            ),
            (registered is None or address in registered, "The redirect_uri query parameter value is invalid."),
            (asked.get("response_type") == "code", "The response_type query parameter must be code."),
            (bool(asked.get("state")), "The state query parameter is missing."),
            (bool(scopes) and all(scope in SCOPES for scope in scopes), "The scope query parameter is invalid."),
        )
        return next((message for good, message in checks if not good), None)

    def consent(self, asked: Mapping[str, str], message: str = "") -> Response:
        """The page where a person chooses a company."""
        return page(
            "intuit_authorize.html",
            status=422 if message else 200,
            client=asked["client_id"],
            query=urlencode(dict(asked)),
            scopes=[SCOPES[scope] for scope in asked["scope"].split()],
            companies=every(self.world),
            email=asked.get("login_hint") or DEFAULT_USER,
            message=message,
        )

    def decided(self, asked: Mapping[str, str], email: str, name: str) -> Response:
        """Back to the app with a code, and with the company when its books are opened."""
        scopes = asked["scope"].split()
        company = find(self.world, name)
        if company is None:
            return self.consent(asked, "Choose a company.")
        code = self.identity.code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            scopes=scopes,
            email=email.strip().lower(),
            realm=company.realm,
        )
        opened = {"realmId": company.realm} if ACCOUNTING in scopes else {}
        return back(asked, code=code, **opened)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or for a refresh token."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        client = self.client(request, form)
        if form.get("grant_type") == "authorization_code":
            told = {"code": form.get("code", ""), "redirect_uri": form.get("redirect_uri", "")}
            found = self.identity.exchange(client, **told)
        elif form.get("grant_type") == "refresh_token":
            found = self.identity.refresh(client, form.get("refresh_token", ""))
        else:
            raise OAuthError("unsupported_grant_type")
        return JSONResponse(found, headers={"Cache-Control": "no-cache, no-store"})

    async def revocation(self, request: Request) -> Response:
        """End a token's whole grant; the token comes as JSON or as a form."""
        form: dict[str, Any]
        if "json" in request.headers.get("content-type", ""):
            form = read_json(await request.body())
        else:
            form = dict(await request.form())
        self.identity.revoke(self.client(request, form), str(form.get("token") or ""))
        return Response(status_code=200)

    def client(self, request: Request, form: Mapping[str, Any]) -> str:
        """The app that calls, by HTTP Basic or by fields of the form; raises OAuthError."""
        client, secret = str(form.get("client_id", "")), str(form.get("client_secret", ""))
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                client, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise OAuthError("invalid_client", 401) from error
        self.identity.authenticate(client, secret)
        return client

    async def user(self, request: Request) -> Response:
        """Who consented, for tokens that may know it."""
        try:
            grant = self.identity.bearer(request.headers.get("authorization", ""))
        except RefusedError as refusal:
            return JSONResponse(refusal.body, refusal.status)
        if "openid" not in grant["scopes"]:
            return JSONResponse({"error": "insufficient_scope"}, 403)
        told = {"email": grant["email"], "emailVerified": True} if "email" in grant["scopes"] else {}
        return JSONResponse({"sub": grant["email"].partition("@")[0], **told})


def read_json(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; raises OAuthError."""
    try:
        found = json.loads(body)
    except ValueError as error:
        raise OAuthError("invalid_request") from error
    return found if isinstance(found, dict) else {}


def back(asked: Mapping[str, str], **answer: str) -> Response:
    """The redirect to the app."""
    target = asked["redirect_uri"]
    glue = "&" if urlsplit(target).query else "?"
    return RedirectResponse(target + glue + urlencode({**answer, "state": asked["state"]}), 303)


def spoken(work: Work) -> Work:
    """Let an endpoint refuse in the words of OAuth."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request)
        except OAuthError as error:
            return JSONResponse({"error": error.code}, error.status, {"Cache-Control": "no-cache, no-store"})

    return answer
