"""Orders from outside to a practice accounting package: `/_control` below its own address."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.world import World

AdminOrder = Callable[[Any], Any]


def build_admin_routes(
    world: World, orders: Mapping[str, AdminOrder], get_state: Callable[[], dict[str, Any]]
) -> list[BaseRoute]:
    """`GET` shows the package; `POST` takes an object of orders, each named by its key, and adds what they made."""

    async def serve(request: Request) -> Response:
        try:
            sent = json.loads(await request.body() or b"{}", parse_float=Decimal)
            done = {name: orders[name](order) for name, order in sent.items()}
        except Exception as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        world.mark_changed()
        return JSONResponse(get_state() | {name: made for name, made in done.items() if made is not None})

    return [Route("/_control", serve, methods=["GET", "POST"])]


def for_each(action: AdminOrder) -> AdminOrder:
    """An order of one object, or of a list of them; it answers what was made, or a list of that."""
    return lambda order: [action(said) for said in order] if isinstance(order, list) else action(order)
