"""What changed in the books: noted for whoever listens, until the webhooks are sent."""

from __future__ import annotations

import uuid
from datetime import UTC
from typing import Any, NamedTuple

from sandbox.world import World

SECTION = "intuit_webhooks"
MOST = 5_000


class Change(NamedTuple):
    """One object that was created, updated, voided or deleted."""

    entity: str
    key: str
    act: str


def empty() -> dict[str, Any]:
    """The section of a new world."""
    return {"endpoint": None, "waiting": [], "deliveries": []}


def note(world: World, realm: str, change: Change) -> None:
    """Write an event, unless nobody listens."""
    section = world.section(SECTION, empty)
    if section["endpoint"] is None:
        return
    section["waiting"].append(event(world, realm, change))
    del section["waiting"][:-MOST]


def event(world: World, realm: str, change: Change) -> dict[str, Any]:
    """A CloudEvent; it names the object and says nothing about it."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "intuit.practice",
        "type": f"qbo.{change.entity.lower()}.{change.act}.v1",
        "datacontenttype": "application/json",
        "time": world.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "intuitentityid": change.key,
        "intuitaccountid": realm,
        "data": {},
    }
