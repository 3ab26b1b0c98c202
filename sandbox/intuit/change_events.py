"""What changed in the books: recorded until the webhooks are sent."""

from __future__ import annotations

import uuid
from datetime import UTC
from typing import Any, NamedTuple

from sandbox.core.world import World

SECTION = "intuit_webhooks"
MAX_EVENTS = 5_000


class ObjectChange(NamedTuple):
    """One object that was created, updated, voided, deleted, or into which `merged` was merged."""

    entity: str
    key: str
    act: str
    merged: str = ""


def build_section() -> dict[str, Any]:
    """The section of a new world."""
    return {"endpoint": None, "waiting": [], "deliveries": []}


def record_change(world: World, realm: str, change: ObjectChange) -> None:
    """Record an event, if the app has an endpoint."""
    section = world.get_section(SECTION, build_section)
    if section["endpoint"] is None:
        return
    section["waiting"].append(build_event(world, realm, change))
    del section["waiting"][:-MAX_EVENTS]


def build_event(world: World, realm: str, change: ObjectChange) -> dict[str, Any]:
    """A CloudEvent; it names the object and carries none of its fields."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "intuit.practice",
        "type": f"qbo.{change.entity.lower()}.{change.act}.v1",
        "datacontenttype": "application/json",
        "time": world.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "intuitentityid": change.key,
        "intuitaccountid": realm,
        "data": {"deletedid": change.merged} if change.merged else {},
    }
