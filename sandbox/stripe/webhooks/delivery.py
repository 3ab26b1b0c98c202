"""Sending queued webhooks, signed, retried with pauses for three days."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from sandbox.core.http_client import post_in_thread
from sandbox.core.webhooks import claim_due, release_overtaken, reset_sending, schedule_retry
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
        for delivery in claim_due(account.data["deliveries"].values(), now):
            world.run_in_background(send(account, delivery))


def reset_interrupted(world: World) -> None:
    """Make deliveries that a restart interrupted pending again."""
    for account in list_accounts(world):
        reset_sending(account.data["deliveries"].values())


async def send(account: StripeAccount, delivery: Obj) -> None:
    """Make one attempt to send a delivery."""
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
    """Save the result of an attempt, and when to try again."""
    now = account.world.now().timestamp()
    delivery["attempts"] += 1
    delivery |= {"status": status, "error": error, "at": now}
    if status is not None and 200 <= status < 300:
        delivery["state"] = "delivered"
        event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
        endpoint = delivery["endpoint"]
        release_overtaken((each for each in account.data["deliveries"].values() if each["endpoint"] == endpoint), now)
    else:
        expired = now - delivery["first_due"] > RETRY_WINDOW
        schedule_retry(delivery, delivery["attempts"], now, RETRY_DELAYS, expired=expired)
    account.world.mark_changed()
