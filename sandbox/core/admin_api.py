"""The admin API of a practice accounting package: `/_control` below its own address."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.world import World

AdminOrder = Callable[[Any], Any]


class AccountingAdminApi(ABC):
    """`GET` shows the package; `POST` takes an object of orders, each named by its key, and adds what they created."""

    def __init__(
        self,
        world: World,
        orders: Mapping[str, AdminOrder],
        *,
        actions: Iterable[str],
        run_action: Callable[[str, dict[str, Any]], Any],
    ) -> None:
        """`actions` name what a bookkeeper can do; each takes one object, or a list of them."""
        self.world = world
        by_name = {name: build_bookkeeper_order(name, run_action) for name in actions}
        self.orders: dict[str, AdminOrder] = {**orders, **by_name}

    @abstractmethod
    def get_state(self) -> dict[str, Any]:
        """What people may see of the package."""

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return [Route("/_control", self.serve, methods=["GET", "POST"])]

    async def serve(self, request: Request) -> Response:
        """Carry out the orders of a call, and show the package."""
        try:
            sent = json.loads(await request.body() or b"{}", parse_float=Decimal)
            results = {name: self.orders[name](order) for name, order in sent.items()}
        except Exception as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        self.world.mark_changed()
        created = {name: result for name, result in results.items() if result is not None}
        return JSONResponse(self.get_state() | created)


def build_bookkeeper_order(name: str, run_action: Callable[[str, dict[str, Any]], Any]) -> AdminOrder:
    """An order of one bookkeeper's action or of a list of them; it answers what was written, or a list of that."""

    def run(order: Any) -> Any:
        return [run_action(name, params) for params in order] if isinstance(order, list) else run_action(name, order)

    return run


def parse_closing_date(order: dict[str, Any]) -> str | None:
    """The last day of closed books in an order, or None when they are open; raises ValueError."""
    on = order["date"]
    return date.fromisoformat(on).isoformat() if on else None
