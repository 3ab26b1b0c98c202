"""Xero's identity service over HTTP: consent for several organisations, tokens, connections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core import oauth
from sandbox.core.oauth import OPENID_SCOPES, ConsentChoice, answer_oauth_errors, redirect_to_app
from sandbox.xero.identity import XeroIdentity
from sandbox.xero.organisation import find_organisation, list_organisations

CONNECTIONS = ("/Connections", "/connections")


class XeroOAuthServer(oauth.OAuthServer[XeroIdentity]):
    """Xero's side of the code flow."""

    frame = "xero_base.html"
    refusal_heading = "This app cannot be connected"
    heading = "Connect an app to your practice organisation"
    legend = "Organisations"
    allow = "Allow access"
    choice = "tenant"
    scopes = OPENID_SCOPES | {
        "offline_access": "Keep access while you are away",
        "accounting.invoices": "Read and write invoices and credit notes",
        "accounting.invoices.read": "Read invoices and credit notes",
        "accounting.payments": "Read and write payments",
        "accounting.payments.read": "Read payments",
        "accounting.contacts": "Read and write contacts",
        "accounting.contacts.read": "Read contacts",
        "accounting.settings": "Read and write the organisation's settings",
        "accounting.settings.read": "Read the organisation's settings",
        "paymentservices": "Manage payment services",
        "accounting.transactions": "Read and write all transactions",
        "accounting.transactions.read": "Read all transactions",
    }

    def routes(self) -> list[BaseRoute]:
        """Everything of the identity service; connections are found in either spelling."""
        return [
            Route("/identity/connect/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/identity/connect/token", answer_oauth_errors(self.token), methods=["POST"]),
            Route("/identity/connect/revocation", answer_oauth_errors(self.revoke), methods=["POST"]),
            *(Route(base, answer_oauth_errors(self.connections), methods=["GET"]) for base in CONNECTIONS),
            *(Route(base + "/{key}", answer_oauth_errors(self.disconnect), methods=["DELETE"]) for base in CONNECTIONS),
        ]

    def choices(self) -> list[ConsentChoice]:
        """Every organisation."""
        return [ConsentChoice(self.choice, org.id, org.name) for org in list_organisations(self.world)]

    def complete_consent(self, asked: QueryParams, form: FormData) -> Response:
        """Back to the app with a code for the organisations chosen."""
        email, names = self.get_email(asked, form), form.getlist(self.choice)
        tenants = [org for org in (find_organisation(self.world, str(name)) for name in names) if org]
        if not tenants or len(tenants) != len(names):
            return self.render_consent(asked, "Choose an organisation.")
        foreign = [org.name for org in tenants if self.identity.is_removed(email, org.id)]
        if foreign:
            return self.render_consent(asked, f"You are not a user of {foreign[0]}.")
        full = [org.name for org in tenants if self.identity.is_full_for(asked["client_id"], org.id)]
        if full:
            return self.render_consent(asked, f"{full[0]} already has two uncertified apps connected.")
        code = self.identity.create_code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            scopes=asked["scope"].split(),
            email=email,
            tenants=[org.id for org in tenants],
        )
        return redirect_to_app(asked, code=code, scope=asked["scope"])

    async def connections(self, request: Request) -> Response:
        """The organisations that the token opens, of one authorisation when it is named."""
        grant = self.identity.get_grant(request.headers.get("authorization", ""))
        event = request.query_params.get("authEventId")
        request.scope.get("journal", {}).update(app=grant["client"], authorisation=grant["event"])
        rows = self.identity.list_connections(grant["client"], grant["email"])
        others = self.world.config.get("xero_other_tenants", [])
        request.scope.get("journal", {}).update({"fault": True} if others else {})
        return JSONResponse(
            [*others, *(self.render_connection(row) for row in rows if event in (None, row["authEventId"]))]
        )

    def render_connection(self, row: dict[str, Any]) -> dict[str, Any]:
        """A connection as the API shows it."""
        org = find_organisation(self.world, row["tenantId"])
        return {
            "id": row["id"],
            "authEventId": row["authEventId"],
            "tenantId": row["tenantId"],
            "tenantType": "ORGANISATION",
            "tenantName": org.name if org else "",
            "createdDateUtc": format_long_time(row["created"]),
            "updatedDateUtc": format_long_time(row["updated"]),
        }

    async def disconnect(self, request: Request) -> Response:
        """End one connection of the token's user and app."""
        grant = self.identity.get_grant(request.headers.get("authorization", ""))
        key = request.path_params["key"].lower()
        own = {row["id"] for row in self.identity.list_connections(grant["client"], grant["email"])}
        if key not in own:
            return Response(status_code=404)
        del self.identity.state["connections"][key]
        return Response(status_code=204)


def format_long_time(iso: str) -> str:
    """A time with seven decimals and no zone."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%dT%H:%M:%S.%f}0"
