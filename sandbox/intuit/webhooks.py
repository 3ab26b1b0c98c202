"""Sending what changed to the app's one endpoint: many companies in one POST, signed, tried again when refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from sandbox.core.http_client import post_in_thread
from sandbox.core.world import World
from sandbox.intuit.change_events import SECTION, build_section
from sandbox.intuit.identity import IntuitIdentity

Record = dict[str, Any]
RETRY_DELAYS = (20, 30, 50, 1200, 1800, 3000)
REORDER_TIMEOUT = 5.0
MAX_DELIVERIES = 500


def build_signature(token: str, body: str) -> str:
    """The `intuit-signature` header."""
    return base64.b64encode(hmac.new(token.encode(), body.encode(), hashlib.sha256).digest()).decode()


def set_endpoint(world: World, endpoint: Record | None) -> None:
    """Send to this address from now on, signed with this token; None sends nowhere. Raises ValueError."""
    if endpoint is not None and not (endpoint.get("url") and endpoint.get("token")):
        raise ValueError("a webhook needs url and token")
    world.get_section(SECTION, build_section)["endpoint"] = endpoint


def send_due(world: World) -> None:
    """Make deliveries of what waits, and start sending whatever is due by the sandbox's clock."""
    section = world.get_section(SECTION, build_section)
    if section["waiting"]:
        events, section["waiting"] = section["waiting"], []
        create_deliveries(world, section, [event for event in events if is_connected_event(world, event)])
    now = world.now().timestamp()
    for delivery in list(section["deliveries"]):
        if delivery["state"] == "pending" and delivery["due"] <= now:
            delivery["state"] = "sending"
            world.run_in_background(send(world, delivery))


def is_connected_event(world: World, event: Record) -> bool:
    """Whether the app is connected to the company that the event is about."""
    return IntuitIdentity(world).is_connected(event["intuitaccountid"])


def create_deliveries(world: World, section: Record, events: list[Record]) -> None:
    """One delivery of them all, but for those that ordered faults lose, repeat, hold back or let be overtaken."""
    together: list[Record] = []
    for event in events:
        kind, now = event["type"], world.now().timestamp()
        if world.faults.find_webhook_fault("quickbooks", "webhook_drop", kind):
            queue_delivery(section, [event], now, state="dropped")
        elif late := world.faults.find_webhook_fault("quickbooks", "webhook_delay", kind):
            queue_delivery(section, [event], now + late.pause)
        elif world.faults.find_webhook_fault("quickbooks", "webhook_reorder", kind):
            queue_delivery(section, [event], now + REORDER_TIMEOUT, behind=True)
        else:
            together.append(event)
        if world.faults.find_webhook_fault("quickbooks", "webhook_duplicate", kind):
            queue_delivery(section, [event], now)
    if together:
        queue_delivery(section, together, world.now().timestamp())


def queue_delivery(
    section: Record, events: list[Record], due: float, *, state: str = "pending", behind: bool = False
) -> None:
    """Put a delivery on the list."""
    delivery = {"events": events, "state": state, "due": due, "behind": behind, "attempts": 0, "status": None}
    section["deliveries"].append(delivery)
    del section["deliveries"][:-MAX_DELIVERIES]


async def send(world: World, delivery: Record) -> None:
    """One attempt; writes down how it went and when to try again."""
    endpoint = world.get_section(SECTION, build_section)["endpoint"]
    if endpoint is None:
        delivery["state"] = "dropped"
        return
    body = json.dumps(delivery["events"])
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "intuit_notification_server/1.0",
        "intuit-created-time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "intuit-notification-schema-version": "1.0",
        "intuit-signature": build_signature(endpoint["token"], body),
    }
    status, _ = await post_in_thread(endpoint["url"], body, headers)
    record_delivery_result(world, delivery, status)


def record_delivery_result(world: World, delivery: Record, status: int | None) -> None:
    """Note an attempt's result."""
    delivery["attempts"] += 1
    delivery["status"] = status
    now = world.now().timestamp()
    if status is not None and 200 <= status < 300:
        delivery["state"] = "delivered"
        for other in world.get_section(SECTION, build_section)["deliveries"]:
            if other["behind"] and other["state"] == "pending":
                other |= {"behind": False, "due": now}
    elif delivery["attempts"] > len(RETRY_DELAYS):
        delivery["state"] = "failed"
    else:
        delivery |= {"state": "pending", "due": now + RETRY_DELAYS[delivery["attempts"] - 1]}
    world.mark_changed()


def reset_interrupted(world: World) -> None:
    """After a restart nobody is sending any more: what was under way is due again."""
    for delivery in world.get_section(SECTION, build_section)["deliveries"]:
        if delivery["state"] == "sending":
            delivery["state"] = "pending"
