"""Sending what changed to the app's one endpoint: many companies in one POST, signed, tried again when refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sandbox.core.http_client import post_in_thread
from sandbox.core.webhooks import claim_due, release_overtaken, reset_sending, schedule_retry, sign_base64
from sandbox.core.world import World
from sandbox.intuit.change_events import SECTION, build_section
from sandbox.intuit.identity import IntuitIdentity

Record = dict[str, Any]
RETRY_DELAYS = (20, 30, 50, 1200, 1800, 3000)
REORDER_TIMEOUT = 5.0
MAX_DELIVERIES = 500


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
    for delivery in claim_due(section["deliveries"], world.now().timestamp()):
        world.run_in_background(send(world, delivery))


def is_connected_event(world: World, event: Record) -> bool:
    """Whether the app is connected to the company that the event is about."""
    return IntuitIdentity(world).is_connected(event["intuitaccountid"])


def create_deliveries(world: World, section: Record, events: list[Record]) -> None:
    """One delivery of them all, but for those that ordered faults lose, repeat, hold back or let be overtaken."""
    batch: list[Record] = []
    for event in events:
        kind, now = event["type"], world.now().timestamp()
        if world.faults.find_webhook_fault("quickbooks", "webhook_drop", kind):
            queue_delivery(section, [event], now, state="dropped")
        elif late := world.faults.find_webhook_fault("quickbooks", "webhook_delay", kind):
            queue_delivery(section, [event], now + late.pause)
        elif world.faults.find_webhook_fault("quickbooks", "webhook_reorder", kind):
            queue_delivery(section, [event], now + REORDER_TIMEOUT, behind=True)
        else:
            batch.append(event)
        if world.faults.find_webhook_fault("quickbooks", "webhook_duplicate", kind):
            queue_delivery(section, [event], now)
    if batch:
        queue_delivery(section, batch, world.now().timestamp())


def queue_delivery(
    section: Record, events: list[Record], due: float, *, state: str = "pending", behind: bool = False
) -> None:
    """Put a delivery on the list."""
    delivery = {"events": events, "state": state, "due": due, "behind": behind, "attempts": 0, "status": None}
    section["deliveries"].append(delivery)
    del section["deliveries"][:-MAX_DELIVERIES]


async def send(world: World, delivery: Record) -> None:
    """Make one attempt to send a delivery."""
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
        "intuit-signature": sign_base64(endpoint["token"], body),
    }
    status, _ = await post_in_thread(endpoint["url"], body, headers)
    record_delivery_result(world, delivery, status)


def record_delivery_result(world: World, delivery: Record, status: int | None) -> None:
    """Save the result of an attempt, and when to try again."""
    delivery["attempts"] += 1
    delivery["status"] = status
    now = world.now().timestamp()
    if status is not None and 200 <= status < 300:
        delivery["state"] = "delivered"
        release_overtaken(world.get_section(SECTION, build_section)["deliveries"], now)
    else:
        schedule_retry(delivery, delivery["attempts"], now, RETRY_DELAYS)
    world.mark_changed()


def reset_interrupted(world: World) -> None:
    """Make deliveries that a restart interrupted pending again."""
    reset_sending(world.get_section(SECTION, build_section)["deliveries"])
