"""The page that shows what stands on the invoices of a practice PSA."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.core.pages import render_page
from sandbox.core.world import World
from sandbox.psa.accepted_quotes import record_accepted_quotes
from sandbox.psa.invoices import render_invoice
from sandbox.psa.tenant import Record, Tenant, find_tenant, list_tenants

NEWEST = 100


class PsaPages:
    """The pages, bound to one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[BaseRoute]:
        """The list of tenants, and each one's invoices."""
        return [Route("/", self.list_tenants), Route("/tenants/{login}", self.show_tenant)]

    async def list_tenants(self, request: Request) -> Response:
        """Every practice PSA."""
        return render_page("psa_tenants.html", tenants=list(list_tenants(self.world)))

    async def show_tenant(self, request: Request) -> Response:
        """The invoices of one, newest first, each with its payments."""
        tenant = find_tenant(self.world, request.path_params["login"])
        if tenant is None:
            return Response("There is no such PSA.", 404)
        record_accepted_quotes(tenant)
        rows = list(tenant.table("invoices").values())[: -NEWEST - 1 : -1]
        shown = [(render_invoice(tenant, row), name_sale(tenant, row), tenant.list_payments(row["id"])) for row in rows]
        return render_page("psa_invoices.html", tenant=tenant, rows=shown)


def name_sale(tenant: Tenant, invoice: Record) -> str:
    """What was sold by the order of an invoice; empty without one."""
    order = tenant.get("orders", (invoice.get("salesOrder") or {}).get("id", 0)) or {}
    return str((order.get("opportunity") or {}).get("name", ""))
