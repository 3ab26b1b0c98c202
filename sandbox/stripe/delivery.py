"""Sending queued webhooks, signed, retried with pauses for three days."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import threading
import time
from typing import Any

import requests

from sandbox.stripe.accounts import Account, every_account
from sandbox.world import World

Obj = dict[str, Any]
PAUSES = (2, 15, 60, 300, 1800, 7200, 18000, 36000, 43200, 43200, 43200, 43200)
GIVE_UP = 3 * 86400
TIMEOUT = (3, 10)


def sign(secret: str, body: str, at: int) -> str:
    """The `Stripe-Signature` header."""
    mac = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def send_due(world: World) -> None:
    """Start sending whatever is due by the sandbox's clock."""
    now = world.now().timestamp()
    for account in every_account(world):
        for delivery in list(account.data["deliveries"].values()):
            if delivery["state"] == "pending" and delivery["due"] <= now:
                delivery["state"] = "sending"
                world.spawn(send(account, delivery))


def resume(world: World) -> None:
    """After a restart nobody is sending any more: what was under way is due again."""
    for account in every_account(world):
        for delivery in account.data["deliveries"].values():
            if delivery["state"] == "sending":
                delivery["state"] = "pending"


async def send(account: Account, delivery: Obj) -> None:
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
        "Stripe-Signature": sign(account.private(endpoint["id"])["secret"], body, int(time.time())),
    }
    status, error = await in_thread(endpoint["url"], body, headers)
    settle(account, delivery, event, status, error)


async def in_thread(url: str, body: str, headers: dict[str, str]) -> tuple[int | None, str | None]:
    """POST from a daemon thread, so that a silent receiver can hold up neither the loop nor the end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[int | None, str | None]] = loop.create_future()

    def finish(result: tuple[int | None, str | None]) -> None:
        if not done.done():
            done.set_result(result)

    def work() -> None:
        result = post(url, body, headers)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, result)

    threading.Thread(target=work, daemon=True, name="webhook").start()
    return await done


def post(url: str, body: str, headers: dict[str, str]) -> tuple[int | None, str | None]:
    """The receiver's status, or why there is none. Redirects count as failures."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(url, data=body.encode(), headers=headers, timeout=TIMEOUT, allow_redirects=False)
            return answer.status_code, None
    except requests.RequestException as error:
        return None, type(error).__name__


def settle(account: Account, delivery: Obj, event: Obj, status: int | None, error: str | None) -> None:
    """Note an attempt's result."""
    now = account.world.now().timestamp()
    delivery["attempts"] += 1
    delivery |= {"status": status, "error": error, "at": now}
    if status is not None and 200 <= status < 300:
        delivery["state"] = "delivered"
        event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
        release(account, delivery)
    elif delivery["attempts"] > len(PAUSES) or now - delivery["first_due"] > GIVE_UP:
        delivery["state"] = "failed"
    else:
        delivery |= {"state": "pending", "due": now + PAUSES[delivery["attempts"] - 1]}
    account.world.changed()


def release(account: Account, arrived: Obj) -> None:
    """Let go of deliveries that were held back so that a later one could overtake them."""
    for delivery in account.data["deliveries"].values():
        behind = delivery.get("behind") and delivery["state"] == "pending"
        if behind and delivery["endpoint"] == arrived["endpoint"] and delivery is not arrived:
            delivery |= {"behind": False, "due": account.world.now().timestamp()}
