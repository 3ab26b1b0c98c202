"""What people can do to the practice Xero from outside: disconnect, revoke, lock, fill, and act as a bookkeeper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.core.admin_api import AccountingAdminApi, AdminOrder, parse_closing_date
from sandbox.core.world import World
from sandbox.xero import bookkeeper, bulk_fixtures, contacts, documents, payments, webhooks
from sandbox.xero.calls import XeroCall
from sandbox.xero.documents import CREDIT_NOTE, INVOICE
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.identity import XeroIdentity
from sandbox.xero.organisation import Organisation, Record, find_organisation, list_organisations

CREATORS: dict[str, Callable[[XeroCall, Record], Record]] = {
    "Contacts": contacts.create,
    "Invoices": lambda call, sent: documents.create(call, INVOICE, sent),
    "CreditNotes": lambda call, sent: documents.create(call, CREDIT_NOTE, sent),
    "Payments": payments.create,
}


class XeroAdminApi(AccountingAdminApi):
    """`GET` shows organisations and connections; `POST` takes an object of orders, each named by its key."""

    def __init__(self, world: World) -> None:
        self.identity = XeroIdentity(world)
        orders: dict[str, AdminOrder] = {
            "disconnect": self.disconnect,
            "revoke": self.revoke,
            "remove_user": lambda order: self.set_user_removed(order, restore=False),
            "restore_user": lambda order: self.set_user_removed(order, restore=True),
            "expire": self.expire,
            "lock": self.lock_books,
            "archive_account": lambda order: self.set_account_status(order, "ARCHIVED"),
            "restore_account": lambda order: self.set_account_status(order, "ACTIVE"),
            "archive_tax_rate": lambda order: self.set_tax_rate_status(order, "ARCHIVED"),
            "restore_tax_rate": lambda order: self.set_tax_rate_status(order, "ACTIVE"),
            "create": self.create,
            "fill": self.fill,
            "subscribe": self.subscribe,
        }
        super().__init__(world, orders, actions=bookkeeper.ACTIONS, run_action=self.run_bookkeeper_action)

    def get_state(self) -> Record:
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
                for org in list_organisations(self.world)
            ],
            "connections": list(self.identity.state["connections"].values()),
            "webhooks": webhooks.list_subscriptions(self.world),
        }

    def get_organisation(self, order: Record) -> Organisation:
        """The organisation that an order names by name, slug or tenant id; raises ValueError."""
        found = find_organisation(self.world, str(order["organisation"]))
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
        self.identity.delete_matching(email=str(order).lower())

    def set_user_removed(self, order: Any, *, restore: bool) -> None:
        """Remove the person with this `email` from `organisation`, or put them back."""
        self.identity.set_removed(str(order["email"]).lower(), self.get_organisation(order).id, restore=restore)

    def expire(self, order: Any) -> None:
        """Let all access tokens, all refresh tokens or both end now: `"access"`, `"refresh"`, `"all"`."""
        for kind in {"access": ["access"], "refresh": ["refresh"], "all": ["access", "refresh"]}[order]:
            for row in self.identity.state[kind].values():
                row["expires"] = self.world.now().isoformat()

    def lock_books(self, order: Any) -> None:
        """Lock the books of `organisation` up to and with `date`; null opens them."""
        self.get_organisation(order).data["lock_date"] = parse_closing_date(order)

    def set_account_status(self, order: Any, status: str) -> None:
        """Archive or restore the account `code` of `organisation`."""
        org = self.get_organisation(order)
        found = org.account({"Code": order["code"]})
        if found is None:
            raise ValueError("no such account")
        org.save("accounts", found["AccountID"], {**found, "Status": status})

    def set_tax_rate_status(self, order: Any, status: str) -> None:
        """Archive or restore the tax rate of the type `code` of `organisation`."""
        org = self.get_organisation(order)
        found = [row for row in org.data["tax_rates"] if row["TaxType"] == order["code"]]
        if not found:
            raise ValueError("no such tax rate")
        for row in found:
            row["Status"] = status

    def run_bookkeeper_action(self, name: str, order: Record) -> Record | None:
        """An act of a bookkeeper of `organisation`; it answers what was written."""
        return bookkeeper.run_action(self.get_organisation(order), name, order)

    def create(self, order: Any) -> None:
        """Write Contacts, Invoices, CreditNotes, Payments into `organisation`, uncounted."""
        org = self.get_organisation(order)
        call = bookkeeper.build_call(org)
        try:
            for name, make in CREATORS.items():
                for sent in order.get(name, []):
                    make(call, sent)
        except XeroValidationError:
            org.rollback()
            raise
        webhooks.publish_changes(org)

    def fill(self, order: Any) -> None:
        """Give `organisation` `invoices` of `contacts` that were there long before anybody subscribed."""
        bulk_fixtures.create_bulk_records(
            self.get_organisation(order), invoices=int(order["invoices"]), contacts=int(order.get("contacts", 100))
        )

    def subscribe(self, order: Any) -> None:
        """Send the app `client` `events` (default: all) at `url`, signed with `key`; no `url` ends it."""
        webhooks.subscribe(self.world, order)
