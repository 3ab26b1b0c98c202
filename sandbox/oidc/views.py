"""The practice OpenID providers over HTTP: discovery, the sign-in page, tokens, keys, userinfo."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.oidc.provider import CLIENT, CLIENT_SECRET, NAMES, Grants, SignOnError, listed_keys
from sandbox.pages import page
from sandbox.world import World

LOOPBACK = frozenset({"127.0.0.1", "localhost", "testserver"})
DEFAULT_PERSON = "admin@northwind-it.example"
Work = Callable[[Request, str], Awaitable[Response]]


class Provider:
    """Both providers, bound to one world; the path says which one is meant."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.grants = Grants(world)

    def routes(self) -> list[BaseRoute]:
        """Everything of every provider."""
        return [
            Route("/{key}/", spoken(self.home)),
            Route("/{key}/.well-known/openid-configuration", spoken(self.discovery)),
            Route("/{key}/keys", spoken(self.keys)),
            Route("/{key}/authorize", spoken(self.authorize), methods=["GET", "POST"]),
            Route("/{key}/token", spoken(self.token), methods=["POST"]),
            Route("/{key}/userinfo", spoken(self.userinfo)),
        ]

    async def home(self, request: Request, key: str) -> Response:
        """A page that says what this is."""
        text = "Press the button on Wise-Pay's sign-in page, and come back here with a question to answer."
        return page("oidc_message.html", name=NAMES[key], title=NAMES[key], message=text)

    async def discovery(self, request: Request, key: str) -> Response:
        """Where everything is."""
        issuer = self.grants.issuer(key)
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "jwks_uri": f"{issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email"],
            }
        )

    async def keys(self, request: Request, key: str) -> Response:
        """The public keys."""
        return JSONResponse(listed_keys(key))

    async def authorize(self, request: Request, key: str) -> Response:
        """The page where a person says who they are; its two buttons lead back to the app."""
        asked = request.query_params
        trouble = self.trouble(asked)
        if trouble:
            return page("oidc_message.html", status=400, name=NAMES[key], title="Nobody can sign in", message=trouble)
        if request.method == "GET":
            return page("oidc_authorize.html", name=NAMES[key], query=urlencode(dict(asked)), email=DEFAULT_PERSON)
        form = await request.form()
        if form.get("decision") != "allow":
            return back(asked, error="access_denied")
        code = self.grants.code(
            provider=key,
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            nonce=asked["nonce"],
            email=str(form.get("email") or DEFAULT_PERSON).strip().lower(),
            verified=form.get("verified") == "on",
            mfa=form.get("mfa") == "on",
        )
        return back(asked, code=code)

    def trouble(self, asked: Mapping[str, str]) -> str | None:
        """Why the request can not even be shown to a person."""
        target = urlsplit(asked.get("redirect_uri", ""))
        checks = (
            (asked.get("client_id") == CLIENT, "The client id is not known."),
            (
                target.scheme == "https" or (target.scheme == "http" and target.hostname in LOOPBACK),
                "The redirect address must be https or on this computer.",
            ),
            (asked.get("response_type") == "code", "The response type must be code."),
            ("openid" in asked.get("scope", "").split(), "The scope openid is missing."),
            (bool(asked.get("state")), "The state is missing."),
            (bool(asked.get("nonce")), "The nonce is missing."),
            (asked.get("code_challenge_method") == "S256", "A PKCE challenge with S256 is missing."),
            (len(asked.get("code_challenge", "")) == 43, "The PKCE challenge is none."),
        )
        return next((message for good, message in checks if not good), None)

    async def token(self, request: Request, key: str) -> Response:
        """Tokens for a code."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        client = self.client(request, form)
        if form.get("grant_type") != "authorization_code":
            raise SignOnError("unsupported_grant_type")
        return JSONResponse(self.grants.exchange(key, client, form), headers={"Cache-Control": "no-store"})

    def client(self, request: Request, form: Mapping[str, str]) -> str:
        """The app that calls, by HTTP Basic or by fields of the form. Raises SignOnError."""
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                client, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise SignOnError("invalid_client", 401) from error
        if client != CLIENT or not secrets.compare_digest(secret.encode(), CLIENT_SECRET.encode()):
            raise SignOnError("invalid_client", 401)
        return client

    async def userinfo(self, request: Request, key: str) -> Response:
        """Who the bearer is."""
        return JSONResponse(self.grants.person(key, request.headers.get("authorization", "")))


def back(asked: Mapping[str, str], **answer: str) -> Response:
    """The redirect to the app."""
    target = asked["redirect_uri"]
    glue = "&" if urlsplit(target).query else "?"
    return RedirectResponse(target + glue + urlencode({**answer, "state": asked["state"]}), 303)


def spoken(work: Work) -> Callable[[Request], Awaitable[Response]]:
    """Hand over which provider is meant, and let it refuse in the words of OAuth."""

    async def answer(request: Request) -> Response:
        key = request.path_params["key"]
        if key not in NAMES:
            return JSONResponse({"error": "not_found"}, 404)
        try:
            return await work(request, key)
        except SignOnError as error:
            return JSONResponse({"error": error.code}, error.status, {"Cache-Control": "no-store"})

    return answer
