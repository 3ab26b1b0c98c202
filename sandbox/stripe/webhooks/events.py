"""Events: what happened, stored for a while and delivered to webhook endpoints."""

from __future__ import annotations

import copy
from typing import Any

from sandbox.stripe import shapes_customers
from sandbox.stripe.accounts import StripeAccount

Obj = dict[str, Any]
REORDER_TIMEOUT = 5.0


def create_event(account: StripeAccount, kind: str, item: Obj, before: Obj | None = None) -> Obj:
    """Record that `kind` happened to `item` and queue it for the endpoints that enabled it."""
    request_id, key = account.cause
    event = shapes_customers.build_event(
        account.world.id("evt"),
        account.now(),
        kind,
        copy.deepcopy(item),
        {"id": request_id, "idempotency_key": key},
    )
    if before is not None:
        event["data"]["previous_attributes"] = before
    account.add(event)
    for endpoint in account.table("webhook_endpoint").values():
        if endpoint["status"] == "enabled" and is_enabled(endpoint["enabled_events"], kind):
            queue_deliveries(account, event, endpoint)
    return event


def is_enabled(enabled: list[str], kind: str) -> bool:
    """Whether one of the enabled events is this kind; `*` is every kind."""
    return "*" in enabled or kind in enabled


def queue_deliveries(account: StripeAccount, event: Obj, endpoint: Obj) -> None:
    """Queue deliveries, as the ordered webhook faults demand."""
    faults, kind = account.world.faults, event["type"]
    due = account.world.now().timestamp()
    state = "pending"
    if faults.find_webhook_fault("stripe", "webhook_drop", kind):
        state = "dropped"
    if late := faults.find_webhook_fault("stripe", "webhook_delay", kind):
        due += late.pause
    reordered = faults.find_webhook_fault("stripe", "webhook_reorder", kind)
    copies = 2 if faults.find_webhook_fault("stripe", "webhook_duplicate", kind) else 1
    for _ in range(copies):
        delivery = create_delivery(account, event, endpoint, due, state)
        if reordered:
            delivery |= {"behind": True, "due": due + REORDER_TIMEOUT}


def create_delivery(account: StripeAccount, event: Obj, endpoint: Obj, due: float, state: str = "pending") -> Obj:
    """One delivery of an event to an endpoint, due at an epoch second of the sandbox's clock."""
    delivery: Obj = {
        "id": account.world.id("dlv"),
        "event": event["id"],
        "type": event["type"],
        "endpoint": endpoint["id"],
        "url": endpoint["url"],
        "state": state,
        "due": due,
        "first_due": due,
        "attempts": 0,
        "status": None,
        "error": None,
    }
    deliveries: dict[str, Obj] = account.data["deliveries"]
    deliveries[delivery["id"]] = delivery
    if state == "pending":
        event["pending_webhooks"] += 1
    if len(deliveries) > 5_000:
        del deliveries[next(iter(deliveries))]
    account.world.mark_changed()
    return delivery
