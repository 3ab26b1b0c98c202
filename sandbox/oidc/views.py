"""A practice OpenID provider over HTTP: discovery, the sign-in page, tokens, keys, userinfo."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.oauth import PERSON, Choice, OAuth, back, guarded
from sandbox.oidc.provider import NAMES, Identity, listed_keys


class Provider(OAuth[Identity]):
    """One provider's side of the code flow."""

    frame = "oidc_base.html"
    refused = "Nobody can sign in"
    heading = "Sign in as"
    legend = "The provider"
    allow = "Continue"
    scopes = PERSON
    somebody = "admin@northwind-it.example"

    def routes(self) -> list[BaseRoute]:
        """Everything of the provider."""
        return [
            Route("/", self.home),
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/keys", self.keys),
            Route("/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/token", guarded(self.token), methods=["POST"]),
            Route("/userinfo", guarded(self.userinfo)),
        ]

    @property
    def title(self) -> str:
        """What people call the provider."""
        return NAMES[self.identity.key]

    async def home(self, request: Request) -> Response:
        """A page that says what this is."""
        return self.page(self.frame)

    async def discovery(self, request: Request) -> Response:
        """Where everything is."""
        issuer = self.identity.issuer
        found = {
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
            "scopes_supported": list(self.scopes),
        }
        return JSONResponse(found)

    async def keys(self, request: Request) -> Response:
        """The public keys."""
        return JSONResponse(listed_keys(self.identity.key))

    def checks(self, asked: Mapping[str, str]) -> list[tuple[bool, str]]:
        """Signing in also needs the scope that says so, and a nonce."""
        return [
            *super().checks(asked),
            ("openid" in asked.get("scope", "").split(), "The scope openid is missing."),
            (bool(asked.get("nonce")), "The nonce is missing."),
        ]

    def choices(self) -> list[Choice]:
        """How sure the provider is of the person."""
        return [
            Choice("verified", "on", "The provider has verified this address", is_ticked=True),
            Choice("mfa", "on", "The provider has asked for a second factor"),
        ]

    def decided(self, asked: QueryParams, told: FormData) -> Response:
        """Back to the app with a code."""
        code = self.identity.code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            nonce=asked["nonce"],
            email=self.email(asked, told),
            verified=told.get("verified") == "on",
            mfa=told.get("mfa") == "on",
        )
        return back(asked, code=code)

    async def userinfo(self, request: Request) -> Response:
        """Who the bearer is."""
        return JSONResponse(self.identity.person(request.headers.get("authorization", "")))
