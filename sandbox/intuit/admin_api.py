"""What people can do to the practice QuickBooks: disconnect, expire, close, subscribe, act as a bookkeeper."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sandbox.core.admin_api import AccountingAdminApi, AdminOrder, parse_closing_date
from sandbox.core.world import World
from sandbox.intuit import bookkeeper, bulk_fixtures, idempotency, webhooks
from sandbox.intuit.change_events import SECTION, build_section
from sandbox.intuit.company import Company, Record, find_company, list_companies
from sandbox.intuit.entities import BY_NAME, run_operation
from sandbox.intuit.identity import REFRESH_LIFETIME, IntuitIdentity
from sandbox.intuit.sales import DUPLICATES

SIZES = ("Customer", "Invoice", "CreditMemo", "Payment", "RefundReceipt", "Purchase")


class IntuitAdminApi(AccountingAdminApi):
    """`GET` shows companies and grants; `POST` takes an object of orders, each named by its key."""

    def __init__(self, world: World) -> None:
        self.identity = IntuitIdentity(world)
        orders: dict[str, AdminOrder] = {
            "disconnect": self.disconnect,
            "revoke": lambda order: self.identity.delete_matching(email=str(order).lower()),
            "expire": self.expire,
            "close_books": self.close_books,
            "preferences": self.set_preferences,
            "others": self.set_reserved_names,
            "forget_requests": lambda order: idempotency.delete_remembered_requests(world),
            "webhook": lambda order: webhooks.set_endpoint(world, order),
            "create": self.create,
            "fill": self.fill,
        }
        super().__init__(world, orders, actions=bookkeeper.ACTIONS, run_action=self.run_bookkeeper_action)

    def get_state(self) -> Record:
        """Companies with their realms, grants without their tokens, the webhook, and the size of the books."""
        hidden = ("refresh", "previous")
        section = self.world.get_section(SECTION, build_section)
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
                for company in list_companies(self.world)
            ],
            "grants": [
                {name: value for name, value in grant.items() if name not in hidden}
                for grant in self.identity.state["grants"].values()
            ],
            "webhook": {"endpoint": section["endpoint"], "deliveries": section["deliveries"]},
        }

    def get_company(self, order: Record) -> Company:
        """The company that an order names by name, slug or realm; raises ValueError."""
        company = find_company(self.world, str(order["company"]))
        if company is None:
            raise ValueError("no such company")
        return company

    def disconnect(self, order: Any) -> None:
        """Take the app off a company (name, slug or realm), end one grant by its id, or `"*"` every one."""
        if order == "*":
            self.identity.state["grants"].clear()
            return
        company = find_company(self.world, str(order))
        self.identity.delete_matching(**({"realm": company.realm} if company else {"id": str(order)}))

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
                row["used"] = (now - REFRESH_LIFETIME - timedelta(seconds=1)).isoformat()

    def close_books(self, order: Any) -> None:
        """Close the books of `company` up to and with `date`; null opens them."""
        self.get_company(order).preferences["BookCloseDate"] = parse_closing_date(order)

    def set_preferences(self, order: Any) -> None:
        """Set preferences of `company`: AutoApplyCredit, CustomTxnNumbers, suspended; raises KeyError."""
        company = self.get_company(order)
        for name, value in order.items():
            if name != "company":
                company.preferences[name] = type(company.preferences[name])(value)

    def set_reserved_names(self, order: Any) -> None:
        """The `names` of vendors and employees of `company`, which no customer may have."""
        self.get_company(order).data["others"] = [str(name) for name in order["names"]]

    def run_bookkeeper_action(self, name: str, order: Record) -> Record | None:
        """An act of a bookkeeper of `company`; it answers what was written."""
        return bookkeeper.run_action(self.get_company(order), name, order)

    def create(self, order: Any) -> None:
        """Write objects into `company`, uncounted: lists under `Customer`, `Invoice`, `CreditMemo`, `Payment`.

        With `duplicates`, numbers may be taken already, as in a company that allows that.
        """
        company = self.get_company(order)
        allowed = {DUPLICATES} if order.get("duplicates") else set()
        with company.transaction():
            for name in (name for name in BY_NAME if name in order):
                for sent in order[name]:
                    run_operation(company, BY_NAME[name], "create", sent, allowed)

    def fill(self, order: Any) -> None:
        """Give `company` `invoices` of `contacts` that were there long before anybody subscribed."""
        bulk_fixtures.create_bulk_records(
            self.get_company(order), invoices=int(order["invoices"]), contacts=int(order.get("contacts", 100))
        )
