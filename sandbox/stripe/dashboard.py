"""The practice dashboard: what was paid, what was said about it, and who heard."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sandbox.pages import page
from sandbox.stripe.accounts import Account, every_account
from sandbox.stripe.disputes import OVER, standing_against
from sandbox.stripe.events import deliver_later
from sandbox.stripe.money import amount_text
from sandbox.world import World

Obj = dict[str, Any]
MOST = 50
TONES = {
    "succeeded": "good",
    "delivered": "good",
    "canceled": "",
    "processing": "warn",
    "requires_action": "warn",
    "pending": "warn",
    "sending": "warn",
    "failed": "bad",
    "dropped": "bad",
}


def dashboard(world: World, chosen: str | None, *, problem: str = "") -> Response:
    """One account's page; without a choice the account that was busy last."""
    accounts = sorted(every_account(world), key=busy, reverse=True)
    account = next((item for item in accounts if item.id == chosen), accounts[0] if accounts else None)
    return page(
        "stripe/dashboard.html",
        accounts=[{"id": item.id, "key": item.publishable_key} for item in accounts],
        account=account,
        problem=problem,
        saved=[method_line(item) for item in newest(account, "payment_method") if item["customer"]],
        intents=[intent_line(account, item) for item in newest(account, "payment_intent")],
        events=[event_line(account, item) for item in newest(account, "event")],
        endpoints=list(account.table("webhook_endpoint").values()) if account else [],
    )


def busy(account: Account) -> int:
    """When an account last did anything."""
    return max(int(item["created"]) for item in (account.data, *account.table("event").values()))


def newest(account: Account | None, kind: str) -> list[Obj]:
    """The newest objects of a kind."""
    return list(islice(reversed(account.table(kind).values()), MOST)) if account else []


def intent_line(account: Account | None, intent: Obj) -> Obj:
    """A line of the list of payments."""
    error = intent["last_payment_error"]
    charge = account.table("charge").get(intent["latest_charge"] or "") if account else None
    refunded = charge["amount_refunded"] if charge else 0
    paid = bool(charge and intent["status"] == "succeeded")
    left = charge["amount_captured"] - refunded if charge and paid else 0
    return {
        "left": left,
        "method": shown_method(charge["payment_method_details"]) if charge else "",
        "can_refund": left > 0 and not (account and charge and standing_against(account, charge)),
        "can_dispute": left > 0 and bool(charge and not charge["disputed"]),
        "refunds": [refund_line(item) for item in about(account, "refund", intent)],
        "disputes": [dispute_line(item) for item in about(account, "dispute", intent)],
        "id": intent["id"],
        "amount": amount_text(intent["amount"], intent["currency"]),
        "refunded": amount_text(refunded, intent["currency"]) if refunded else "",
        "disputed": bool(charge and charge["disputed"]),
        "status": intent["status"],
        "tone": TONES.get(intent["status"], ""),
        "error": error["message"] if error else "",
        "description": intent["description"] or "",
        "at": clock(intent["created"]),
    }


def about(account: Account | None, kind: str, intent: Obj) -> list[Obj]:
    """The refunds or disputes of a payment, oldest first."""
    found = account.table(kind).values() if account else []
    return [item for item in found if item["payment_intent"] == intent["id"]]


def refund_line(refund: Obj) -> Obj:
    """A line of a payment's refunds."""
    return {
        "id": refund["id"],
        "amount": amount_text(refund["amount"], refund["currency"]),
        "status": refund["status"],
        "tone": TONES.get(refund["status"], ""),
    }


def dispute_line(dispute: Obj) -> Obj:
    """A line of a payment's disputes."""
    return {
        "id": dispute["id"],
        "reason": dispute["reason"].replace("_", " "),
        "status": dispute["status"].replace("_", " "),
        "tone": {"won": "good", "lost": "bad"}.get(dispute["status"], "warn"),
        "open": dispute["status"] not in OVER,
        "lost": dispute["status"] == "lost",
        "answered": dispute["status"] == "under_review",
    }


def method_line(method: Obj) -> Obj:
    """A line of the list of saved methods."""
    return {
        "id": method["id"],
        "shown": shown_method(method),
        "card": method["type"] == "card",
        "customer": method["customer"],
        "name": method["billing_details"]["name"] or "",
    }


def shown_method(method: Obj) -> str:
    """A payment method in words: its kind or brand, and the last four."""
    details = method[method["type"]]
    words = details.get("brand") or str(method["type"]).replace("_", " ")
    expiry = f", {details['exp_month']:02}/{details['exp_year'] % 100:02}" if "exp_year" in details else ""
    return f"{words} ending {details['last4']}{expiry}"


def event_line(account: Account | None, event: Obj) -> Obj:
    """A line of the list of events, with its deliveries."""
    deliveries = account.data["deliveries"].values() if account else []
    return {
        "id": event["id"],
        "type": event["type"],
        "about": event["data"]["object"].get("id", ""),
        "at": clock(event["created"]),
        "deliveries": [
            {**item, "tone": TONES.get(item["state"], "")} for item in deliveries if item["event"] == event["id"]
        ],
    }


def clock(epoch: int) -> str:
    """An epoch second for people."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%d %b %H:%M:%S")


def resend(world: World, name: str) -> str:
    """Send an event again to every endpoint; returns the account's id, raises a 404."""
    for account in every_account(world):
        event = account.table("event").get(name)
        if event:
            now = world.now().timestamp()
            for endpoint in account.table("webhook_endpoint").values():
                deliver_later(account, event, endpoint, now)
            return account.id
    raise HTTPException(404, "No such event")
