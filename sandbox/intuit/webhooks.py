"""Sending what changed to the app's one endpoint: many companies in one POST, signed, tried again when refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from sandbox.intuit.identity import Identity
from sandbox.intuit.news import SECTION, empty
from sandbox.outgoing import in_thread
from sandbox.world import World

Record = dict[str, Any]
PAUSES = (20, 30, 50, 1200, 1800, 3000)
REORDER_PATIENCE = 5.0
KEPT = 500


def sign(token: str, body: str) -> str:
    """The `intuit-signature` header."""
    return base64.b64encode(hmac.new(token.encode(), body.encode(), hashlib.sha256).digest()).decode()


def listen(world: World, endpoint: Record | None) -> None:
    """Send to this address from now on, signed with this token; None sends nowhere. Raises ValueError."""
    if endpoint is not None and not (endpoint.get("url") and endpoint.get("token")):
        raise ValueError("a webhook needs url and token")
    world.section(SECTION, empty)["endpoint"] = endpoint


def send_due(world: World) -> None:
    """Make deliveries of what waits, and start sending whatever is due by the sandbox's clock."""
    section = world.section(SECTION, empty)
    if section["waiting"]:
        events, section["waiting"] = section["waiting"], []
        lay_out(world, section, [event for event in events if is_heard(world, event)])
    now = world.now().timestamp()
    for delivery in list(section["deliveries"]):
        if delivery["state"] == "pending" and delivery["due"] <= now:
            delivery["state"] = "sending"
            world.spawn(send(world, delivery))


def is_heard(world: World, event: Record) -> bool:
    """Whether the app is connected to the company that the event is about."""
    return Identity(world).is_connected(event["intuitaccountid"])


def lay_out(world: World, section: Record, events: list[Record]) -> None:
    """One delivery of them all, but for those that ordered faults lose, repeat, hold back or let be overtaken."""
    together: list[Record] = []
    for event in events:
        kind, now = event["type"], world.now().timestamp()
        if world.faults.webhook("quickbooks", "webhook_drop", kind):
            queue(section, [event], now, state="dropped")
        elif late := world.faults.webhook("quickbooks", "webhook_delay", kind):
            queue(section, [event], now + late.pause)
        elif world.faults.webhook("quickbooks", "webhook_reorder", kind):
            queue(section, [event], now + REORDER_PATIENCE, behind=True)
        else:
            together.append(event)
        if world.faults.webhook("quickbooks", "webhook_duplicate", kind):
            queue(section, [event], now)
    if together:
        queue(section, together, world.now().timestamp())


def queue(section: Record, events: list[Record], due: float, *, state: str = "pending", behind: bool = False) -> None:
    """Put a delivery on the list."""
    delivery = {"events": events, "state": state, "due": due, "behind": behind, "attempts": 0, "status": None}
    section["deliveries"].append(delivery)
    del section["deliveries"][:-KEPT]


async def send(world: World, delivery: Record) -> None:
    """One attempt; writes down how it went and when to try again."""
    endpoint = world.section(SECTION, empty)["endpoint"]
    if endpoint is None:
        delivery["state"] = "dropped"
        return
    body = json.dumps(delivery["events"])
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "intuit_notification_server/1.0",
        "intuit-created-time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "intuit-notification-schema-version": "1.0",
        "intuit-signature": sign(endpoint["token"], body),
    }
    status, _ = await in_thread(endpoint["url"], body, headers)
    settle(world, delivery, status)


def settle(world: World, delivery: Record, status: int | None) -> None:
    """Note an attempt's result."""
    delivery["attempts"] += 1
    delivery["status"] = status
    now = world.now().timestamp()
    if status is not None and 200 <= status < 300:
        delivery["state"] = "delivered"
        for other in world.section(SECTION, empty)["deliveries"]:
            if other["behind"] and other["state"] == "pending":
                other |= {"behind": False, "due": now}
    elif delivery["attempts"] > len(PAUSES):
        delivery["state"] = "failed"
    else:
        delivery |= {"state": "pending", "due": now + PAUSES[delivery["attempts"] - 1]}
    world.changed()


def resume(world: World) -> None:
    """After a restart nobody is sending any more: what was under way is due again."""
    for delivery in world.section(SECTION, empty)["deliveries"]:
        if delivery["state"] == "sending":
            delivery["state"] = "pending"
