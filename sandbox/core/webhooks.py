"""What every vendor's webhooks share: POSTs that wait for their time, are sent once, and are tried again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from sandbox.core.world import World

Record = dict[str, Any]


def sign_base64(key: str, body: str) -> str:
    """The HMAC-SHA256 of a body in base64."""
    return base64.b64encode(hmac.new(key.encode(), body.encode(), hashlib.sha256).digest()).decode()


def claim_due(deliveries: Iterable[Record], now: float) -> list[Record]:
    """Mark every pending delivery that is due as being sent, and list them."""
    due = [delivery for delivery in deliveries if delivery["state"] == "pending" and delivery["due"] <= now]
    for delivery in due:
        delivery["state"] = "sending"
    return due


def reset_sending(deliveries: Iterable[Record]) -> None:
    """Make deliveries that a restart interrupted pending again."""
    for delivery in deliveries:
        if delivery["state"] == "sending":
            delivery["state"] = "pending"


def schedule_retry(
    delivery: Record, attempts: int, now: float, delays: Sequence[int], *, expired: bool = False
) -> None:
    """Let a delivery that failed `attempts` times wait for its next attempt, or end it as failed."""
    if expired or attempts > len(delays):
        delivery["state"] = "failed"
    else:
        delivery |= {"state": "pending", "due": now + delays[attempts - 1]}


def release_overtaken(deliveries: Iterable[Record], now: float) -> None:
    """Send deliveries now that waited for a later one to overtake them."""
    for delivery in deliveries:
        if delivery.get("behind") and delivery.get("state", "pending") == "pending":
            delivery |= {"behind": False, "due": now}


def build_webhook_lifespan(
    reset_interrupted: Callable[[World], None], *timers: Callable[[World], None]
) -> Callable[[World], AbstractAsyncContextManager[None]]:
    """A service's lifespan: take up deliveries where a restart interrupted them, then run the timers."""

    @asynccontextmanager
    async def lifespan(world: World) -> AsyncIterator[None]:
        reset_interrupted(world)
        for timer in timers:
            world.on_tick(partial(timer, world))
        yield

    return lifespan
