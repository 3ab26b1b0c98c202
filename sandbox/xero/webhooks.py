"""Webhooks of the practice Xero: subscriptions, thin events, signatures, the intent-to-receive check, retries."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from datetime import datetime
from typing import Any

from sandbox.core.http_client import post_in_thread
from sandbox.core.webhooks import claim_due, release_overtaken, reset_sending, schedule_retry, sign_base64
from sandbox.core.world import World
from sandbox.xero.identity import XeroIdentity
from sandbox.xero.organisation import Organisation, Record

SECTION = "xero_webhooks"
CATEGORIES = {
    "contacts": ("CONTACT", "Contacts"),
    "invoices": ("INVOICE", "Invoices"),
    "credit_notes": ("CREDITNOTE", "CreditNotes"),
}
RETRY_DELAYS = (2, 10, 60, 300, 1800, 3600, 7200, 14400, 28800, 28800)
RETRY_WINDOW = 86_400
REQUEST_TIMEOUT = (3.0, 5.0)
REORDER_TIMEOUT = 5.0
MAX_EVENTS_PER_POST = 100
MAX_DELIVERIES = 500
MAX_ATTEMPTS = 20


def get_apps(world: World) -> dict[str, Record]:
    """Every app that subscribed to events, by client id."""
    return world.get_section(SECTION)


def subscribe(world: World, order: Record) -> None:
    """Subscribe an app, once its receiver proves that it checks signatures; without `url` unsubscribe it."""
    client = str(order.get("client", "sandbox-client"))
    if not order.get("url"):
        get_apps(world).pop(client, None)
        return
    known = get_apps(world).get(client, {})
    get_apps(world)[client] = {
        "url": str(order["url"]),
        "key": str(order["key"]),
        "events": [str(each) for each in order.get("events", [name for name, _ in CATEGORIES.values()])],
        "state": "ok" if order.get("unchecked") else "pending",
        "tries": 0,
        "due": 0.0,
        "sequence": known.get("sequence", 0),
        "waiting": [],
        "posts": [],
    }


def publish_changes(org: Organisation) -> None:
    """Everything that was written since the last time is final: create an event for each app that may see it."""
    written = [(kind, key, is_new) for kind, key, is_new in org.commit() if kind in CATEGORIES]
    if not written:
        return
    for client, app in get_apps(org.world).items():
        if app["state"] != "ok" or not is_connected(org, client):
            continue
        for kind, key, is_new in written:
            if CATEGORIES[kind][0] in app["events"]:
                queue_event(org, app, build_event(org, kind, key, is_new=is_new))
    org.world.mark_changed()


def is_connected(org: Organisation, client: str) -> bool:
    """Whether this app was given access to the organisation."""
    rows = XeroIdentity(org.world).state["connections"].values()
    return any(row["client"] == client and row["tenantId"] == org.id for row in rows)


def build_event(org: Organisation, kind: str, key: str, *, is_new: bool) -> Record:
    """A thin event: what changed, where and when, and of a credit note its type and status."""
    category, plural = CATEGORIES[kind]
    row = org.table(kind)[key]
    found: Record = {
        "resourceUrl": f"{org.world.url}/xero/api.xro/2.0/{plural}/{key}",
        "resourceId": key,
        "tenantId": org.id,
        "tenantType": "ORGANISATION",
        "eventCategory": category,
        "eventType": "CREATE" if is_new else "UPDATE",
        "eventDateUtc": datetime.fromisoformat(row["UpdatedDateUTC"]).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
    }
    if kind == "credit_notes":
        found["data"] = {"Type": row["Type"], "Status": row["Status"]}
    return found


def queue_event(org: Organisation, app: Record, event: Record) -> None:
    """Queue an event for the app, as the ordered webhook faults demand."""
    faults, name = org.world.faults, event["eventCategory"]
    if faults.find_webhook_fault("xero", "webhook_drop", name):
        return
    due = org.world.now().timestamp()
    if late := faults.find_webhook_fault("xero", "webhook_delay", name):
        due += late.pause
    is_behind = bool(faults.find_webhook_fault("xero", "webhook_reorder", name))
    copies = 2 if faults.find_webhook_fault("xero", "webhook_duplicate", name) else 1
    for _ in range(copies):
        later = REORDER_TIMEOUT if is_behind else 0.0
        app["waiting"].append({"event": event, "due": due + later, "behind": is_behind})


def send_due(world: World) -> None:
    """Bundle what is due into one POST an app, and start sending every POST that is due."""
    now = world.now().timestamp()
    for app in get_apps(world).values():
        if app["state"] == "pending" and app["due"] <= now:
            app["state"] = "checking"
            world.run_in_background(verify_receiver(world, app))
        create_posts(app, now)
        for post in claim_due(app["posts"], now):
            world.run_in_background(send(world, app, post))


def create_posts(app: Record, now: float) -> None:
    """Make POSTs of the events that are due, in order, of all organisations together."""
    due = [each for each in app["waiting"] if each["due"] <= now]
    app["waiting"] = [each for each in app["waiting"] if each["due"] > now]
    for begin in range(0, len(due), MAX_EVENTS_PER_POST):
        events = [each["event"] for each in due[begin : begin + MAX_EVENTS_PER_POST]]
        app["posts"].append({"body": build_body(app, events), "state": "pending", "due": now, "first": now, "tries": 0})
    del app["posts"][: max(0, len(app["posts"]) - MAX_DELIVERIES)]


def build_body(app: Record, events: list[Record]) -> str:
    """The POST's body; the sequence goes on over all of them."""
    first = app["sequence"] + 1 if events else 0
    app["sequence"] += len(events)
    last = app["sequence"] if events else 0
    entropy = base64.b32encode(hashlib.sha256(f"{app['key']}{last}".encode()).digest()[:12]).decode().rstrip("=")
    return json.dumps({"events": events, "firstEventSequence": first, "lastEventSequence": last, "entropy": entropy})


def build_headers(key: str, body: str) -> dict[str, str]:
    """What a POST carries."""
    return {"Content-Type": "application/json; charset=utf-8", "x-xero-signature": sign_base64(key, body)}


async def verify_receiver(world: World, app: Record) -> None:
    """The intent-to-receive check: good signatures get 200, bad ones 401, or the subscription fails."""
    body = build_body(app, [])
    keys = [app["key"], f"not {app['key']}", app["key"], f"{app['key']}!"]
    answers = await asyncio.gather(
        *(post_in_thread(app["url"], body, build_headers(key, body), REQUEST_TIMEOUT) for key in keys)
    )
    app["tries"] += 1
    if [status for status, _ in answers] == [200, 401, 200, 401]:
        app["state"] = "ok"
    else:
        app |= {"state": "pending", "due": world.now().timestamp() + 1}
        if app["tries"] >= MAX_ATTEMPTS:
            app |= {"state": "failed", "answers": [list(each) for each in answers]}
    world.mark_changed()


async def send(world: World, app: Record, post: Record) -> None:
    """One attempt; anything but 200 within the time is tried again for a day."""
    status, error = await post_in_thread(
        app["url"], post["body"], build_headers(app["key"], post["body"]), REQUEST_TIMEOUT
    )
    now = world.now().timestamp()
    post |= {"status": status, "error": error, "tries": post["tries"] + 1}
    if status == 200:
        post["state"] = "delivered"
        release_overtaken(app["waiting"], now)
    else:
        schedule_retry(post, post["tries"], now, RETRY_DELAYS, expired=now - post["first"] > RETRY_WINDOW)
    world.mark_changed()


def reset_interrupted(world: World) -> None:
    """Make checks and deliveries that a restart interrupted pending again."""
    for app in get_apps(world).values():
        app["state"] = {"checking": "pending"}.get(app["state"], app["state"])
        reset_sending(app["posts"])


def list_subscriptions(world: World) -> list[dict[str, Any]]:
    """Each app's subscription and how many of its events wait, for people."""
    return [
        {
            "client": client,
            "url": app["url"],
            "state": app["state"],
            "waiting": len(app["waiting"]) + sum(post["state"] in ("pending", "sending") for post in app["posts"]),
            "delivered": sum(post["state"] == "delivered" for post in app["posts"]),
        }
        for client, app in get_apps(world).items()
    ]
