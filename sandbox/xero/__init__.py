"""The practice Xero: identity service, accounting API, and pages that show the books."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Mount

from sandbox.core.service import ErrorBody, JournalledPath, Link, Service
from sandbox.core.webhooks import build_webhook_lifespan
from sandbox.core.world import World
from sandbox.xero import webhooks
from sandbox.xero.admin_api import XeroAdminApi
from sandbox.xero.api import XeroApi
from sandbox.xero.identity import XeroIdentity
from sandbox.xero.oauth import XeroOAuthServer
from sandbox.xero.organisation import list_organisations
from sandbox.xero.pages import XeroPages


def routes(world: World) -> Sequence[BaseRoute]:
    """Everything below `/xero`."""
    api = Mount("/api.xro/2.0", routes=XeroApi(world).routes())
    return [
        api,
        *XeroOAuthServer(XeroIdentity(world)).routes(),
        *XeroAdminApi(world).routes(),
        *XeroPages(world).routes(),
    ]


def links(world: World) -> list[Link]:
    """The home page's lines: every organisation with the size of its books."""
    found = [Link("Organisations", "/xero/", "and their books")]
    for org in list_organisations(world):
        about = f"{len(org.table('invoices'))} invoices, {len(org.table('credit_notes'))} credit notes"
        found.append(Link(org.name, f"/xero/organisations/{org.data['slug']}", about))
    return found


def build_error(journal: str, status: int) -> ErrorBody:
    """A fault's answer in Xero's format."""
    if journal == "xero-oauth":
        return ErrorBody({}, {"error": "invalid_grant" if status == 400 else "temporarily_unavailable"})
    if status == 429:
        return ErrorBody({"X-Rate-Limit-Problem": "minute", "Retry-After": "60"}, "Too many requests")
    if status in (401, 403):
        title = "Unauthorized" if status == 401 else "Forbidden"
        detail = "AuthenticationUnsuccessful"
        return ErrorBody({}, {"Type": None, "Title": title, "Status": status, "Detail": detail, "Extensions": {}})
    if status == 400:
        message = "A validation exception occurred"
        return ErrorBody({}, {"ErrorNumber": 10, "Type": "ValidationException", "Message": message, "Elements": []})
    return ErrorBody({}, "The Xero API is currently offline. Please try again shortly.")


service = Service(
    name="Xero",
    prefix="/xero",
    routes=routes,
    journalled_paths=[
        JournalledPath("xero", "/xero/api.xro/2.0"),
        JournalledPath("xero-oauth", "/xero/identity/connect"),
        JournalledPath("xero-identity", "/xero", only="/connections"),
        JournalledPath("xero-identity", "/xero", only="/Connections"),
    ],
    links=links,
    build_error=build_error,
    lifespan=build_webhook_lifespan(webhooks.reset_interrupted, webhooks.send_due),
)
