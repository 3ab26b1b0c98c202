"""Intuit's sign-in service over HTTP: discovery, consent for one company, tokens, the user."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core import oauth
from sandbox.core.identity import OAuthError
from sandbox.core.oauth import OPENID_SCOPES, ConsentChoice, answer_oauth_errors, get_text_fields, redirect_to_app
from sandbox.intuit.company import find_company, list_companies
from sandbox.intuit.identity import ACCOUNTING, IntuitIdentity


class IntuitOAuthServer(oauth.OAuthServer[IntuitIdentity]):
    """Intuit's side of the code flow."""

    frame = "intuit_base.html"
    refusal_heading = "Sorry, but this app didn't connect"
    heading = "Connect an app to your practice company"
    legend = "Company"
    allow = "Connect"
    choice = "company"
    needs_pkce = False
    scopes = OPENID_SCOPES | {
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
            Route("/oauth2/v1/tokens/bearer", answer_oauth_errors(self.token), methods=["POST"]),
            Route("/v2/oauth2/tokens/revoke", answer_oauth_errors(self.revoke), methods=["POST"]),
            Route("/v1/openid_connect/userinfo", answer_oauth_errors(self.user)),
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

    def choices(self) -> list[ConsentChoice]:
        """Every company, of which one is chosen."""
        return [
            ConsentChoice(self.choice, company.realm, company.name, "radio") for company in list_companies(self.world)
        ]

    def complete_consent(self, asked: QueryParams, form: FormData) -> Response:
        """Back to the app with a code, and with the company when its books are opened."""
        scopes = asked["scope"].split()
        company = find_company(self.world, str(form.get(self.choice) or ""))
        if company is None:
            return self.render_consent(asked, "Choose a company.")
        code = self.identity.create_code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            scopes=scopes,
            email=self.get_email(asked, form),
            realm=company.realm,
        )
        opened = {"realmId": company.realm} if ACCOUNTING in scopes else {}
        return redirect_to_app(asked, code=code, **opened)

    async def revoke(self, request: Request) -> Response:
        """End a token's whole grant; the token comes as JSON or as a form."""
        is_json = "json" in request.headers.get("content-type", "")
        return self.revoke_token(
            request, parse_json_form(await request.body()) if is_json else get_text_fields(await request.form())
        )

    async def user(self, request: Request) -> Response:
        """Who consented, for tokens with the scope for it."""
        grant = self.identity.get_grant(request.headers.get("authorization", ""))
        if "openid" not in grant["scopes"]:
            raise OAuthError("insufficient_scope", 403)
        claims = {"email": grant["email"], "emailVerified": True} if "email" in grant["scopes"] else {}
        return JSONResponse({"sub": grant["email"].partition("@")[0], **claims})


def parse_json_form(body: bytes) -> dict[str, str]:
    """The JSON object of a body; raises OAuthError."""
    try:
        found = json.loads(body)
    except ValueError as error:
        raise OAuthError("invalid_request") from error
    return get_text_fields(found) if isinstance(found, dict) else {}
