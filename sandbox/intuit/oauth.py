"""Intuit's sign-in service over HTTP: discovery, consent for one company, tokens, the user."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import oauth
from sandbox.identity import OAuthError
from sandbox.intuit.books import every, find
from sandbox.intuit.identity import ACCOUNTING, Identity
from sandbox.oauth import PERSON, Choice, back, guarded, texts


class OAuth(oauth.OAuth[Identity]):
    """Intuit's side of the code flow."""

    frame = "intuit_base.html"
    refused = "Sorry, but this app didn't connect"
    heading = "Connect an app to your practice company"
    legend = "Company"
    allow = "Connect"
    choice = "company"
    needs_pkce = False
    scopes = PERSON | {
        ACCOUNTING: "Read and write the books of your company",
        "com.intuit.quickbooks.payment": "Take payments",
        "phone": "See your phone number",
        "address": "See your address",
    }

    def routes(self) -> list[BaseRoute]:
        """Everything of the service; the discovery document is found under its four addresses."""
        names = ("openid_configuration", "openid_sandbox_configuration")
        return [
            *(Route(f"/.well-known/{name}{end}", self.discovery) for name in names for end in ("", "/")),
            Route("/connect/oauth2", self.authorize, methods=["GET", "POST"]),
            Route("/oauth2/v1/tokens/bearer", guarded(self.token), methods=["POST"]),
            Route("/v2/oauth2/tokens/revoke", guarded(self.revocation), methods=["POST"]),
            Route("/v1/openid_connect/userinfo", guarded(self.user)),
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
            "scopes_supported": list(self.scopes),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "claims_supported": ["aud", "exp", "iat", "iss", "realmid", "sub"],
        }
        return JSONResponse(found)

    async def keys(self, request: Request) -> Response:
        """No keys: nobody here signs identity tokens."""
        return JSONResponse({"keys": []})

    def checks(self, asked: Mapping[str, str]) -> list[tuple[bool, str]]:
        """The address must also be a registered one, once any are."""
        registered = self.world.config.get("intuit_redirects")
        is_registered = registered is None or asked.get("redirect_uri") in registered
        return [*super().checks(asked), (is_registered, "The redirect_uri query parameter value is invalid.")]

    def choices(self) -> list[Choice]:
        """Every company, of which one is chosen."""
        return [Choice(self.choice, company.realm, company.name, "radio") for company in every(self.world)]

    def decided(self, asked: QueryParams, told: FormData) -> Response:
        """Back to the app with a code, and with the company when its books are opened."""
        scopes = asked["scope"].split()
        company = find(self.world, str(told.get(self.choice) or ""))
        if company is None:
            return self.consent(asked, "Choose a company.")
        code = self.identity.code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            scopes=scopes,
            email=self.email(asked, told),
            realm=company.realm,
        )
        opened = {"realmId": company.realm} if ACCOUNTING in scopes else {}
        return back(asked, code=code, **opened)

    async def revocation(self, request: Request) -> Response:
        """End a token's whole grant; the token comes as JSON or as a form."""
        is_json = "json" in request.headers.get("content-type", "")
        return self.revoked(request, read_json(await request.body()) if is_json else texts(await request.form()))

    async def user(self, request: Request) -> Response:
        """Who consented, for tokens that may know it."""
        grant = self.identity.bearer(request.headers.get("authorization", ""))
        if "openid" not in grant["scopes"]:
            raise OAuthError("insufficient_scope", 403)
        told = {"email": grant["email"], "emailVerified": True} if "email" in grant["scopes"] else {}
        return JSONResponse({"sub": grant["email"].partition("@")[0], **told})


def read_json(body: bytes) -> dict[str, str]:
    """The JSON object of a body; raises OAuthError."""
    try:
        found = json.loads(body)
    except ValueError as error:
        raise OAuthError("invalid_request") from error
    return texts(found) if isinstance(found, dict) else {}
