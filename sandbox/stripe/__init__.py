"""The practice Stripe: its API, its stripe.js, its dashboard, its webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from starlette.routing import BaseRoute, Route

from sandbox.service import Base, Link, Refusal, Service
from sandbox.stripe import charging, delivery, disputes, payouts, refunds
from sandbox.stripe.accounts import Account
from sandbox.stripe.api import Api
from sandbox.stripe.errors import ApiError, too_fast
from sandbox.stripe.faulty import remember
from sandbox.stripe.operations import operations
from sandbox.stripe.pages import page_routes
from sandbox.stripe.timers import Action, run_due
from sandbox.world import World


def pay_out(account: Account, name: str) -> None:
    """The timer's way to a payout."""
    payouts.pay_out(account, name)


ACTIONS: dict[str, Action] = {
    "settle_debit": charging.settle_debit,
    "dispute": disputes.dispute,
    "pay_out": pay_out,
    "land_payout": payouts.land,
    "settle_refund": refunds.settle_refund,
    "fail_refund": refunds.fail_refund,
}


def routes(world: World) -> Sequence[BaseRoute]:
    """The API and the pages, mounted under `/stripe`."""
    api = Api(world)
    found: list[BaseRoute] = [
        Route(f"/v1{operation.path}", api.endpoint(operation), methods=[operation.method]) for operation in operations()
    ]
    every = ["GET", "POST", "DELETE", "PUT", "PATCH"]
    return [*found, Route("/v1/{rest:path}", api.unknown, methods=every), *page_routes(world)]


def refusal(name: str, status: int) -> Refusal:
    """A fault's answer as Stripe would word it."""
    if status == 429:
        error = too_fast()
        return Refusal(error.headers, error.body())
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return Refusal({}, ApiError("Something went wrong on the practice Stripe's end.", type_=kind).body())


@asynccontextmanager
async def lifespan(world: World) -> AsyncIterator[None]:
    """Timers and deliveries run as long as the process."""
    delivery.resume(world)
    world.on_tick(partial(run_due, world, ACTIONS))
    world.on_tick(partial(delivery.send_due, world))
    yield


service = Service(
    name="Stripe",
    prefix="/stripe",
    routes=routes,
    journals=(Base("stripe", "/stripe", "/v1/"),),
    links=lambda world: (Link("Stripe dashboard", "/stripe/dashboard", "payments, events, deliveries"),),
    refusal=refusal,
    refused=remember,
    lifespan=lifespan,
)
