"""A practice OpenID provider over HTTP: discovery, the sign-in page, tokens, keys, userinfo."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.oauth import OPENID_SCOPES, ConsentChoice, OAuthServer, answer_oauth_errors, redirect_to_app
from sandbox.oidc.provider import PROVIDER_NAMES, OidcIdentity, build_jwks


class OidcProvider(OAuthServer[OidcIdentity]):
    """One provider's side of the code flow."""

    frame = "oidc_base.html"
    refusal_heading = "Nobody can sign in"
    heading = "Sign in as"
    legend = "The provider"
    allow = "Continue"
    scopes = OPENID_SCOPES
    default_email = "admin@northwind-it.example"

    def routes(self) -> list[BaseRoute]:
        """Everything of the provider."""
        return [
            Route("/", self.home),
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/keys", self.keys),
            Route("/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/token", answer_oauth_errors(self.token), methods=["POST"]),
            Route("/userinfo", answer_oauth_errors(self.userinfo)),
        ]

    @property
    def title(self) -> str:
        """What people call the provider."""
        return PROVIDER_NAMES[self.identity.key]

    async def home(self, request: Request) -> Response:
        """A page about this provider."""
        return self.render_page(self.frame)

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
        return JSONResponse(build_jwks(self.identity.key))

    def checks(self, asked: Mapping[str, str]) -> list[tuple[bool, str]]:
        """Signing in also needs the scope `openid`, and a nonce."""
        return [
            *super().checks(asked),
            ("openid" in asked.get("scope", "").split(), "The scope openid is missing."),
            (bool(asked.get("nonce")), "The nonce is missing."),
        ]

    def choices(self) -> list[ConsentChoice]:
        """How sure the provider is of the person."""
        return [
            ConsentChoice("verified", "on", "The provider has verified this address", is_ticked=True),
            ConsentChoice("mfa", "on", "The provider has asked for a second factor"),
        ]

    def complete_consent(self, asked: QueryParams, form: FormData) -> Response:
        """Back to the app with a code."""
        code = self.identity.create_code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            nonce=asked["nonce"],
            email=self.get_email(asked, form),
            verified=form.get("verified") == "on",
            mfa=form.get("mfa") == "on",
        )
        return redirect_to_app(asked, code=code)

    async def userinfo(self, request: Request) -> Response:
        """Who the bearer is."""
        return JSONResponse(self.identity.get_userinfo(request.headers.get("authorization", "")))
