"""What people can do to the practice QuickBooks from outside: disconnect, close, forget, listen, keep the books."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any

from starlette.routing import BaseRoute

from sandbox.intuit import bookkeeper, bulk, memory, webhooks
from sandbox.intuit.books import Company, Record, every, find
from sandbox.intuit.entities import BY_NAME, operate
from sandbox.intuit.identity import REFRESH_LIFE, Identity
from sandbox.intuit.news import SECTION, empty
from sandbox.steering import Order, control, each
from sandbox.world import World

SIZES = ("Customer", "Invoice", "CreditMemo", "Payment", "RefundReceipt", "Purchase")


class Steering:
    """`GET` shows companies and grants; `POST` takes an object of orders, each named by its key."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.identity = Identity(world)
        self.orders: dict[str, Order] = {
            "disconnect": self.disconnect,
            "revoke": lambda order: self.identity.forget(email=str(order).lower()),
            "expire": self.expire,
            "close_books": self.close_books,
            "preferences": self.prefer,
            "others": self.know,
            "forget_requests": lambda order: memory.forget(world),
            "webhook": lambda order: webhooks.listen(world, order),
            "create": self.create,
            "fill": self.fill,
            **{name: each(partial(self.by_hand, name)) for name in bookkeeper.ACTS},
        }

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return control(self.world, self.orders, self.shown)

    def shown(self) -> Record:
        """Companies with their realms, grants without their tokens, the webhook, and the size of the books."""
        hidden = ("refresh", "previous")
        section = self.world.section(SECTION, empty)
        return {
            "companies": [
                {
                    "slug": company.data["slug"],
                    "name": company.name,
                    "realm": company.realm,
                    "currency": company.currency,
                    "closed_until": company.preferences["BookCloseDate"],
                    **{name: len(company.table(name)) for name in SIZES},
                }
                for company in every(self.world)
            ],
            "grants": [
                {name: value for name, value in grant.items() if name not in hidden}
                for grant in self.identity.state["grants"].values()
            ],
            "webhook": {"endpoint": section["endpoint"], "deliveries": section["deliveries"]},
        }

    def company(self, order: Record) -> Company:
        """The company that an order names by name, slug or realm; raises ValueError."""
        company = find(self.world, str(order["company"]))
        if company is None:
            raise ValueError("no such company")
        return company

    def disconnect(self, order: Any) -> None:
        """Take the app off a company (name, slug or realm), end one grant by its id, or `"*"` every one."""
        if order == "*":
            self.identity.state["grants"].clear()
            return
        company = find(self.world, str(order))
        self.identity.forget(**({"realm": company.realm} if company else {"id": str(order)}))

    def expire(self, order: Any) -> None:
        """Let all access tokens, all refresh tokens or both end now: `"access"`, `"refresh"`, `"all"`."""
        if order not in ("access", "refresh", "all"):
            raise ValueError("say access, refresh or all")
        now = self.world.now()
        if order != "refresh":
            for row in self.identity.state["access"].values():
                row["expires"] = now.isoformat()
        if order != "access":
            for row in self.identity.state["grants"].values():
                row["used"] = (now - REFRESH_LIFE - timedelta(seconds=1)).isoformat()

    def close_books(self, order: Any) -> None:
        """Close the books of `company` up to and with `date`; null opens them."""
        on = order["date"]
        self.company(order).preferences["BookCloseDate"] = date.fromisoformat(on).isoformat() if on else None

    def prefer(self, order: Any) -> None:
        """Set preferences of `company`: AutoApplyCredit, CustomTxnNumbers, suspended; raises KeyError."""
        company = self.company(order)
        for name, value in order.items():
            if name != "company":
                company.preferences[name] = type(company.preferences[name])(value)

    def know(self, order: Any) -> None:
        """The `names` of vendors and employees of `company`, which no customer may have."""
        self.company(order).data["others"] = [str(name) for name in order["names"]]

    def by_hand(self, name: str, order: Record) -> Record | None:
        """An act of a bookkeeper of `company`; it answers what was written."""
        return bookkeeper.do(self.company(order), name, order)

    def create(self, order: Any) -> None:
        """Write objects into `company`, uncounted: lists under `Customer`, `Invoice`, `CreditMemo`, `Payment`."""
        company = self.company(order)
        with company.transaction():
            for name in (name for name in BY_NAME if name in order):
                for sent in order[name]:
                    operate(company, BY_NAME[name], "create", sent, set())

    def fill(self, order: Any) -> None:
        """Give `company` `invoices` of `contacts` that were there long before anybody listened."""
        bulk.fill(self.company(order), invoices=int(order["invoices"]), contacts=int(order.get("contacts", 100)))
