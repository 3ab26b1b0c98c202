"""The practice Intuit: sign-in, QuickBooks' accounting API, webhooks, and pages that show the books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from starlette.routing import BaseRoute, Mount

from sandbox.intuit import webhooks
from sandbox.intuit.api import Api
from sandbox.intuit.books import every
from sandbox.intuit.errors import forbidden, system_trouble, throttled, unauthenticated
from sandbox.intuit.identity import Identity
from sandbox.intuit.oauth import OAuth
from sandbox.intuit.pages import Books
from sandbox.intuit.steering import Steering
from sandbox.service import Base, Link, Refusal, Service
from sandbox.world import World


def routes(world: World) -> Sequence[BaseRoute]:
    """Everything below `/intuit`."""
    api = Mount("/v3", routes=Api(world).routes())
    return [api, *OAuth(Identity(world)).routes(), *Steering(world).routes(), *Books(world).routes()]


@asynccontextmanager
async def lifespan(world: World) -> AsyncIterator[None]:
    """Webhooks are sent as long as the process lives."""
    webhooks.resume(world)
    world.on_tick(partial(webhooks.send_due, world))
    yield


def links(world: World) -> list[Link]:
    """The home page's lines: every company with the size of its books."""
    found = [Link("Companies", "/intuit/", "and their books")]
    for company in every(world):
        about = f"{len(company.table('Invoice'))} invoices, {len(company.table('CreditMemo'))} credit memos"
        found.append(Link(company.name, f"/intuit/companies/{company.data['slug']}", about))
    return found


def refusal(journal: str, status: int) -> Refusal:
    """How Intuit words an answer that is broken on purpose."""
    if journal == "quickbooks-oauth":
        return Refusal({}, {"error": "invalid_grant" if status == 400 else "server_error"})
    known = {401: unauthenticated("Token expired"), 403: forbidden(), 429: throttled("The request limit was reached.")}
    if status in known:
        return Refusal(known[status].headers, known[status].body)
    return Refusal({}, system_trouble())


service = Service(
    name="QuickBooks",
    prefix="/intuit",
    routes=routes,
    journals=[
        Base("quickbooks", "/intuit/v3"),
        Base("quickbooks-oauth", "/intuit/oauth2"),
        Base("quickbooks-oauth", "/intuit/v2"),
    ],
    links=links,
    refusal=refusal,
    lifespan=lifespan,
)
