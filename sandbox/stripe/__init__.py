"""The practice Stripe: its API, its stripe.js, its dashboard, its webhooks."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from sandbox.core.service import ErrorBody, JournalledPath, Link, Service
from sandbox.core.webhooks import build_webhook_lifespan
from sandbox.core.world import World
from sandbox.stripe import payouts
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.api import StripeApi
from sandbox.stripe.errors import StripeApiError, build_rate_limit_error
from sandbox.stripe.injected_errors import record_injected_error
from sandbox.stripe.operations import list_operations
from sandbox.stripe.pages import build_page_routes
from sandbox.stripe.payments import charging, disputes, refunds
from sandbox.stripe.timers import TimerAction, run_due_timers
from sandbox.stripe.webhooks import delivery


def run_pay_out(account: StripeAccount, name: str) -> None:
    """The timer's way to a payout."""
    payouts.create_due_payout(account, name)


TIMER_ACTIONS: dict[str, TimerAction] = {
    "settle_debit": charging.settle_debit,
    "dispute": disputes.dispute_by_timer,
    "pay_out": run_pay_out,
    "land_payout": payouts.mark_arrived,
    "settle_refund": refunds.settle_refund,
    "fail_refund": refunds.fail_refund,
}


def routes(world: World) -> Sequence[BaseRoute]:
    """The API and the pages, mounted under `/stripe`."""
    api = StripeApi(world)
    found: list[BaseRoute] = [
        Route(f"/v1{operation.path}", api.endpoint(operation), methods=[operation.method])
        for operation in list_operations()
    ]
    every = ["GET", "POST", "DELETE", "PUT", "PATCH"]
    return [*found, Route("/v1/{rest:path}", api.handle_unknown_path, methods=every), *build_page_routes(world)]


def build_error(name: str, status: int) -> ErrorBody:
    """A fault's answer in Stripe's format."""
    if status == 429:
        error = build_rate_limit_error()
        return ErrorBody(error.headers, error.body())
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return ErrorBody({}, StripeApiError("Something went wrong on the practice Stripe's end.", type_=kind).body())


service = Service(
    name="Stripe",
    prefix="/stripe",
    routes=routes,
    journalled_paths=(JournalledPath("stripe", "/stripe", "/v1/"),),
    links=lambda world: (Link("Stripe dashboard", "/stripe/dashboard", "payments, events, deliveries"),),
    build_error=build_error,
    on_fault=record_injected_error,
    lifespan=build_webhook_lifespan(
        delivery.reset_interrupted, lambda world: run_due_timers(world, TIMER_ACTIONS), delivery.send_due
    ),
)
