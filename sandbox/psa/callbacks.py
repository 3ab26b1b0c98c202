"""Callbacks: registered through the API, signed with a key that the message names, tried again, switched off."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from sandbox.core.http_client import post_in_thread
from sandbox.core.webhooks import claim_due, reset_sending
from sandbox.core.world import World
from sandbox.psa.errors import build_invalid
from sandbox.psa.tenant import Record, Tenant, list_tenants

LEVELS = {
    "agreement": ("owner", "type", "company", "agreement"),
    "company": ("owner", "status", "type", "territory", "company", "integratortag"),
    "contact": ("owner", "type", "territory", "company", "contact"),
    "invoice": ("owner", "status", "company", "invoice"),
    "opportunity": ("owner", "statusid", "company", "opportunity"),
    "ticket": ("owner", "board", "project", "phase", "status", "ticket", "integratortag"),
}
RETRIED = (404, 409, 419, 429)
RETRY_DELAYS = (2, 4)
REQUEST_TIMEOUT = (3.0, 5.0)
DAYS_UNTIL_OFF = 3
MOST_DELIVERIES = 500


def create_callback(tenant: Tenant, sent: Record, *, member: Record) -> Record:
    """Register a callback. Raises RefusedError (400)."""
    kind, level = str(sent.get("type", "")).lower(), str(sent.get("level", "")).lower()
    if kind not in LEVELS:
        raise build_invalid("callback", "type", "InvalidType", f"{kind!r} is no type of callbacks")
    if level not in LEVELS[kind]:
        raise build_invalid("callback", "level", "InvalidLevel", f"{level!r} is no level of {kind}")
    if not str(sent.get("url", "")).startswith(("http://", "https://")) or sent.get("objectId") is None:
        raise build_invalid("callback", "url", "MissingField", "url and objectId are required")
    if len(str(sent.get("description") or "")) > 100:
        raise build_invalid("callback", "description", "StringTooLong", "description may have 100 characters")
    own: Record = {
        "memberId": member["id"],
        "inactiveFlag": False,
        "payloadVersion": "3.0.0",
        "isSoapCallbackFlag": False,
    }
    fields: Record = {name: sent[name] for name in ("description", "url", "objectId", "type", "level") if name in sent}
    return tenant.insert("callbacks", {**fields, **own}, by=member["identifier"])


def publish_change(tenant: Tenant, kind: str, key: int, action: str, entity: Record | None) -> None:
    """Queue a message for every callback that listens to this kind, as the ordered webhook faults demand."""
    faults, now = tenant.world.faults, tenant.world.now().timestamp()
    for entry in tenant.table("callbacks").values():
        if str(entry["type"]).lower() != kind or entry.get("inactiveFlag"):
            continue
        if faults.find_webhook_fault("psa", "webhook_drop", kind):
            continue
        late = faults.find_webhook_fault("psa", "webhook_delay", kind)
        copies = 2 if faults.find_webhook_fault("psa", "webhook_duplicate", kind) else 1
        message = {"callback": entry["id"], "url": f"{entry['url']}{key}&action={action}", "state": "pending"}
        message["body"] = build_body(tenant, kind, key, action, entity)
        message |= {"due": now + (late.pause if late else 0.0), "tries": 0, "first": now}
        tenant.data["deliveries"] += [dict(message) for _ in range(copies)]
    del tenant.data["deliveries"][:-MOST_DELIVERIES]


def build_body(tenant: Tenant, kind: str, key: int, action: str, entity: Record | None) -> str:
    """A message; the address of the key to check it by stands in itself."""
    address = tenant.data.get("key_url") or f"{tenant.world.url}/psa/callback-keys/{tenant.data['login']}"
    return json.dumps(
        {
            "ID": key,
            "Action": action,
            "Type": kind,
            "Entity": json.dumps(entity) if entity is not None else None,
            "CompanyId": tenant.data["login"],
            "MemberId": "zAdmin",
            "FromUrl": "psa.practice.example",
            "Metadata": {"key_url": address},
        }
    )


def sign_body(key: str, body: str) -> str:
    """The signature: HMAC-SHA256 whose key is the SHA-256 of the signing key, in base64."""
    digest = hashlib.sha256(key.encode()).digest()
    return base64.b64encode(hmac.new(digest, body.encode(), hashlib.sha256).digest()).decode()


def send_due(world: World) -> None:
    """Start sending every message that is due."""
    now = world.now().timestamp()
    for tenant in list_tenants(world):
        for delivery in claim_due(tenant.data["deliveries"], now):
            world.run_in_background(send(tenant, delivery))


async def send(tenant: Tenant, delivery: Record) -> None:
    """One attempt. Our refusals are tried again soon; a 500 and silence are not."""
    key = tenant.data["key"] if not delivery.get("is_forged") else "somebody-else"
    headers = {"Content-Type": "application/json", "x-content-signature": sign_body(key, delivery["body"])}
    status, error = await post_in_thread(delivery["url"], delivery["body"], headers, REQUEST_TIMEOUT)
    now = tenant.world.now()
    delivery |= {"status": status, "error": error, "tries": delivery["tries"] + 1}
    if status is not None and 200 <= status < 300:
        delivery["state"] = "delivered"
        record_success(tenant, delivery["callback"])
    elif status in RETRIED and delivery["tries"] <= len(RETRY_DELAYS):
        delivery |= {"state": "pending", "due": now.timestamp() + RETRY_DELAYS[delivery["tries"] - 1]}
    else:
        delivery["state"] = "failed"
        record_failure(tenant, delivery["callback"], now)
    tenant.world.mark_changed()


def record_success(tenant: Tenant, key: int) -> None:
    """A callback works: its days of failures count anew."""
    if (entry := tenant.get("callbacks", key)) is not None:
        entry.pop("failed_on", None)


def record_failure(tenant: Tenant, key: int, now: datetime) -> None:
    """A callback failed; on the third day running it is switched off."""
    entry = tenant.get("callbacks", key)
    if entry is None:
        return
    days: list[str] = entry.setdefault("failed_on", [])
    if now.date().isoformat() not in days:
        days.append(now.date().isoformat())
    entry["inactiveFlag"] = len(days) >= DAYS_UNTIL_OFF


def render_callback(entry: Record) -> Record:
    """A callback as the API answers it."""
    return {name: value for name, value in entry.items() if name != "failed_on"}


def reset_interrupted(world: World) -> None:
    """Make messages that a restart interrupted pending again."""
    for tenant in list_tenants(world):
        reset_sending(tenant.data["deliveries"])


def queue_forged(tenant: Tenant, order: dict[str, Any]) -> None:
    """Send a callback that somebody else signed, or that names a foreign address of the key."""
    for entry in tenant.table("callbacks").values():
        body = json.loads(build_body(tenant, str(entry["type"]).lower(), int(order.get("id", 1)), "updated", None))
        if "key_url" in order:
            body["Metadata"]["key_url"] = order["key_url"]
        now = tenant.world.now().timestamp()
        tenant.data["deliveries"].append(
            {
                "callback": entry["id"],
                "url": f"{entry['url']}1&action=updated",
                "state": "pending",
                "body": json.dumps(body),
                "due": now,
                "first": now,
                "tries": 0,
                "is_forged": "key_url" not in order,
            }
        )
