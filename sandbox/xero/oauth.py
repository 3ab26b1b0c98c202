"""The identity service over HTTP: the consent page, the token endpoint, revocation, connections."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.pages import page
from sandbox.world import World
from sandbox.xero.books import every, find
from sandbox.xero.errors import RefusedError
from sandbox.xero.identity import Identity, OAuthError

DEFAULT_USER = "bookkeeper@example.test"
CONNECTIONS = ("/Connections", "/connections")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SCOPES = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
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
Work = Callable[[Request], Awaitable[Response]]


class OAuth:
    """The identity service, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = Identity(world)

    def routes(self) -> list[BaseRoute]:
        """Everything of the identity service; connections are found in either spelling."""
        return [
            Route("/identity/connect/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/identity/connect/token", spoken(self.token), methods=["POST"]),
            Route("/identity/connect/revocation", spoken(self.revocation), methods=["POST"]),
            *(Route(base, guarded(self.connections), methods=["GET"]) for base in CONNECTIONS),
            *(Route(base + "/{key}", guarded(self.disconnect), methods=["DELETE"]) for base in CONNECTIONS),
        ]

    async def authorize(self, request: Request) -> Response:
        """The consent page; its two buttons lead back to the app. `auto` answers for the person."""
        asked = request.query_params
        trouble = self.trouble(asked)
        if trouble:
            return page("xero_message.html", status=400, title="This app cannot be connected", message=trouble)
        if request.method == "POST":
            form = await request.form()
            if form.get("decision") != "allow":
                return back(asked, error="access_denied")
            tenants = [str(each) for each in form.getlist("tenant")]
            return self.decided(asked, str(form.get("email") or DEFAULT_USER), tenants)
        if asked.get("auto"):
            return self.decided(asked, asked.get("login_hint") or DEFAULT_USER, asked.getlist("auto"))
        return self.consent(asked)

    def trouble(self, asked: Mapping[str, str]) -> str | None:
        """Why the request can not even be shown to a person."""
        target = urlsplit(asked.get("redirect_uri", ""))
        checks = (
            (asked.get("client_id") in self.identity.clients(), "The client id is not known."),
            (
                target.scheme == "https" or (target.scheme == "http" and target.hostname in LOOPBACK),
                "The redirect address must be https or on this computer.",
            ),
            (asked.get("response_type") == "code", "The response type must be code."),
            (bool(asked.get("state")), "The state is missing."),
            (
                asked.get("code_challenge_method") == "S256" and len(asked.get("code_challenge", "")) == 43,
                "A PKCE challenge with S256 is missing.",
            ),
            (known_scopes(asked.get("scope", "")), "The scopes are missing or not known."),
        )
        return next((message for good, message in checks if not good), None)

    def consent(self, asked: Mapping[str, str], message: str = "") -> Response:
        """The page where a person chooses organisations."""
        return page(
            "xero_authorize.html",
            status=422 if message else 200,
            client=asked["client_id"],
            query=urlencode(dict(asked)),
            scopes=[SCOPES[scope] for scope in asked["scope"].split()],
            organisations=every(self.world),
            email=asked.get("login_hint") or DEFAULT_USER,
            message=message,
        )

    def decided(self, asked: Mapping[str, str], email: str, names: list[str]) -> Response:
        """Back to the app with a code for the organisations chosen."""
        tenants = [org for org in (find(self.world, name) for name in names) if org]
        if not tenants or len(tenants) != len(names):
            return self.consent(asked, "Choose an organisation.")
        foreign = [org.name for org in tenants if self.identity.is_removed(email.strip().lower(), org.id)]
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
            email=email.strip().lower(),
            tenants=[org.id for org in tenants],
        )
        return back(asked, code=code, scope=asked["scope"])

    async def token(self, request: Request) -> Response:
        """Tokens for a code or for a refresh token."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        client = self.client(request, form)
        if form.get("grant_type") == "authorization_code":
            found = self.identity.exchange(
                client,
                code=form.get("code", ""),
                redirect_uri=form.get("redirect_uri", ""),
                verifier=form.get("code_verifier", ""),
            )
        elif form.get("grant_type") == "refresh_token":
            found = self.identity.refresh(client, form.get("refresh_token", ""))
        else:
            raise OAuthError("unsupported_grant_type")
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    async def revocation(self, request: Request) -> Response:
        """End a token set and the connections made with it; an unknown token is no error."""
        form = {key: str(value) for key, value in (await request.form()).items()}
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


def known_scopes(text: str) -> bool:
    """Whether there are scopes and all of them exist."""
    return bool(text.split()) and all(scope in SCOPES for scope in text.split())


def back(asked: Mapping[str, str], **answer: str) -> Response:
    """The redirect to the app."""
    target = asked["redirect_uri"]
    glue = "&" if urlsplit(target).query else "?"
    return RedirectResponse(target + glue + urlencode({**answer, "state": asked["state"]}), 303)


def long_time(iso: str) -> str:
    """A time with seven decimals and no zone."""
    return f"{datetime.fromisoformat(iso):%Y-%m-%dT%H:%M:%S.%f}0"


def spoken(work: Work) -> Work:
    """Let an endpoint refuse in the words of OAuth."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request)
        except OAuthError as error:
            return JSONResponse({"error": error.code}, error.status, {"Cache-Control": "no-store"})

    return answer


def guarded(work: Work) -> Work:
    """Let an endpoint refuse as the API's gateway does."""

    async def answer(request: Request) -> Response:
        try:
            return await work(request)
        except RefusedError as refusal:
            return JSONResponse(refusal.body, refusal.status)

    return answer
