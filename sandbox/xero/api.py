"""The accounting API's door: tokens, tenants, budgets and idempotency before any resource is touched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.service import RefusedError
from sandbox.world import World
from sandbox.xero import resources as r
from sandbox.xero import webhooks
from sandbox.xero.books import Organisation, find
from sandbox.xero.calls import Call, Handler
from sandbox.xero.errors import exception, unauthorised
from sandbox.xero.idempotency import Remembered, fingerprint
from sandbox.xero.identity import Identity
from sandbox.xero.limits import Limits
from sandbox.xero.wire import rendered

SETTINGS, CONTACTS, INVOICES, PAYMENTS = ("settings", "contacts", "invoices", "payments")

TABLE: list[tuple[str, str, Handler, str]] = [
    ("GET", "/Organisation", r.get_organisation, SETTINGS),
    ("GET", "/Accounts", r.list_accounts, SETTINGS),
    ("GET", "/Accounts/{key}", r.get_account, SETTINGS),
    ("GET", "/TaxRates", r.list_tax_rates, SETTINGS),
    ("GET", "/Currencies", r.list_currencies, SETTINGS),
    ("GET", "/BrandingThemes", r.list_branding_themes, SETTINGS),
    ("GET", "/Contacts", r.list_contacts, CONTACTS),
    ("PUT", "/Contacts", r.put_contacts, CONTACTS),
    ("POST", "/Contacts", r.post_contacts, CONTACTS),
    ("GET", "/Contacts/{key}", r.get_contact, CONTACTS),
    ("POST", "/Contacts/{key}", r.post_contact, CONTACTS),
    ("GET", "/Invoices", r.invoices.list, INVOICES),
    ("PUT", "/Invoices", r.invoices.put, INVOICES),
    ("POST", "/Invoices", r.invoices.post, INVOICES),
    ("GET", "/Invoices/{key}", r.invoices.get, INVOICES),
    ("POST", "/Invoices/{key}", r.invoices.post_one, INVOICES),
    ("GET", "/CreditNotes", r.credit_notes.list, INVOICES),
    ("PUT", "/CreditNotes", r.credit_notes.put, INVOICES),
    ("POST", "/CreditNotes", r.credit_notes.post, INVOICES),
    ("GET", "/CreditNotes/{key}", r.credit_notes.get, INVOICES),
    ("POST", "/CreditNotes/{key}", r.credit_notes.post_one, INVOICES),
    ("PUT", "/CreditNotes/{key}/Allocations", r.put_allocations, INVOICES),
    ("DELETE", "/CreditNotes/{key}/Allocations/{allocation}", r.delete_allocation, INVOICES),
    ("GET", "/Payments", r.list_payments, PAYMENTS),
    ("PUT", "/Payments", r.put_payments, PAYMENTS),
    ("POST", "/Payments", r.put_payments, PAYMENTS),
    ("GET", "/Payments/{key}", r.get_payment, PAYMENTS),
    ("POST", "/Payments/{key}", r.post_payment, PAYMENTS),
]


def scopes_for(method: str, area: str) -> set[str]:
    """The scopes of which one is enough, the older broad ones included."""
    broad = {"accounting." + area}
    if area in (INVOICES, PAYMENTS):
        broad.add("accounting.transactions")
    return broad | {scope + ".read" for scope in broad} if method == "GET" else broad


class Api:
    """The door, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = Identity(world)
        self.limits = Limits(world)

    def routes(self) -> list[BaseRoute]:
        """Every path of the accounting API that is practised here."""
        return [
            Route(path, self.endpoint(handler, scopes_for(method, area)), methods=[method])
            for method, path, handler, area in TABLE
        ]

    def endpoint(self, handler: Handler, scopes: set[str]) -> Callable[[Request], Awaitable[Response]]:
        """One route's work."""

        async def serve(request: Request) -> Response:
            accept = request.headers.get("accept", "")
            try:
                client, org = self.admitted(request, scopes)
            except RefusedError as refusal:
                return refused(accept, refusal)
            try:
                with self.limits.slot(client, org.id):
                    await asyncio.sleep(float(self.world.config.get("xero_latency", 0)))
                    response = self.answer(request, await request.body(), handler, client, org)
            except RefusedError as refusal:
                response = refused(accept, refusal)
            response.headers.update(self.limits.headers(client, org.id))
            return response

        return serve

    def admitted(self, request: Request, scopes: set[str]) -> tuple[str, Organisation]:
        """Whose app calls and whose books it may open; raises RefusedError (401, 403)."""
        grant = self.identity.grant(request.headers.get("authorization", ""))
        if not scopes & set(grant["scopes"]):
            raise unauthorised("Unauthorized", 401, "AuthorizationUnsuccessful: insufficient_scope")
        tenant = request.headers.get("xero-tenant-id", "").lower()
        org = find(self.world, tenant) if tenant else None
        if org is None or org.id != tenant or not self.identity.connected(grant, org.id):
            raise unauthorised("Forbidden", 403, "AuthenticationUnsuccessful")
        named = {"app": grant["client"], "authorisation": grant["event"]}
        request.scope.get("journal", {}).update(named)
        return str(grant["client"]), org

    def answer(self, request: Request, body: bytes, handler: Handler, client: str, org: Organisation) -> Response:
        """The remembered answer to this idempotency key, or a fresh one, remembered."""
        writing = request.method in ("PUT", "POST")
        key = request.headers.get("idempotency-key") if writing else None
        mark = fingerprint(request.method, request.url.path, request.url.query, body)
        memory = Remembered(self.world, f"{client} {org.id}", key, mark)
        kept = memory.answer()
        if kept is None:
            fresh = self.fresh(request, body, handler, client, org)
            if not key:
                return fresh
            kept = {"status": fresh.status_code, "type": fresh.media_type, "body": bytes(fresh.body).decode()}
            memory.keep(kept)
        return Response(kept["body"], kept["status"], media_type=kept["type"])

    def fresh(self, request: Request, body: bytes, handler: Handler, client: str, org: Organisation) -> Response:
        """The handler's answer; what it refuses is an answer too."""
        accept = request.headers.get("accept", "")
        try:
            as_pdf = "application/pdf" in accept.lower()
            if as_pdf:  # the vendor's own document gives this form of the answer a path of its own
                request.scope.get("journal", {}).update(path=request.url.path.partition("/2.0")[2] + "/pdf")
            call = Call(
                org=org,
                client=client,
                path=request.path_params,
                params=request.query_params,
                modified_since=since(request.headers.get("if-modified-since")),
                sent=parsed(body) if request.method in ("PUT", "POST") else None,
                as_pdf=as_pdf,
            )
            reply = handler(call)
        except RefusedError as refusal:
            org.rollback()
            return refused(accept, refusal)
        webhooks.announce(org)
        return rendered(accept, reply.status, reply.body)


def refused(accept: str, refusal: RefusedError) -> Response:
    """The refusal as an answer."""
    response = rendered(accept, refusal.status, refusal.body)
    response.headers.update(refusal.headers)
    return response


def parsed(body: bytes) -> Any:
    """The JSON of a body, its numbers as Decimal; raises RefusedError (400)."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=no_constant)
    except ValueError as error:
        raise exception(14, "PostDataInvalidException", "Invalid Json data") from error


def no_constant(name: str) -> Any:
    """JSON has no NaN and no Infinity."""
    raise ValueError(name)


def since(header: str | None) -> datetime | None:
    """The instant of If-Modified-Since, ISO or HTTP date, UTC by default; raises RefusedError."""
    if not header:
        return None
    try:
        moment = datetime.fromisoformat(header) if header[:1].isdigit() else parsedate_to_datetime(header)
    except ValueError as error:
        raise exception(10, "ValidationException", "The If-Modified-Since header is no date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
