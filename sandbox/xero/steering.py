"""What people can do to the practice Xero from outside: disconnect, revoke, lock, fill, keep the books."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.world import World
from sandbox.xero import bookkeeper, contacts, documents, payments
from sandbox.xero.books import Organisation, Record, every, find
from sandbox.xero.calls import Call
from sandbox.xero.documents import INVOICE, NOTE
from sandbox.xero.errors import InvalidError
from sandbox.xero.identity import Identity

MAKERS: dict[str, Callable[[Call, Record], Record]] = {
    "Contacts": contacts.create,
    "Invoices": lambda call, sent: documents.create(call, INVOICE, sent),
    "CreditNotes": lambda call, sent: documents.create(call, NOTE, sent),
    "Payments": payments.create,
}


class Steering:
    """`GET` shows organisations and connections; `POST` takes an object of orders, each named by its key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = Identity(world)
        self.orders: dict[str, Callable[[Any], Any]] = {
            "disconnect": self.disconnect,
            "revoke": self.revoke,
            "remove_user": lambda order: self.user(order, back=False),
            "restore_user": lambda order: self.user(order, back=True),
            "expire": self.expire,
            "lock": self.lock,
            "archive_account": lambda order: self.account(order, "ARCHIVED"),
            "restore_account": lambda order: self.account(order, "ACTIVE"),
            "create": self.create,
            **{name: self.by_hand(name) for name in bookkeeper.ACTS},
        }

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return [Route("/_control", self.serve, methods=["GET", "POST"])]

    async def serve(self, request: Request) -> Response:
        """Carry out the orders; 400 in words when one makes no sense."""
        try:
            sent = json.loads(await request.body() or b"{}", parse_float=Decimal)
            for name, order in sent.items():
                self.orders[name](order)
        except InvalidError as refusal:
            return JSONResponse({"error": refusal.messages}, 400)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        return JSONResponse(self.shown())

    def shown(self) -> Record:
        """Organisations with their tenant ids, connections, and the size of the books."""
        tables = ("contacts", "invoices", "credit_notes", "payments")
        return {
            "organisations": [
                {
                    "slug": org.data["slug"],
                    "name": org.name,
                    "tenant_id": org.id,
                    "currency": org.currency,
                    "lock_date": org.data["lock_date"],
                    **{name: len(org.table(name)) for name in tables},
                }
                for org in every(self.world)
            ],
            "connections": list(self.identity.state["connections"].values()),
        }

    def organisation(self, order: Record) -> Organisation:
        """The organisation that an order names by name, slug or tenant id; raises ValueError."""
        found = find(self.world, str(order["organisation"]))
        if found is None:
            raise ValueError("no such organisation")
        return found

    def disconnect(self, order: Any) -> None:
        """End a connection by its id, or `"*"` every one."""
        rows = self.identity.state["connections"]
        if order == "*":
            rows.clear()
        else:
            del rows[order]

    def revoke(self, order: Any) -> None:
        """End all tokens and connections of the user with this e-mail address."""
        self.identity.forget(email=str(order).lower())

    def user(self, order: Any, *, back: bool) -> None:
        """Remove the person with this `email` from `organisation`, or put them back."""
        self.identity.remove(str(order["email"]).lower(), self.organisation(order).id, back=back)

    def expire(self, order: Any) -> None:
        """Let all access tokens, all refresh tokens or both end now: `"access"`, `"refresh"`, `"all"`."""
        for kind in {"access": ["access"], "refresh": ["refresh"], "all": ["access", "refresh"]}[order]:
            for row in self.identity.state[kind].values():
                row["expires"] = self.world.now().isoformat()

    def lock(self, order: Any) -> None:
        """Lock the books of `organisation` up to and with `date`; null opens them."""
        on = order["date"]
        self.organisation(order).data["lock_date"] = date.fromisoformat(on).isoformat() if on else None

    def account(self, order: Any, status: str) -> None:
        """Archive or restore the account `code` of `organisation`."""
        org = self.organisation(order)
        found = org.account({"Code": order["code"]})
        if found is None:
            raise ValueError("no such account")
        org.put("accounts", found["AccountID"], {**found, "Status": status})

    def by_hand(self, name: str) -> Callable[[Any], None]:
        """An act of a bookkeeper; the order is one object or a list of them, each with its `organisation`."""

        def act(order: Any) -> None:
            for said in order if isinstance(order, list) else [order]:
                bookkeeper.do(self.organisation(said), name, said)

        return act

    def create(self, order: Any) -> None:
        """Write Contacts, Invoices, CreditNotes, Payments into `organisation`, uncounted."""
        org = self.organisation(order)
        call = bookkeeper.call_for(org)
        try:
            for name, make in MAKERS.items():
                for sent in order.get(name, []):
                    make(call, sent)
        except InvalidError:
            org.rollback()
            raise
