"""The accounting API's door: tokens, companies, budgets and request ids before any resource is touched."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.intuit import resources as r
from sandbox.intuit.books import Company, find
from sandbox.intuit.errors import InvalidError, forbidden
from sandbox.intuit.identity import Identity
from sandbox.intuit.limits import Limits
from sandbox.intuit.memory import Memory
from sandbox.intuit.resources import Call, Handler
from sandbox.intuit.wire import dumped, now_text
from sandbox.service import RefusedError
from sandbox.world import World

WRITES = (r.write_one, r.run_batch)
TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/query", r.run_query),
    ("POST", "/query", r.run_query),
    ("POST", "/batch", r.run_batch),
    ("GET", "/cdc", r.capture),
    ("GET", "/preferences", r.read_preferences),
    ("GET", "/{entity}/{key}/pdf", r.read_pdf),
    ("GET", "/{entity}/{key}", r.read_one),
    ("POST", "/{entity}", r.write_one),
]


class Api:
    """The door, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = Identity(world)
        self.limits = Limits(world)

    def routes(self) -> list[BaseRoute]:
        """Every path of the accounting API that is practised here."""
        return [
            Route("/company/{realm}" + path, self.endpoint(handler), methods=[method])
            for method, path, handler in TABLE
        ]

    def endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """One route's work."""

        async def serve(request: Request) -> Response:
            try:
                client, company = self.admitted(request)
                with self.limits.slot(client, company.realm, batch=handler is r.run_batch):
                    await asyncio.sleep(float(self.world.config.get("intuit_latency", 0)))
                    response = self.answer(request, await request.body(), handler, client, company)
            except RefusedError as refusal:
                response = refused(refusal, now_text(self.world.now()))
            response.headers["intuit_tid"] = f"1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]}"
            return response

        return serve

    def admitted(self, request: Request) -> tuple[str, Company]:
        """Whose app calls and whose books it may open; raises RefusedError (401, 403)."""
        realm = request.path_params["realm"]
        grant = self.identity.opens(request.headers.get("authorization", ""), realm)
        company = find(self.world, realm)
        if company is None or company.realm != realm:
            raise forbidden()
        request.scope.get("journal", {}).update({"app": grant["client"], "authorisation": grant["id"]})
        return str(grant["client"]), company

    def answer(self, request: Request, body: bytes, handler: Handler, client: str, company: Company) -> Response:
        """The remembered answer to this request id, or a fresh one, remembered when it is good."""
        params = request.query_params
        key = params.get("requestid") if handler in WRITES else None
        now = now_text(self.world.now())
        try:
            memory = Memory(self.world, f"{client} {company.realm}", key)
            known = memory.answer()
            if known is not None:
                return Response(known, media_type="application/json")
            found = handler(Call(company=company, params=params, path=request.path_params, body=body))
        except InvalidError as refusal:
            return Response(dumped({"Fault": refusal.fault, "time": now}), 400, media_type="application/json")
        if isinstance(found, bytes):
            request.scope.get("journal", {})["response_body"] = ""
            return Response(found, media_type="application/pdf")
        text = dumped({**found, "time": now})
        memory.keep(text)
        return Response(text, media_type="application/json")


def refused(refusal: RefusedError, now: str) -> Response:
    """The refusal as an answer."""
    body = refusal.body if isinstance(refusal.body, str) else dumped({**refusal.body, "time": now})
    return Response(body, refusal.status, refusal.headers, media_type="application/json")
