"""The door of the practice Stripe's API: keys, limits, idempotency, errors, headers."""

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

from sandbox.stripe import delivery, forms, idempotency, listing, parameters
from sandbox.stripe.accounts import Account, account_for
from sandbox.stripe.calls import Call
from sandbox.stripe.errors import ApiError, BadParameterError, no_key, too_fast
from sandbox.stripe.shapes_people import API_VERSION
from sandbox.world import World

Obj = dict[str, Any]
SOON = 0.02
BROWSER_EXTRAS = ("key", "client_secret", "_stripe_version", "_stripe_account")
HIDDEN_FROM_BROWSERS: Obj = {"metadata": {}, "customer": None, "application_fee_amount": None}


@dataclass(frozen=True)
class Operation:
    """One verb on one path below `/v1`. `typed` names its parameters; None means that it reads its own."""

    method: str
    path: str
    run: Callable[[Call], Obj]
    typed: str | None
    browser: bool = False


@dataclass
class Arrived:
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


class Api:
    """Runs operations over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        """The route's handler for an operation."""

        async def handle(request: Request) -> Response:
            arrived = Arrived(request, await request.body(), self.world.id("req", 14))
            try:
                account, browser = self.admit(arrived)
                if browser:
                    request.scope.get("journal", {})["browser"] = True
                return await self.once(operation, arrived, account, browser)
            except ApiError as error:
                return self.refuse(arrived, error)

        return handle

    async def unknown(self, request: Request) -> Response:
        """What any other path answers."""
        arrived = Arrived(request, b"", self.world.id("req", 14))
        path = request.url.path.removeprefix("/stripe")
        return self.refuse(arrived, ApiError(f"Unrecognized request URL ({request.method}: {path}).", status=404))

    def admit(self, arrived: Arrived) -> tuple[Account, bool]:
        """The caller's account; raises the 401 or the 429."""
        key = key_of(arrived)
        if not key:
            raise no_key()
        account, browser = account_for(self.world, key)
        account.cause = (arrived.request_id, arrived.idempotency_key)
        recent, now = self.recent[account.id], time.monotonic()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= self.world.config.get("stripe_rate_limit", 100):
            raise too_fast()
        recent.append(now)
        return account, browser

    async def once(self, operation: Operation, arrived: Arrived, account: Account, browser: bool) -> Response:
        """Run the operation, or replay what its idempotency key remembers."""
        key = arrived.idempotency_key
        if not key:
            await self.be_slow()
            return self.run(operation, arrived, account, browser)
        mark = idempotency.fingerprint(arrived.request.method, arrived.request.url.path, arrived.body)
        kept = idempotency.begin(account, key, mark)
        if kept:
            headers = {"Idempotent-Replayed": "true", "Original-Request": kept["request_id"]}
            return self.answer(arrived, kept["status"], kept["body"], headers)
        try:
            await self.be_slow()
            response = self.run(operation, arrived, account, browser)
        except BaseException:
            idempotency.release(account, key)
            raise
        idempotency.finish(account, key, response.status_code, bytes(response.body).decode(), arrived.request_id)
        return response

    async def be_slow(self) -> None:
        """Take as long as `stripe_latency` in the config says, in seconds."""
        if latency := self.world.config.get("stripe_latency"):
            await asyncio.sleep(latency)

    def run(self, operation: Operation, arrived: Arrived, account: Account, browser: bool) -> Response:
        """Read the parameters and do the work; raises BadParameterError only before the work began."""
        call = self.read(operation, arrived, account, browser)
        try:
            found = operation.run(call)
            found = listing.expanded(account, found, call.params.get("expand") or [])
        except BadParameterError:
            raise
        except ApiError as error:
            return self.refuse(arrived, error)
        finally:
            self.world.changed()
            asyncio.get_running_loop().call_later(SOON, delivery.send_due, self.world)
        if browser:
            found = {
                **found,
                **{name: HIDDEN_FROM_BROWSERS[name] for name in HIDDEN_FROM_BROWSERS if name in found},
            }
        return self.answer(arrived, 200, encode(found), {})

    def read(self, operation: Operation, arrived: Arrived, account: Account, browser: bool) -> Call:
        """The call with typed parameters; raises BadParameterError or a 403."""
        if browser and not operation.browser:
            raise ApiError("This API call cannot be made with a publishable API key. Use a secret key.", status=403)
        given = forms.decode(arrived.encoded)
        secret = given.get("client_secret") if browser else None
        if browser:
            given = {name: value for name, value in given.items() if name not in BROWSER_EXTRAS}
        if operation.typed:
            given = parameters.read(operation.typed, given)
        elif isinstance(given.get("expand"), dict):
            given["expand"] = forms.values(given["expand"])
        request = arrived.request
        seen_from = (request.client.host if request.client else None, request.headers.get("user-agent"))
        return Call(account, given, dict(request.path_params), browser, secret, seen_from)

    def refuse(self, arrived: Arrived, error: ApiError) -> Response:
        """An error as its answer."""
        return self.answer(arrived, error.status, encode(error.body()), error.headers)

    def answer(self, arrived: Arrived, status: int, body: str, headers: dict[str, str]) -> Response:
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


def encode(body: Obj) -> str:
    """JSON as Stripe indents it."""
    return json.dumps(body, indent=2)


def key_of(arrived: Arrived) -> str:
    """The API key: a bearer token, a basic user name, or a browser's `key` parameter."""
    scheme, _, value = arrived.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().split(":", 1)[0]
        except ValueError:
            return ""
    given = forms.decode(arrived.encoded).get("key", "")
    return given if isinstance(given, str) and given.startswith("pk_") else ""
