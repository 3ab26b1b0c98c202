"""Sending queued webhooks, signed, retried with pauses for three days."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from sandbox.core.http_client import post_in_thread
from sandbox.core.world import World
from sandbox.stripe.accounts import StripeAccount, list_accounts

Obj = dict[str, Any]
RETRY_DELAYS = (2, 15, 60, 300, 1800, 7200, 18000, 36000, 43200, 43200, 43200, 43200)
RETRY_WINDOW = 3 * 86400


def build_signature_header(secret: str, body: str, at: int) -> str:
    """The `Stripe-Signature` header."""
    mac = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def send_due(world: World) -> None:
    """Start sending whatever is due by the sandbox's clock."""
    now = world.now().timestamp()
    for account in list_accounts(world):
        for delivery in list(account.data["deliveries"].values()):
            if delivery["state"] == "pending" and delivery["due"] <= now:
                delivery["state"] = "sending"
                world.run_in_background(send(account, delivery))


def reset_interrupted(world: World) -> None:
    """After a restart nobody is sending any more: what was under way is due again."""
    for account in list_accounts(world):
        for delivery in account.data["deliveries"].values():
            if delivery["state"] == "sending":
                delivery["state"] = "pending"


async def send(account: StripeAccount, delivery: Obj) -> None:
    """One attempt; writes down how it went and when to try again."""
    event = account.table("event").get(delivery["event"])
    endpoint = account.table("webhook_endpoint").get(delivery["endpoint"])
    if event is None or endpoint is None:
        delivery["state"] = "dropped"
        return
    body = json.dumps(event, indent=2)
    # The signature carries real time: receivers compare it with their own clock, which nobody moves.
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (practice)",
        "Stripe-Signature": build_signature_header(
            account.private_data(endpoint["id"])["secret"], body, int(time.time())
        ),
    }
    status, error = await post_in_thread(endpoint["url"], body, headers)
    record_delivery_result(account, delivery, event, status, error)


def record_delivery_result(
    account: StripeAccount, delivery: Obj, event: Obj, status: int | None, error: str | None
) -> None:
    """Note an attempt's result."""
    now = account.world.now().timestamp()
    delivery["attempts"] += 1
    delivery |= {"status": status, "error": error, "at": now}
    if status is not None and 200 <= status < 300:
        delivery["state"] = "delivered"
        event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
        release_held_deliveries(account, delivery)
    elif delivery["attempts"] > len(RETRY_DELAYS) or now - delivery["first_due"] > RETRY_WINDOW:
        delivery["state"] = "failed"
    else:
        delivery |= {"state": "pending", "due": now + RETRY_DELAYS[delivery["attempts"] - 1]}
    account.world.mark_changed()


def release_held_deliveries(account: StripeAccount, arrived: Obj) -> None:
    """Let go of deliveries that were held back so that a later one could overtake them."""
    for delivery in account.data["deliveries"].values():
        behind = delivery.get("behind") and delivery["state"] == "pending"
        if behind and delivery["endpoint"] == arrived["endpoint"] and delivery is not arrived:
            delivery |= {"behind": False, "due": account.world.now().timestamp()}
