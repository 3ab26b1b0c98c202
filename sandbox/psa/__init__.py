"""The practice ConnectWise PSA: its REST API, callbacks, and a page that shows the invoices."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from sandbox.core.service import JournalledPath, Link, Service
from sandbox.core.webhooks import build_webhook_lifespan
from sandbox.core.world import World
from sandbox.psa import callbacks
from sandbox.psa.admin_api import PsaAdminApi, apply_late_payments
from sandbox.psa.api import PsaApi
from sandbox.psa.errors import build_error
from sandbox.psa.pages import PsaPages
from sandbox.psa.tenant import list_tenants


def routes(world: World) -> Sequence[BaseRoute]:
    """Everything below `/psa`."""
    return [*PsaAdminApi(world).routes(), *PsaPages(world).routes(), *PsaApi(world).routes()]


def links(world: World) -> list[Link]:
    """The home page's lines: every PSA with the number of its invoices."""
    return [
        Link(tenant.data["name"], f"/psa/tenants/{tenant.data['login']}", f"{len(tenant.table('invoices'))} invoices")
        for tenant in list_tenants(world)
    ]


service = Service(
    name="ConnectWise PSA",
    prefix="/psa",
    routes=routes,
    journalled_paths=[
        JournalledPath("psa", "/psa", only="/v"),
        JournalledPath("psa", "/psa", only="/login/"),
        JournalledPath("psa-keys", "/psa", only="/callback-keys"),
    ],
    links=links,
    build_error=build_error,
    lifespan=build_webhook_lifespan(callbacks.reset_interrupted, callbacks.send_due, apply_late_payments),
)
