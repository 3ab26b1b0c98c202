"""The control API under `/_control/`: faults, the clock, the journal, the state."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.faults import FaultError
from sandbox.core.world import World


class ControlError(ValueError):
    """A control call whose body makes no sense."""


async def parse_order(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object."""
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError as error:
        raise ControlError("the body is no JSON") from error
    if not isinstance(body, dict):
        raise ControlError("the body is no JSON object")
    return body


class ControlApi:
    """The handlers, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def health(self, request: Request) -> Response:
        return JSONResponse({"ok": True, "now": self.world.now().isoformat()})

    async def journal(self, request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        entries = self.world.journal.list_since(since, request.query_params.get("service"))
        if request.query_params.get("bodies") == "no":
            entries = ({name: value for name, value in each.items() if not name.endswith("_body")} for each in entries)
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        return Response(lines, media_type="application/jsonl")

    async def state(self, request: Request) -> Response:
        world = self.world
        if request.method == "PUT":
            world.restore_sections((await parse_order(request))["sections"])
            return JSONResponse({"ok": True})
        return JSONResponse(
            {
                "now": world.now().isoformat(),
                "offset": world.offset.total_seconds(),
                "config": world.config,
                "faults": world.faults.list_faults(),
                "sections": world.sections(),
            }
        )

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.world.faults.clear()
        elif request.method == "POST":
            self.world.faults.add_fault(await parse_order(request))
        # Half a letter may be ordered, which only an escape can carry.
        return Response(json.dumps({"faults": self.world.faults.list_faults()}), media_type="application/json")

    async def clock(self, request: Request) -> Response:
        order = await parse_order(request)
        if "at" in order:
            target = datetime.fromisoformat(str(order["at"]))
            if target.tzinfo is None:
                raise ControlError("at needs a time zone")
            self.world.advance((target - self.world.now()).total_seconds())
        elif isinstance(order.get("advance"), int | float):
            self.world.advance(order["advance"])
        else:
            raise ControlError("say advance (seconds) or at (an ISO time)")
        return JSONResponse({"now": self.world.now().isoformat()})

    async def reset(self, request: Request) -> Response:
        order = await parse_order(request)
        self.world.reset(config=bool(order.get("config")))
        return JSONResponse({"ok": True})

    async def config(self, request: Request) -> Response:
        self.world.config.update(await parse_order(request))
        self.world.mark_changed()
        return JSONResponse(self.world.config)


Handler = Callable[[Request], Awaitable[Response]]


def answer_order_errors(handler: Handler) -> Handler:
    """Answer 400 with the reason when the order is wrong."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except (ControlError, FaultError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return answer


def control_routes(world: World) -> list[BaseRoute]:
    """The routes below `/_control`."""
    control = ControlApi(world)
    return [
        Route("/health", answer_order_errors(control.health)),
        Route("/journal", answer_order_errors(control.journal)),
        Route("/state", answer_order_errors(control.state), methods=["GET", "PUT"]),
        Route("/faults", answer_order_errors(control.faults), methods=["GET", "POST", "DELETE"]),
        Route("/clock", answer_order_errors(control.clock), methods=["POST"]),
        Route("/reset", answer_order_errors(control.reset), methods=["POST"]),
        Route("/config", answer_order_errors(control.config), methods=["POST"]),
    ]
