"""The entry to the accounting API: tokens, tenants, budgets and idempotency before any resource is touched."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.core.service import RefusedError
from sandbox.core.world import World
from sandbox.xero import payment_services, resources, webhooks
from sandbox.xero.calls import CallHandler, XeroCall
from sandbox.xero.errors import build_bad_request, build_not_found, build_unauthorised
from sandbox.xero.formats import render_response
from sandbox.xero.idempotency import IdempotencyRecord, build_fingerprint
from sandbox.xero.identity import XeroIdentity
from sandbox.xero.limits import XeroRateLimits
from sandbox.xero.organisation import Organisation, find_organisation

LONGEST_QUERY = 2048  # characters
DOCUMENTED_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
ALTERNATIVE = re.compile(r"\bOR\b|\|\|", re.IGNORECASE)
SETTINGS, CONTACTS, INVOICES, PAYMENTS = ("settings", "contacts", "invoices", "payments")
SERVICES = "paymentservices"  # a scope of its own, which Xero gives to partners

TABLE: list[tuple[str, str, CallHandler, str]] = [
    ("GET", "/Organisation", resources.get_organisation, SETTINGS),
    ("GET", "/Accounts", resources.list_accounts, SETTINGS),
    ("GET", "/Accounts/{key}", resources.get_account, SETTINGS),
    ("GET", "/TaxRates", resources.list_tax_rates, SETTINGS),
    ("GET", "/Currencies", resources.list_currencies, SETTINGS),
    ("GET", "/BrandingThemes", resources.list_branding_themes, SETTINGS),
    ("GET", "/BrandingThemes/{key}/PaymentServices", payment_services.list_theme_services, SERVICES),
    ("POST", "/BrandingThemes/{key}/PaymentServices", payment_services.add_theme_services, SERVICES),
    ("GET", "/PaymentServices", payment_services.list_services, SERVICES),
    ("PUT", "/PaymentServices", payment_services.create_services, SERVICES),
    ("GET", "/Contacts", resources.list_contacts, CONTACTS),
    ("PUT", "/Contacts", resources.put_contacts, CONTACTS),
    ("POST", "/Contacts", resources.post_contacts, CONTACTS),
    ("GET", "/Contacts/{key}", resources.get_contact, CONTACTS),
    ("POST", "/Contacts/{key}", resources.post_contact, CONTACTS),
    ("GET", "/Invoices", resources.invoices.list, INVOICES),
    ("PUT", "/Invoices", resources.invoices.put, INVOICES),
    ("POST", "/Invoices", resources.invoices.post, INVOICES),
    ("GET", "/Invoices/{key}", resources.invoices.get, INVOICES),
    ("POST", "/Invoices/{key}", resources.invoices.post_one, INVOICES),
    ("GET", "/CreditNotes", resources.credit_notes.list, INVOICES),
    ("PUT", "/CreditNotes", resources.credit_notes.put, INVOICES),
    ("POST", "/CreditNotes", resources.credit_notes.post, INVOICES),
    ("GET", "/CreditNotes/{key}", resources.credit_notes.get, INVOICES),
    ("POST", "/CreditNotes/{key}", resources.credit_notes.post_one, INVOICES),
    ("PUT", "/CreditNotes/{key}/Allocations", resources.put_allocations, INVOICES),
    ("DELETE", "/CreditNotes/{key}/Allocations/{allocation}", resources.delete_allocation, INVOICES),
    ("GET", "/Payments", resources.list_payments, PAYMENTS),
    ("PUT", "/Payments", resources.put_payments, PAYMENTS),
    ("POST", "/Payments", resources.put_payments, PAYMENTS),
    ("GET", "/Payments/{key}", resources.get_payment, PAYMENTS),
    ("POST", "/Payments/{key}", resources.post_payment, PAYMENTS),
]


def list_accepted_scopes(method: str, area: str) -> set[str]:
    """The scopes of which one is enough, the older broad ones included."""
    if area == SERVICES:
        return {SERVICES}
    broad = {"accounting." + area}
    if area in (INVOICES, PAYMENTS):
        broad.add("accounting.transactions")
    return broad | {scope + ".read" for scope in broad} if method == "GET" else broad


class XeroApi:
    """The API, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = XeroIdentity(world)
        self.limits = XeroRateLimits(world)

    def routes(self) -> list[BaseRoute]:
        """Every path of the accounting API that is practised here."""
        return [
            Route(path, self.endpoint(handler, list_accepted_scopes(method, area)), methods=[method])
            for method, path, handler, area in TABLE
        ]

    def endpoint(self, handler: CallHandler, scopes: set[str]) -> Callable[[Request], Awaitable[Response]]:
        """One route's work."""

        async def serve(request: Request) -> Response:
            accept = request.headers.get("accept", "")
            try:
                check_query(request, self.world)
                client, org = self.authorize(request, scopes)
            except RefusedError as refusal:
                return render_refusal(accept, refusal)
            try:
                with self.limits.acquire(client, org.id):
                    await asyncio.sleep(float(self.world.config.get("xero_latency", 0)))
                    response = self.answer_idempotently(request, await request.body(), handler, client, org)
            except RefusedError as refusal:
                response = render_refusal(accept, refusal)
            response.headers.update(self.limits.headers(client, org.id))
            return response

        return serve

    def authorize(self, request: Request, scopes: set[str]) -> tuple[str, Organisation]:
        """Whose app calls and whose books it may open; raises RefusedError (401, 403)."""
        grant = self.identity.get_grant(request.headers.get("authorization", ""))
        if not scopes & set(grant["scopes"]):
            raise build_unauthorised("Unauthorized", 401, "AuthorizationUnsuccessful: insufficient_scope")
        tenant = request.headers.get("xero-tenant-id", "").lower()
        org = find_organisation(self.world, tenant) if tenant else None
        if org is None or org.id != tenant or not self.identity.connected(grant, org.id):
            raise build_unauthorised("Forbidden", 403, "AuthenticationUnsuccessful")
        named = {"app": grant["client"], "authorisation": grant["event"]}
        request.scope.get("journal", {}).update(named)
        return str(grant["client"]), org

    def answer_idempotently(
        self, request: Request, body: bytes, handler: CallHandler, client: str, org: Organisation
    ) -> Response:
        """The saved answer to this idempotency key, or a fresh one, which is then saved."""
        writing = request.method in ("PUT", "POST")
        key = request.headers.get("idempotency-key") if writing else None
        mark = build_fingerprint(request.method, request.url.path, request.url.query, body)
        memory = IdempotencyRecord(self.world, f"{client} {org.id}", key, mark)
        saved = memory.get_answer()
        if saved is None:
            fresh = self.run_handler(request, body, handler, client, org)
            if not key:
                return fresh
            saved = {"status": fresh.status_code, "type": fresh.media_type, "body": bytes(fresh.body).decode()}
            memory.save_answer(saved)
        return Response(saved["body"], saved["status"], media_type=saved["type"])

    def run_handler(
        self, request: Request, body: bytes, handler: CallHandler, client: str, org: Organisation
    ) -> Response:
        """The handler's answer; what it refuses is an answer too."""
        accept = request.headers.get("accept", "")
        try:
            as_pdf = "application/pdf" in accept.lower()
            if as_pdf:  # the vendor's own document gives this form of the answer a path of its own
                request.scope.get("journal", {}).update(path=request.url.path.partition("/2.0")[2] + "/pdf")
            call = XeroCall(
                org=org,
                client=client,
                path=request.path_params,
                params=request.query_params,
                modified_since=parse_modified_since(
                    request.headers.get("if-modified-since"), strict=bool(self.world.config.get("xero_strict_times"))
                ),
                sent=parse_body(body) if request.method in ("PUT", "POST") else None,
                as_pdf=as_pdf,
                notes=request.scope.get("journal", {}),
            )
            reply = handler(call)
        except RefusedError as refusal:
            org.rollback()
            return render_refusal(accept, refusal)
        webhooks.publish_changes(org)
        return render_response(accept, reply.status, reply.body)


def check_query(request: Request, world: World) -> None:
    """Refuse a query that is too long (404), or too dear for an organisation of very high volume (400, number 51)."""
    if len(request.url.query) > LONGEST_QUERY:
        raise build_not_found()
    where = request.query_params.get("where", "")
    if world.config.get("xero_high_volume") and ALTERNATIVE.search(where):
        message = "Your request is not filtering efficiently, given the extremely high volume for this organisation."
        raise build_bad_request(51, "HighVolumeException", message)


def render_refusal(accept: str, refusal: RefusedError) -> Response:
    """The refusal as an answer."""
    response = render_response(accept, refusal.status, refusal.body)
    response.headers.update(refusal.headers)
    return response


def parse_body(body: bytes) -> Any:
    """The JSON of a body, its numbers as Decimal; raises RefusedError (400)."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=refuse_constant)
    except ValueError as error:
        raise build_bad_request(14, "PostDataInvalidException", "Invalid Json data") from error


def refuse_constant(name: str) -> Any:
    """JSON has no NaN and no Infinity."""
    raise ValueError(name)


def parse_modified_since(header: str | None, *, strict: bool) -> datetime | None:
    """The instant of If-Modified-Since, ISO or HTTP date, UTC by default; raises RefusedError.

    Where it is so configured every form but the documented one is ignored, as some have seen.
    """
    if not header or (strict and not DOCUMENTED_TIME.fullmatch(header)):
        return None
    try:
        moment = datetime.fromisoformat(header) if header[:1].isdigit() else parsedate_to_datetime(header)
    except ValueError as error:
        raise build_bad_request(10, "ValidationException", "The If-Modified-Since header is no date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
