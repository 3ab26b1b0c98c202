"""What people can do to the practice PSA: keys and rights, orders and invoices, other tools, callbacks, codebases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.core.control import parse_order
from sandbox.core.world import World
from sandbox.psa import fixtures, invoices
from sandbox.psa.callbacks import publish_change, queue_forged
from sandbox.psa.tenant import CLOSED, OPEN, PUBLIC_KEY, Record, Tenant, find_tenant, list_tenants

Order = Callable[[Tenant, Record], Any]


def withdraw_right(tenant: Tenant, order: Record) -> None:
    """Withdraw the `right` ("invoicing:add") of a member."""
    member = tenant.data["members"][order.get("member", PUBLIC_KEY)]
    member["withdrawn"] = sorted({*member["withdrawn"], str(order["right"])})


def grant_rights(tenant: Tenant, order: Record) -> None:
    """Give a member every right again."""
    tenant.data["members"][order.get("member", PUBLIC_KEY)]["withdrawn"] = []


def set_keys(tenant: Tenant, order: Record) -> None:
    """Replace the private key of a member."""
    tenant.data["members"][order.get("member", PUBLIC_KEY)]["private"] = str(order["private"])


def pay(tenant: Tenant, order: Record) -> Record:
    """What another tool does: a payment on an invoice."""
    invoice = tenant.table("invoices")[str(order["invoice"])]
    sent: Record = {name: order[name] for name in ("amount", "paymentDate") if name in order}
    return invoices.create_payment(tenant, invoice, sent, by=str(order.get("by", "SyncTool")))


def close_invoice(tenant: Tenant, order: Record) -> None:
    """Close an invoice, or open it again."""
    invoice = tenant.table("invoices")[str(order["invoice"])]
    invoice["status"] = {"id": OPEN if order.get("open") else CLOSED}
    tenant.touch(invoice)


def delete_invoice(tenant: Tenant, order: Record) -> None:
    """Delete an invoice with its payments."""
    key = int(order["invoice"])
    for row in tenant.list_payments(key):
        del tenant.table("payments")[str(row["id"])]
    del tenant.table("invoices")[str(key)]
    publish_change(tenant, "invoice", key, "deleted", None)


def change_row(tenant: Tenant, order: Record) -> None:
    """Change the `fields` of the row `id` of a `table`."""
    row = tenant.table(order["table"])[str(order["id"])]
    row |= order["fields"]
    tenant.touch(row)
    if order["table"] == "agreements":
        publish_change(tenant, "agreement", int(row["id"]), "updated", row)


def delete_row(tenant: Tenant, order: Record) -> None:
    """Delete the row `id` of a `table`."""
    del tenant.table(order["table"])[str(order["id"])]


def insert_rows(tenant: Tenant, order: Record) -> list[int]:
    """Add `rows` to a `table`."""
    return [int(tenant.insert(order["table"], row)["id"]) for row in order["rows"]]


def bill(tenant: Tenant, order: Record) -> int:
    """An invoice of a company, as PSA bills it: `number`, `amount`, and what else its `fields` are."""
    fields: Record = order.get("fields", {})
    sent: Record = {"type": "Standard", "company": {"id": int(order.get("company", 19))}, **fields}
    sent |= {"invoiceNumber": str(order["number"]), "total": float(order["amount"])}
    return int(invoices.create_invoice(tenant, sent)["id"])


def change_codebase(tenant: Tenant, order: Record) -> None:
    """Move to another codebase; `alias` says whether the old general path still works."""
    tenant.data["codebase"] = str(order["codebase"])
    tenant.data["takes_alias"] = bool(order.get("alias", True))


def delay_payment(tenant: Tenant, order: Record) -> None:
    """The next payment lands `seconds` later, and whoever sends it gets no answer."""
    tenant.data["late_payment"] = float(order["seconds"])


ORDERS: dict[str, Order] = {
    "withdraw": withdraw_right,
    "grant": grant_rights,
    "keys": set_keys,
    "order": fixtures.create_order,
    "down_payment": lambda tenant, order: fixtures.create_down_payment(tenant, order)["id"],
    "bill": bill,
    "pay": pay,
    "close": close_invoice,
    "delete_invoice": delete_invoice,
    "change": change_row,
    "delete": delete_row,
    "insert": insert_rows,
    "codebase": change_codebase,
    "late_payment": delay_payment,
    "forge": queue_forged,
}


def apply_late_payments(world: World) -> None:
    """Let the payments land whose time has come."""
    now = world.now().timestamp()
    for tenant in list_tenants(world):
        due = [each for each in tenant.data["late"] if each["due"] <= now]
        tenant.data["late"] = [each for each in tenant.data["late"] if each["due"] > now]
        for each in due:
            if (invoice := tenant.get("invoices", each["invoice"])) is not None:
                invoices.create_payment(tenant, invoice, each["sent"], by=each["by"])


class PsaAdminApi:
    """`GET` shows the PSA of a `tenant`; `POST` takes an object of orders, each named by its key."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return [Route("/_control", self.serve, methods=["GET", "POST"])]

    async def serve(self, request: Request) -> Response:
        """Carry out the orders, and show the tenant."""
        sent = await parse_order(request) if request.method == "POST" else {}
        login = sent.pop("tenant", request.query_params.get("tenant", "northwind"))
        tenant = find_tenant(self.world, str(login))
        if tenant is None:
            return JSONResponse({"error": f"there is no tenant {login}"}, 400)
        try:
            results = {name: ORDERS[name](tenant, order) for name, order in sent.items()}
        except Exception as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
        self.world.mark_changed()
        shown = [invoices.render_invoice(tenant, row) for row in tenant.table("invoices").values()]
        state = {"invoices": shown, "payments": list(tenant.table("payments").values())}
        state |= {"callbacks": list(tenant.table("callbacks").values()), "deliveries": tenant.data["deliveries"]}
        return JSONResponse(state | {name: found for name, found in results.items() if found is not None})
