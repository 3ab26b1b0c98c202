"""The layer around the whole app that journals vendor traffic and carries out ordered faults."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.core.faults import Fault, drop_connection, wait_or_disconnect
from sandbox.core.journal import format_headers
from sandbox.core.odd_answers import ODD_ANSWERS, mutate_json
from sandbox.core.service import ErrorBody, FaultedCall, JournalledPath, Service
from sandbox.core.world import World

MAX_ODD_BODY = 10_000  # bytes of an answer made odd on purpose that are journalled
UNPACKED = (b"content-length", b"content-encoding")
COMPRESSING = frozenset({"xero", "quickbooks"})  # services that compress what a client asks to be compressed
ERROR_PAGE = "<html><head><title>{0} Bad gateway</title></head><body><h1>{0} Bad gateway</h1></body></html>"


class Exchange:
    """One call in progress: what came in, and what has been answered so far."""

    def __init__(self, scope: Scope, base: JournalledPath, body: bytes) -> None:
        self.scope = scope
        self.base = base
        self.body = body
        self.path = scope["path"][len(base.prefix) :] or "/"
        self.notes: dict[str, Any] = {}
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.answer = bytearray()

    def record_message(self, message: Message) -> None:
        """Record one message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message["headers"])
        elif message["type"] == "http.response.body":
            self.answer += message.get("body", b"")

    def build_faulted_call(self) -> FaultedCall:
        """The call as its service is notified of a fault."""
        raw = self.scope["headers"]
        return FaultedCall(
            self.scope["method"],
            self.scope["path"],
            {name.decode("latin-1"): value.decode("latin-1") for name, value in raw},
            self.body,
            self.status,
            self.answer.decode(),
        )

    def build_entry(self, root: str) -> dict[str, Any]:
        """The exchange as an entry of the journal."""
        query = self.scope["query_string"].decode("latin-1")
        return {
            "service": self.base.name,
            "method": self.scope["method"],
            "url": root + self.scope["path"] + (f"?{query}" if query else ""),
            "path": self.path,
            "request_headers": format_headers(self.scope["headers"]),
            "request_body": self.body.decode("utf-8", "replace"),
            "status": self.status,
            "response_headers": format_headers(self.headers),
            "response_body": bytes(self.answer[: MAX_ODD_BODY if "fault" in self.notes else None]).decode(
                "utf-8", "replace"
            ),
            **self.notes,
        }


class Recorder:
    """Pure ASGI. A route adds notes to its journal line through `scope["journal"]`."""

    def __init__(self, app: ASGIApp, world: World, services: Sequence[Service]) -> None:
        self.app = app
        self.world = world
        bases = [base for service in services for base in service.journalled_paths]
        self.bases = sorted(bases, key=lambda base: -len(base.prefix))
        self.owners = {base.name: service for service in services for base in service.journalled_paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        base = self._base(scope)
        if base is None:
            await self.app(scope, receive, send)
            if scope.get("method") not in (None, "GET", "HEAD"):
                self.world.mark_changed()
            return
        exchange = Exchange(scope, base, await read_body(receive))
        scope["journal"] = exchange.notes
        try:
            await self._serve(exchange, receive, send)
        except Exception:
            exchange.status = exchange.status or 500
            raise
        finally:
            self.world.journal.add(exchange.build_entry(self.world.url))
            self.world.mark_changed()

    def _base(self, scope: Scope) -> JournalledPath | None:
        if scope["type"] != "http":
            return None
        path = scope["path"]
        for base in self.bases:
            if path.startswith(base.prefix) and path[len(base.prefix) :].startswith(base.only):
                return base
        return None

    async def _serve(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        fault = self.world.faults.find_http_fault(exchange.base.name, exchange.scope["method"], exchange.path)
        if fault is None:
            return await self._work(exchange, receive, send)
        exchange.notes["fault"] = True
        exchange.notes["fault_kind"] = fault.kind
        return await self._break(fault, exchange, receive, send)

    async def _break(self, fault: Fault, exchange: Exchange, receive: Receive, send: Send) -> None:
        if fault.kind == "delay":
            exchange.notes.pop("fault")
            await asyncio.sleep(fault.pause)
            await self._work(exchange, receive, send)
        elif fault.kind == "status":
            await self._refuse(fault, exchange, send)
        elif fault.kind == "html":
            page = ERROR_PAGE.format(fault.status)
            await send_answer(exchange, send, fault.status, {"Content-Type": "text/html"}, page)
        elif fault.kind in ("odd", "mutate"):
            await self._answer_oddly(fault, exchange, receive, send)
        else:
            if fault.kind == "drop_after":
                await self._work(exchange, receive, discard_message)
            elif fault.kind == "timeout":
                await wait_or_disconnect(fault.pause, receive)
            await drop_connection(exchange.scope)

    async def _work(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        async def forward(message: Message) -> None:
            exchange.record_message(message)
            await send(message)

        packed = compress(send, exchange) if accepts_gzip(exchange) else forward
        await self.app(exchange.scope, replay_body(exchange.body, receive), packed)

    async def _answer_oddly(self, fault: Fault, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Send an odd answer, or let the service work and send its answer with one thing changed."""
        if fault.kind == "mutate" or fault.works:
            await self._work(exchange, receive, discard_message)
        if fault.kind == "odd":
            await send_raw_answer(exchange, send, *ODD_ANSWERS[fault.name])
            return
        body = mutate_json(bytes(exchange.answer), fault.field, value=fault.value, drop=fault.drop)
        headers = {name.decode(): value.decode() for name, value in exchange.headers if name not in UNPACKED}
        await send_raw_answer(exchange, send, exchange.status, headers, body)

    async def _refuse(self, fault: Fault, exchange: Exchange, send: Send) -> None:
        owner = self.owners[exchange.base.name]
        shape = owner.build_error or build_default_error
        refusal = shape(exchange.base.name, fault.status)
        body = refusal.body if fault.body is None else fault.body
        headers = {**refusal.headers, **(fault.headers or {})}
        await send_answer(exchange, send, fault.status, headers, body)
        if owner.on_fault:
            owner.on_fault(self.world, exchange.build_faulted_call())


def build_default_error(name: str, status: int) -> ErrorBody:
    """The refusal of a service that has no shape of its own."""
    return ErrorBody({}, {"error": f"{name}: practice fault {status}"})


def accepts_gzip(exchange: Exchange) -> bool:
    """Whether the client asked for compressed answers of a service that gives them."""
    asked = dict(exchange.scope["headers"]).get(b"accept-encoding", b"")
    return exchange.base.name in COMPRESSING and b"gzip" in asked


def compress(send: Send, exchange: Exchange) -> Send:
    """A `send` that records an answer as it is, and sends it compressed."""
    begun: list[Message] = []

    async def packed(message: Message) -> None:
        exchange.record_message(message)
        if message["type"] == "http.response.start":
            begun.append(message)
            return
        if message.get("more_body"):
            return
        body = gzip.compress(bytes(exchange.answer), compresslevel=1)
        exchange.notes["sent_bytes"] = len(body)
        headers = [pair for pair in begun[0]["headers"] if pair[0].lower() != b"content-length"]
        headers += [(b"content-encoding", b"gzip"), (b"content-length", str(len(body)).encode())]
        await send({**begun[0], "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return packed


async def discard_message(message: Message) -> None:
    """Drop a message of the answer."""


async def send_answer(exchange: Exchange, send: Send, status: int, headers: dict[str, str], body: Any) -> None:
    """Send one whole answer; a body that is no text goes out as JSON."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    named = {"content-type": "text/plain" if isinstance(body, str) else "application/json"}
    named |= {name.lower(): value for name, value in headers.items()} | {"content-length": str(len(data))}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    for message in (
        {"type": "http.response.start", "status": status, "headers": raw},
        {"type": "http.response.body", "body": data},
    ):
        exchange.record_message(message)
        await send(message)


async def send_raw_answer(exchange: Exchange, send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Send these bytes with these headers, and journal them instead of what was answered before."""
    exchange.answer.clear()
    length = {} if status == 204 else {"content-length": str(len(body))}
    raw = [(name.encode(), value.encode()) for name, value in {**headers, **length}.items()]
    for message in (
        {"type": "http.response.start", "status": status, "headers": raw},
        {"type": "http.response.body", "body": body},
    ):
        exchange.record_message(message)
        await send(message)


async def read_body(receive: Receive) -> bytes:
    """The request's body, read to its end."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the already read body first."""
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return unread.pop() if unread else await receive()

    return again
