"""Faults that people order in advance: which call they hit, and what they do to it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from starlette.types import Receive, Scope

from sandbox.core.odd_answers import ODD_ANSWERS

HTTP_KINDS = frozenset({"status", "timeout", "drop_before", "drop_after", "delay", "html", "odd", "mutate"})
WEBHOOK_KINDS = frozenset({"webhook_drop", "webhook_duplicate", "webhook_delay", "webhook_reorder"})


class FaultError(ValueError):
    """An order for a fault that nobody could carry out."""


@dataclass
class Fault:
    """One order. `times` None means until cleared; `skip` lets that many matching calls pass first.

    An `odd` one has the `name` of its answer, sent instead of the service's, which works nevertheless if it `works`. A
    `mutate` one changes the `field` of the service's answer to `value`, or drops it.
    """

    service: str
    kind: str
    method: str | None = None
    path: str | None = None
    status: int = 503
    headers: dict[str, str] | None = None
    body: Any = None
    seconds: float | None = None
    times: int | None = 1
    skip: int = 0
    hits: int = 0
    name: str = ""
    works: bool = False
    field: str = ""
    value: Any = None
    drop: bool = False

    @property
    def pause(self) -> float:
        """How long a held or delayed call waits, in real seconds."""
        return self.seconds if self.seconds is not None else (60.0 if self.kind == "timeout" else 1.0)

    def matches(self, service: str, method: str, path: str) -> bool:
        """Whether this call is one that the order names."""
        return (
            self.service == service
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or fnmatchcase(path, self.path))
        )

    def consume(self) -> bool:
        """Use the order up once; False while it still lets calls pass."""
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits += 1
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The orders that still stand, oldest first."""

    def __init__(self) -> None:
        self.standing: list[Fault] = []

    def add_fault(self, order: dict[str, Any]) -> Fault:
        """Add an order; raises FaultError when it could never be carried out."""
        if order.get("kind") not in HTTP_KINDS | WEBHOOK_KINDS:
            raise FaultError(f"kind is one of {', '.join(sorted(HTTP_KINDS | WEBHOOK_KINDS))}")
        if not order.get("service"):
            raise FaultError("service is missing")
        try:
            fault = Fault(**order)
        except TypeError as error:
            raise FaultError(str(error)) from error
        if fault.kind == "odd" and fault.name not in ODD_ANSWERS:
            raise FaultError(f"name is one of {', '.join(ODD_ANSWERS)}")
        if fault.kind == "mutate" and not fault.field:
            raise FaultError("field is missing")
        self.standing.append(fault)
        return fault

    def clear(self) -> None:
        """Withdraw every order."""
        self.standing.clear()

    def list_faults(self) -> list[dict[str, Any]]:
        """The standing orders as JSON-able dictionaries."""
        return [asdict(fault) for fault in self.standing]

    def find_http_fault(self, service: str, method: str, path: str) -> Fault | None:
        """The fault that hits this call, used up by asking."""
        return self._first(HTTP_KINDS, service, method, path)

    def find_webhook_fault(self, service: str, kind: str, name: str) -> Fault | None:
        """The fault of this kind that hits the webhook `name` (matched as the path), used up by asking."""
        return self._first(frozenset({kind}), service, "POST", name)

    def _first(self, kinds: frozenset[str], service: str, method: str, path: str) -> Fault | None:
        for fault in self.standing:
            if fault.kind in kinds and fault.matches(service, method, path):
                taken = fault.consume()
                if fault.times is not None and fault.times <= 0:
                    self.standing.remove(fault)
                if taken:
                    return fault
        return None


async def drop_connection(scope: Scope) -> None:
    """Break the client's connection without an answer: it sees a reset or an early end."""
    cycle = getattr(scope.get("server_send"), "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("this server hides its connection, so it cannot be broken")
    transport.abort()
    while not getattr(cycle, "disconnected", True):
        await asyncio.sleep(0)


async def wait_or_disconnect(seconds: float, receive: Receive) -> None:
    """Wait, but not longer than the client does."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
