"""Xero's identity service over HTTP: consent for several organisations, tokens, connections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox import oauth
from sandbox.oauth import PERSON, Choice, back, guarded
from sandbox.xero.books import every, find
from sandbox.xero.identity import Identity

CONNECTIONS = ("/Connections", "/connections")


class OAuth(oauth.OAuth[Identity]):
    """Xero's side of the code flow."""

    frame = "xero_base.html"
    refused = "This app cannot be connected"
    heading = "Connect an app to your practice organisation"
    legend = "Organisations"
    allow = "Allow access"
    choice = "tenant"
    scopes = PERSON | {
        "offline_access": "Keep access while you are away",
        "accounting.invoices": "Read and write invoices and credit notes",
        "accounting.invoices.read": "Read invoices and credit notes",
        "accounting.payments": "Read and write payments",
        "accounting.payments.read": "Read payments",
        "accounting.contacts": "Read and write contacts",
        "accounting.contacts.read": "Read contacts",
        "accounting.settings": "Read and write the organisation's settings",
        "accounting.settings.read": "Read the organisation's settings",
        "accounting.transactions": "Read and write all transactions",
        "accounting.transactions.read": "Read all transactions",
    }

    def routes(self) -> list[BaseRoute]:
        """Everything of the identity service; connections are found in either spelling."""
        return [
            Route("/identity/connect/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/identity/connect/token", guarded(self.token), methods=["POST"]),
            Route("/identity/connect/revocation", guarded(self.revocation), methods=["POST"]),
            *(Route(base, guarded(self.connections), methods=["GET"]) for base in CONNECTIONS),
            *(Route(base + "/{key}", guarded(self.disconnect), methods=["DELETE"]) for base in CONNECTIONS),
        ]

    def choices(self) -> list[Choice]:
        """Every organisation."""
        return [Choice(self.choice, org.id, org.name) for org in every(self.world)]

    def decided(self, asked: QueryParams, told: FormData) -> Response:
        """Back to the app with a code for the organisations chosen."""
        email, names = self.email(asked, told), told.getlist(self.choice)
        tenants = [org for org in (find(self.world, str(name)) for name in names) if org]
        if not tenants or len(tenants) != len(names):
            return self.consent(asked, "Choose an organisation.")
        foreign = [org.name for org in tenants if self.identity.is_removed(email, org.id)]
        if foreign:
            return self.consent(asked, f"You are not a user of {foreign[0]}.")
        full = [org.name for org in tenants if self.identity.full_for(asked["client_id"], org.id)]
        if full:
            return self.consent(asked, f"{full[0]} already has two uncertified apps connected.")
        code = self.identity.code(
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            scopes=asked["scope"].split(),
            email=email,
            tenants=[org.id for org in tenants],
        )
        return back(asked, code=code, scope=asked["scope"])

    async def connections(self, request: Request) -> Response:
        """The organisations that the token opens, of one authorisation when it is named."""
        grant = self.identity.grant(request.headers.get("authorization", ""))
        event = request.query_params.get("authEventId")
        request.scope.get("journal", {}).update(app=grant["client"], authorisation=grant["event"])
        rows = self.identity.connections_of(grant["client"], grant["email"])
        return JSONResponse([self.shown(row) for row in rows if event in (None, row["authEventId"])])

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        """A connection as the API shows it."""
        org = find(self.world, row["tenantId"])
        return {
            "id": row["id"],
            "authEventId": row["authEventId"],
            "tenantId": row["tenantId"],
            "tenantType": "ORGANISATION",
            "tenantName": org.name if org else "",
            "createdDateUtc": long_time(row["created"]),
            "updatedDateUtc": long_time(row["updated"]),
        }

    async def disconnect(self, request: Request) -> Response:
        """End one connection of the token's user and app."""
        grant = self.identity.grant(request.headers.get("authorization", ""))
        key = request.path_params["key"].lower()
        own = {row["id"] for row in self.identity.connections_of(grant["client"], grant["email"])}
        if key not in own:
            return Response(status_code=404)
        del self.identity.state["connections"][key]
        return Response(status_code=204)


def long_time(iso: str) -> str:
    """A time with seven decimals and no zone."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%dT%H:%M:%S.%f}0"
