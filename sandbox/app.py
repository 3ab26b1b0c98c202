"""Putting the practice services together into one ASGI app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from sandbox import cpq, intuit, mailbox, oidc, orderporter, psa, stripe, xero
from sandbox.core.control import control_routes
from sandbox.core.pages import STATIC, render_page
from sandbox.core.recorder import Recorder
from sandbox.core.service import Service
from sandbox.core.world import World

TICK = 0.2
CLOCK_STEPS = {
    "hour": ("One hour later", 3_600),
    "day": ("One day later", 86_400),
    "week": ("Five days later", 5 * 86_400),
}
SERVICES: list[Service] = [vendor.service for vendor in (mailbox, orderporter, cpq, psa, xero, intuit, stripe, oidc)]


class Sandbox(Starlette):
    """The app, which lets a fault reach the server's own connection past every middleware."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["server_send"] = send
        await super().__call__(scope, receive, send)


def build_app(world: World, services: Sequence[Service] | None = None) -> Starlette:
    """The whole sandbox over one world: every service mounted, journalled, and open to faults."""
    used = SERVICES if services is None else services

    async def home(request: Request) -> Response:
        links = [(service.name, service.links(world)) for service in used]
        moved = round(world.offset.total_seconds() / 3_600)
        return render_page(
            "home.html", groups=[group for group in links if group[1]], world=world, skips=CLOCK_STEPS, moved=moved
        )

    async def skip(request: Request) -> Response:
        chosen = CLOCK_STEPS.get(str((await request.form()).get("by")))
        if chosen is None:
            return JSONResponse({"error": f"by is one of {', '.join(CLOCK_STEPS)}"}, status_code=400)
        world.advance(chosen[1])
        return RedirectResponse("/", 303)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for service in used:
                if service.lifespan:
                    await stack.enter_async_context(service.lifespan(world))
            world.run_in_background(run_timers(world))
            yield
            world.stop()

    routes: list[BaseRoute] = [
        Route("/", home),
        Route("/clock", skip, methods=["POST"]),
        Mount("/_control", routes=control_routes(world)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    routes += [Mount(service.prefix, routes=service.routes(world)) for service in used]
    app = Sandbox(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Recorder, world=world, services=used)],
        exception_handlers={Exception: render_error},
    )
    app.state.world = world
    return app


async def run_timers(world: World) -> None:
    """Let the timers look at the clock, for as long as the process lives."""
    while True:
        await asyncio.sleep(TICK)
        world.tick()


async def render_error(request: Request, error: Exception) -> Response:
    """What a client sees of a mistake in the sandbox itself."""
    return JSONResponse({"error": {"type": "sandbox_error", "message": repr(error)}}, status_code=500)
