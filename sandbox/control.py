"""The control API under `/_control/`: faults, the clock, the journal, the state."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.faults import FaultError
from sandbox.world import World


class OrderError(ValueError):
    """A control call whose body makes no sense."""


async def order_of(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object."""
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise OrderError("the body is no JSON") from error
    if not isinstance(body, dict):
        raise OrderError("the body is no JSON object")
    return body


class Control:
    """The handlers, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def health(self, request: Request) -> Response:
        return JSONResponse({"ok": True, "now": self.world.now().isoformat()})

    async def journal(self, request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        entries = self.world.journal.since(since, request.query_params.get("service"))
        if request.query_params.get("bodies") == "no":
            entries = ({name: value for name, value in each.items() if not name.endswith("_body")} for each in entries)
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        return Response(lines, media_type="application/jsonl")

    async def state(self, request: Request) -> Response:
        world = self.world
        return JSONResponse(
            {
                "now": world.now().isoformat(),
                "offset": world.offset.total_seconds(),
                "config": world.config,
                "faults": world.faults.shown(),
                "sections": world.sections(),
            }
        )

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.world.faults.clear()
        elif request.method == "POST":
            self.world.faults.order(await order_of(request))
        return JSONResponse({"faults": self.world.faults.shown()})

    async def clock(self, request: Request) -> Response:
        order = await order_of(request)
        if "at" in order:
            target = datetime.fromisoformat(str(order["at"]))
            if target.tzinfo is None:
                raise OrderError("at needs a time zone")
            self.world.advance((target - self.world.now()).total_seconds())
        elif isinstance(order.get("advance"), int | float):
            self.world.advance(order["advance"])
        else:
            raise OrderError("say advance (seconds) or at (an ISO time)")
        return JSONResponse({"now": self.world.now().isoformat()})

    async def reset(self, request: Request) -> Response:
        order = await order_of(request)
        self.world.reset(config=bool(order.get("config")))
        return JSONResponse({"ok": True})

    async def config(self, request: Request) -> Response:
        self.world.config.update(await order_of(request))
        self.world.changed()
        return JSONResponse(self.world.config)


Handler = Callable[[Request], Awaitable[Response]]


def guarded(handler: Handler) -> Handler:
    """Answer 400 in words when the order was wrong."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except (OrderError, FaultError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return answer


def control_routes(world: World) -> list[BaseRoute]:
    """The routes below `/_control`."""
    control = Control(world)
    return [
        Route("/health", guarded(control.health)),
        Route("/journal", guarded(control.journal)),
        Route("/state", guarded(control.state)),
        Route("/faults", guarded(control.faults), methods=["GET", "POST", "DELETE"]),
        Route("/clock", guarded(control.clock), methods=["POST"]),
        Route("/reset", guarded(control.reset), methods=["POST"]),
        Route("/config", guarded(control.config), methods=["POST"]),
    ]
