"""What people can do to the practice Xero from outside: disconnect, revoke, lock, fill, keep the books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from starlette.routing import BaseRoute

from sandbox.steering import Order, control, each
from sandbox.world import World
from sandbox.xero import bookkeeper, bulk, contacts, documents, payments, webhooks
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
        self.orders: dict[str, Order] = {
            "disconnect": self.disconnect,
            "revoke": self.revoke,
            "remove_user": lambda order: self.user(order, back=False),
            "restore_user": lambda order: self.user(order, back=True),
            "expire": self.expire,
            "lock": self.lock,
            "archive_account": lambda order: self.account(order, "ARCHIVED"),
            "restore_account": lambda order: self.account(order, "ACTIVE"),
            "create": self.create,
            "fill": self.fill,
            "subscribe": self.subscribe,
            **{name: each(partial(self.by_hand, name)) for name in bookkeeper.ACTS},
        }

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return control(self.world, self.orders, self.shown)

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
            "webhooks": webhooks.told(self.world),
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

    def by_hand(self, name: str, order: Record) -> Record | None:
        """An act of a bookkeeper of `organisation`; it answers what was written."""
        return bookkeeper.do(self.organisation(order), name, order)

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
        webhooks.announce(org)

    def fill(self, order: Any) -> None:
        """Give `organisation` `invoices` of `contacts` that were there long before anybody listened."""
        bulk.fill(self.organisation(order), invoices=int(order["invoices"]), contacts=int(order.get("contacts", 100)))

    def subscribe(self, order: Any) -> None:
        """Let the app `client` hear of `events` (all) at `url`, signed with `key`; no `url` ends it."""
        webhooks.subscribe(self.world, order)
