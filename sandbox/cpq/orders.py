"""What happens in CPQ without us, as orders of tests: `POST /cpq/_control` with one order by name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.world import World
from sandbox.cpq import records
from sandbox.orderporter.quotes import (
    Quote,
    create_quote,
    list_quotes,
    mark_modified,
    publish_next_version,
    sign_quote,
)

SIGNER = "Accounts Payable"
Order = dict[str, Any]


class CpqOrders:
    """Orders over one world; each names a quote by its number and answers it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.orders = {
            "create": self.create,
            "approve": self.approve,
            "withdraw": self.withdraw,
            "edit": self.edit,
            "publish": self.publish,
            "expire": self.expire,
            "passcode": self.change_passcode,
            "delete": self.delete,
            "rows": self.replace_rows,
        }

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return [Route("/_control", self.serve, methods=["POST"])]

    async def serve(self, request: Request) -> Response:
        """Carry out the orders of a call; answers the quote of each."""
        try:
            sent = await request.json()
            if not all(isinstance(order, dict) for order in sent.values()):
                raise ValueError('each order is an object, as in {"approve": {"number": 1043}}')
            done = {name: self.render(self.orders[name](order)) for name, order in sent.items()}
        except (KeyError, ValueError, StopIteration) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse(done)

    def render(self, quote: Quote) -> dict[str, Any]:
        """A quote with what its public page knows."""
        page = f"{self.world.url}/orderporter/online.order?passcode={quote['passcode']}&entrykey=practice"
        view = records.build_quote(self.world, quote)
        return {"number": quote["number"], "passcode": quote["passcode"], "page": page, "view": view}

    def find(self, order: Order) -> Quote:
        """The quote of the order's number."""
        return next(quote for quote in list_quotes(self.world) if quote["number"] == order["number"])

    def create(self, order: Order) -> Quote:
        """A fresh quote after a model (`like`), not accepted yet; `quote` replaces the model's fields."""
        return create_quote(self.world, like=order.get("like", "one-time"), overrides=order.get("quote"))

    def approve(self, order: Order) -> Quote:
        """The customer accepts a quote, or a fresh one."""
        quote = self.find(order) if "number" in order else self.create(order)
        sign_quote(self.world, quote, SIGNER)
        return quote

    def withdraw(self, order: Order) -> Quote:
        """The approval is taken back."""
        quote = self.find(order)
        quote["signed"] = None
        mark_modified(self.world, quote)
        return quote

    def edit(self, order: Order) -> Quote:
        """Fields of the quote are changed in CPQ; `silently` leaves the time of change as it was."""
        quote = self.find(order)
        quote["fields"].update(order["fields"])
        if not order.get("silently"):
            mark_modified(self.world, quote)
        return quote

    def publish(self, order: Order) -> Quote:
        """The next version."""
        quote = self.find(order)
        publish_next_version(self.world, quote)
        if order.get("is_approved"):
            sign_quote(self.world, quote, SIGNER)
        return quote

    def expire(self, order: Order) -> Quote:
        """Its last day was some days ago."""
        quote = self.find(order)
        quote["expires_at"] = (self.world.now() - timedelta(days=3)).isoformat()
        mark_modified(self.world, quote)
        return quote

    def change_passcode(self, order: Order) -> Quote:
        """The public page gets another address."""
        quote = self.find(order)
        quote["passcode"] = order.get("to", quote["passcode"][::-1])
        mark_modified(self.world, quote)
        return quote

    def delete(self, order: Order) -> Quote:
        """The quote is deleted, with all its versions."""
        quote = self.find(order)
        for version in [quote, *quote["earlier"]]:
            version["fields"]["isDeleted"] = True
        return quote

    def replace_rows(self, order: Order) -> Quote:
        """Its customers or terms become others: `fields` are laid over every row, `add` is one more."""
        quote = self.find(order)
        rows = records.open_rows(quote, order["kind"])
        for row in rows:
            row.update(order.get("fields", {}))
        if "add" in order:
            rows.append({**(rows[0] if rows else {}), "id": self.world.id("x"), **order["add"]})
        mark_modified(self.world, quote)
        return quote
