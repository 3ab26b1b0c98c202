"""The practice Xero: identity service, accounting API, and pages that show the books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from starlette.routing import BaseRoute, Mount

from sandbox.service import Base, Link, Refusal, Service
from sandbox.world import World
from sandbox.xero import webhooks
from sandbox.xero.api import Api
from sandbox.xero.books import every
from sandbox.xero.identity import Identity
from sandbox.xero.oauth import OAuth
from sandbox.xero.pages import Books
from sandbox.xero.steering import Steering


def routes(world: World) -> Sequence[BaseRoute]:
    """Everything below `/xero`."""
    api = Mount("/api.xro/2.0", routes=Api(world).routes())
    return [api, *OAuth(Identity(world)).routes(), *Steering(world).routes(), *Books(world).routes()]


def links(world: World) -> list[Link]:
    """The home page's lines: every organisation with the size of its books."""
    found = [Link("Organisations", "/xero/", "and their books")]
    for org in every(world):
        about = f"{len(org.table('invoices'))} invoices, {len(org.table('credit_notes'))} credit notes"
        found.append(Link(org.name, f"/xero/organisations/{org.data['slug']}", about))
    return found


def refusal(journal: str, status: int) -> Refusal:
    """How Xero words an answer that is broken on purpose."""
    if journal == "xero-oauth":
        return Refusal({}, {"error": "invalid_grant" if status == 400 else "temporarily_unavailable"})
    if status == 429:
        return Refusal({"X-Rate-Limit-Problem": "minute", "Retry-After": "60"}, "Too many requests")
    if status in (401, 403):
        title = "Unauthorized" if status == 401 else "Forbidden"
        detail = "AuthenticationUnsuccessful"
        return Refusal({}, {"Type": None, "Title": title, "Status": status, "Detail": detail, "Extensions": {}})
    if status == 400:
        message = "A validation exception occurred"
        return Refusal({}, {"ErrorNumber": 10, "Type": "ValidationException", "Message": message, "Elements": []})
    return Refusal({}, "The Xero API is currently offline. Please try again shortly.")


@asynccontextmanager
async def lifespan(world: World) -> AsyncIterator[None]:
    """Webhooks are sent as long as the process lives."""
    webhooks.resume(world)
    world.on_tick(partial(webhooks.send_due, world))
    yield


service = Service(
    name="Xero",
    prefix="/xero",
    routes=routes,
    journals=[
        Base("xero", "/xero/api.xro/2.0"),
        Base("xero-oauth", "/xero/identity/connect"),
        Base("xero-identity", "/xero", only="/connections"),
        Base("xero-identity", "/xero", only="/Connections"),
    ],
    links=links,
    refusal=refusal,
    lifespan=lifespan,
)
