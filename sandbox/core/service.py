"""The interface between a practice service and the sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.routing import BaseRoute

from sandbox.core.world import World


class JournalledPath(NamedTuple):
    """Traffic to journal: what is under `prefix` (from the sandbox's root) and goes on with `only`."""

    name: str
    prefix: str
    only: str = "/"


class Link(NamedTuple):
    """A line of the home page."""

    label: str
    path: str
    about: str = ""


class ErrorBody(NamedTuple):
    """An answer in the vendor's own shape, for faults made on purpose. `body` is JSON-able or text."""

    headers: dict[str, str]
    body: Any


class RefusedError(Exception):
    """The call is refused with `status`; `body` is a JSON-able dictionary or plain text."""

    def __init__(self, status: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


class FaultedCall(NamedTuple):
    """A call that a `status` fault answered instead of the service; header names are lower-case."""

    method: str
    url_path: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer: str


@dataclass(frozen=True, kw_only=True)
class Service:
    """One vendor: `routes(world)` are mounted under `prefix`.

    `build_error(journal name, status)` shapes a fault's answer and `on_fault(world, call)` is called after it;
    `lifespan(world)` wraps the process's life; `links(world)` are asked whenever the home page is shown.
    """

    name: str
    prefix: str
    routes: Callable[[World], Sequence[BaseRoute]]
    journalled_paths: Sequence[JournalledPath] = ()
    links: Callable[[World], Sequence[Link]] = field(default=lambda world: ())
    build_error: Callable[[str, int], ErrorBody] | None = None
    on_fault: Callable[[World, FaultedCall], None] | None = None
    lifespan: Callable[[World], AbstractAsyncContextManager[None]] | None = None
