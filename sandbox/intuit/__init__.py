"""The practice Intuit: sign-in, QuickBooks' accounting API, webhooks, and pages that show the books."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Mount

from sandbox.core.service import ErrorBody, JournalledPath, Link, Service
from sandbox.core.webhooks import build_webhook_lifespan
from sandbox.core.world import World
from sandbox.intuit import webhooks
from sandbox.intuit.admin_api import IntuitAdminApi
from sandbox.intuit.api import IntuitApi
from sandbox.intuit.company import list_companies
from sandbox.intuit.errors import (
    build_forbidden_error,
    build_system_error,
    build_throttled_error,
    build_unauthenticated_error,
)
from sandbox.intuit.identity import IntuitIdentity
from sandbox.intuit.oauth import IntuitOAuthServer
from sandbox.intuit.pages import IntuitPages


def routes(world: World) -> Sequence[BaseRoute]:
    """Everything below `/intuit`."""
    api = Mount("/v3", routes=IntuitApi(world).routes())
    return [
        api,
        *IntuitOAuthServer(IntuitIdentity(world)).routes(),
        *IntuitAdminApi(world).routes(),
        *IntuitPages(world).routes(),
    ]


def links(world: World) -> list[Link]:
    """The home page's lines: every company with the size of its books."""
    found = [Link("Companies", "/intuit/", "and their books")]
    for company in list_companies(world):
        about = f"{len(company.table('Invoice'))} invoices, {len(company.table('CreditMemo'))} credit memos"
        found.append(Link(company.name, f"/intuit/companies/{company.data['slug']}", about))
    return found


def build_error(journal: str, status: int) -> ErrorBody:
    """A fault's answer in Intuit's format."""
    if journal == "quickbooks-oauth":
        return ErrorBody({}, {"error": "invalid_grant" if status == 400 else "server_error"})
    known = {
        401: build_unauthenticated_error("Token expired"),
        403: build_forbidden_error(),
        429: build_throttled_error("The request limit was reached."),
    }
    if status in known:
        return ErrorBody(known[status].headers, known[status].body)
    return ErrorBody({}, build_system_error())


service = Service(
    name="QuickBooks",
    prefix="/intuit",
    routes=routes,
    journalled_paths=[
        JournalledPath("quickbooks", "/intuit/v3"),
        JournalledPath("quickbooks-oauth", "/intuit/oauth2"),
        JournalledPath("quickbooks-oauth", "/intuit/v2"),
    ],
    links=links,
    build_error=build_error,
    lifespan=build_webhook_lifespan(webhooks.reset_interrupted, webhooks.send_due),
)
