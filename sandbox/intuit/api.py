"""The entry to the accounting API: tokens, companies, budgets and request ids before any resource is touched."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.core.service import RefusedError
from sandbox.core.world import World
from sandbox.intuit import resources
from sandbox.intuit.company import Company, find_company
from sandbox.intuit.errors import IntuitValidationError, build_forbidden_error
from sandbox.intuit.formats import format_envelope_time, render_json
from sandbox.intuit.idempotency import RememberedRequest
from sandbox.intuit.identity import IntuitIdentity
from sandbox.intuit.limits import IntuitRateLimits
from sandbox.intuit.resources import IntuitCall, ResourceHandler

WRITE_HANDLERS = (resources.write_one, resources.run_batch)
TABLE: list[tuple[str, str, ResourceHandler]] = [
    ("GET", "/query", resources.run_query),
    ("POST", "/query", resources.run_query),
    ("POST", "/batch", resources.run_batch),
    ("GET", "/cdc", resources.read_changes),
    ("GET", "/preferences", resources.read_preferences),
    ("GET", "/{entity}/{key}/pdf", resources.read_pdf),
    ("GET", "/{entity}/{key}", resources.read_one),
    ("POST", "/{entity}", resources.write_one),
]


class IntuitApi:
    """The API, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = IntuitIdentity(world)
        self.limits = IntuitRateLimits(world)

    def routes(self) -> list[BaseRoute]:
        """Every path of the accounting API that is practised here."""
        return [
            Route("/company/{realm}" + path, self.endpoint(handler), methods=[method])
            for method, path, handler in TABLE
        ]

    def endpoint(self, handler: ResourceHandler) -> Callable[[Request], Awaitable[Response]]:
        """One route's work."""

        async def serve(request: Request) -> Response:
            try:
                client, company = self.authorize(request)
                with self.limits.acquire(client, company.realm, batch=handler is resources.run_batch):
                    await asyncio.sleep(float(self.world.config.get("intuit_latency", 0)))
                    response = self.answer_idempotently(request, await request.body(), handler, client, company)
            except RefusedError as refusal:
                response = render_refusal(refusal, format_envelope_time(self.world.now()))
            response.headers["intuit_tid"] = f"1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}"
            return response

        return serve

    def authorize(self, request: Request) -> tuple[str, Company]:
        """Whose app calls and whose books it may open; raises RefusedError (401, 403)."""
        realm = request.path_params["realm"]
        grant = self.identity.get_grant_for_company(request.headers.get("authorization", ""), realm)
        company = find_company(self.world, realm)
        if company is None or company.realm != realm:
            raise build_forbidden_error()
        request.scope.get("journal", {}).update({"app": grant["client"], "authorisation": grant["id"]})
        return str(grant["client"]), company

    def answer_idempotently(
        self, request: Request, body: bytes, handler: ResourceHandler, client: str, company: Company
    ) -> Response:
        """The saved answer to this request id, or a fresh one, saved when it succeeds."""
        params = request.query_params
        key = params.get("requestid") if handler in WRITE_HANDLERS else None
        now = format_envelope_time(self.world.now())
        try:
            memory = RememberedRequest(self.world, f"{client} {company.realm}", key)
            known = memory.get_answer()
            if known is not None:
                return Response(known, media_type="application/json")
            found = handler(IntuitCall(company=company, params=params, path=request.path_params, body=body))
        except IntuitValidationError as refusal:
            return Response(render_json({"Fault": refusal.fault, "time": now}), 400, media_type="application/json")
        if isinstance(found, bytes):
            request.scope.get("journal", {})["response_body"] = ""
            return Response(found, media_type="application/pdf")
        text = render_json({**found, "time": now})
        memory.save_answer(text)
        return Response(text, media_type="application/json")


def render_refusal(refusal: RefusedError, now: str) -> Response:
    """The refusal as an answer."""
    body = refusal.body if isinstance(refusal.body, str) else render_json({**refusal.body, "time": now})
    return Response(body, refusal.status, refusal.headers, media_type="application/json")
