"""The entry to the practice Stripe's API: keys, limits, idempotency, errors, headers."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.core.world import World
from sandbox.stripe import forms, idempotency, listing, parameters
from sandbox.stripe.accounts import StripeAccount, get_or_create_account, mask_key
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import (
    StripeApiError,
    StripeParameterError,
    build_missing_key_error,
    build_permission_error,
    build_rate_limit_error,
)
from sandbox.stripe.shapes_customers import API_VERSION
from sandbox.stripe.webhooks import delivery

Obj = dict[str, Any]
DELIVERY_DELAY = 0.02
BROWSER_EXTRAS = ("key", "client_secret", "_stripe_version", "_stripe_account")
HIDDEN_FROM_BROWSERS: Obj = {"metadata": {}, "customer": None, "application_fee_amount": None}


@dataclass(frozen=True)
class Operation:
    """One verb on one path below `/v1`. `typed` names its parameters; None means that it reads its own."""

    method: str
    path: str
    run: Callable[[StripeCall], Obj]
    params_type: str | None
    browser: bool = False


@dataclass
class IncomingRequest:
    """A request whose body was read."""

    request: Request
    body: bytes
    request_id: str

    @property
    def encoded(self) -> str:
        """The parameters: in the body for a POST, else in the query."""
        return self.body.decode() if self.request.method == "POST" else self.request.url.query

    @property
    def idempotency_key(self) -> str | None:
        """The key of a write; reads have none."""
        return self.request.headers.get("idempotency-key") if self.request.method == "POST" else None


class StripeApi:
    """Runs operations over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        """The route's handler for an operation."""

        async def handle(request: Request) -> Response:
            arrived = IncomingRequest(request, await request.body(), self.world.id("req", 14))
            try:
                account, browser = self.authenticate(arrived)
                if browser:
                    request.scope.get("journal", {})["browser"] = True
                return await self.run_idempotently(operation, arrived, account, browser)
            except StripeApiError as error:
                return self.render_error(arrived, error)

        return handle

    async def handle_unknown_path(self, request: Request) -> Response:
        """What any other path answers."""
        arrived = IncomingRequest(request, b"", self.world.id("req", 14))
        path = request.url.path.removeprefix("/stripe")
        return self.render_error(
            arrived, StripeApiError(f"Unrecognized request URL ({request.method}: {path}).", status=404)
        )

    def authenticate(self, arrived: IncomingRequest) -> tuple[StripeAccount, bool]:
        """The caller's account; raises the 401 or the 429."""
        key = get_api_key(arrived)
        if not key:
            raise build_missing_key_error()
        account, browser = get_or_create_account(self.world, key)
        path = arrived.request.url.path.partition("/v1")[2]
        if key.startswith("rk_") and any(path.startswith(one) for one in self.world.config.get("stripe_denied", [])):
            raise build_permission_error(mask_key(key), path)
        account.cause = (arrived.request_id, arrived.idempotency_key)
        recent, now = self.recent[account.id], time.monotonic()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= self.world.config.get("stripe_rate_limit", 100):
            raise build_rate_limit_error()
        recent.append(now)
        return account, browser

    async def run_idempotently(
        self, operation: Operation, arrived: IncomingRequest, account: StripeAccount, browser: bool
    ) -> Response:
        """Run the operation, or replay the answer saved under its idempotency key."""
        key = arrived.idempotency_key
        if not key:
            await self.wait_latency()
            return self.run(operation, arrived, account, browser)
        mark = idempotency.build_fingerprint(arrived.request.method, arrived.request.url.path, arrived.body)
        saved = idempotency.start_call(account, key, mark)
        if saved:
            headers = {"Idempotent-Replayed": "true", "Original-Request": saved["request_id"]}
            return self.render_answer(arrived, saved["status"], saved["body"], headers)
        try:
            await self.wait_latency()
            response = self.run(operation, arrived, account, browser)
        except BaseException:
            idempotency.release_key(account, key)
            raise
        idempotency.record_answer(account, key, response.status_code, bytes(response.body).decode(), arrived.request_id)
        return response

    async def wait_latency(self) -> None:
        """Take as long as `stripe_latency` in the config, in seconds."""
        if latency := self.world.config.get("stripe_latency"):
            await asyncio.sleep(latency)

    def run(self, operation: Operation, arrived: IncomingRequest, account: StripeAccount, browser: bool) -> Response:
        """Read the parameters and do the work; raises BadParameterError only before the work began."""
        call = self.parse_call(operation, arrived, account, browser)
        try:
            found = operation.run(call)
            found = listing.expand_fields(account, found, call.params.get("expand") or [])
        except StripeParameterError:
            raise
        except StripeApiError as error:
            return self.render_error(arrived, error)
        finally:
            self.world.mark_changed()
            asyncio.get_running_loop().call_later(DELIVERY_DELAY, delivery.send_due, self.world)
        if browser:
            found = {
                **found,
                **{name: HIDDEN_FROM_BROWSERS[name] for name in HIDDEN_FROM_BROWSERS if name in found},
            }
        return self.render_answer(arrived, 200, render_json(found), {})

    def parse_call(
        self, operation: Operation, arrived: IncomingRequest, account: StripeAccount, browser: bool
    ) -> StripeCall:
        """The call with typed parameters; raises BadParameterError or a 403."""
        if browser and not operation.browser:
            raise StripeApiError(
                "This API call cannot be made with a publishable API key. Use a secret key.", status=403
            )
        given = forms.decode_form(arrived.encoded)
        secret = given.get("client_secret") if browser else None
        if browser:
            given = {name: value for name, value in given.items() if name not in BROWSER_EXTRAS}
        if operation.params_type:
            given = parameters.parse_params(operation.params_type, given)
        elif isinstance(given.get("expand"), dict):
            given["expand"] = forms.list_values(given["expand"])
        request = arrived.request
        seen_from = (request.client.host if request.client else None, request.headers.get("user-agent"))
        return StripeCall(account, given, dict(request.path_params), browser, secret, seen_from)

    def render_error(self, arrived: IncomingRequest, error: StripeApiError) -> Response:
        """An error as its answer."""
        return self.render_answer(arrived, error.status, render_json(error.body()), error.headers)

    def render_answer(self, arrived: IncomingRequest, status: int, body: str, headers: dict[str, str]) -> Response:
        """One answer with the headers that all have."""
        named = {
            "Request-Id": arrived.request_id,
            "Stripe-Version": arrived.request.headers.get("stripe-version", API_VERSION),
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": "no-cache, no-store",
            **headers,
        }
        if arrived.idempotency_key:
            named["Idempotency-Key"] = arrived.idempotency_key
        return Response(body, status, named, media_type="application/json")


def render_json(body: Obj) -> str:
    """JSON as Stripe indents it."""
    return json.dumps(body, indent=2)


def get_api_key(arrived: IncomingRequest) -> str:
    """The API key: a bearer token, a basic user name, or a browser's `key` parameter."""
    scheme, _, value = arrived.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().split(":", 1)[0]
        except ValueError:
            return ""
    given = forms.decode_form(arrived.encoded).get("key", "")
    return given if isinstance(given, str) and given.startswith("pk_") else ""
