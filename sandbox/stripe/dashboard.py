"""The practice dashboard: payments, events and their deliveries."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sandbox.core.pages import render_page
from sandbox.core.world import World
from sandbox.stripe.accounts import StripeAccount, list_accounts
from sandbox.stripe.currencies import format_amount
from sandbox.stripe.payments.disputes import CLOSED_STATUSES, find_blocking_dispute
from sandbox.stripe.webhooks.events import create_delivery

Obj = dict[str, Any]
MAX_ROWS = 50
STATUS_STYLES = {
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


def render_dashboard(world: World, chosen: str | None, *, problem: str = "") -> Response:
    """One account's page; without a choice the account that was busy last."""
    accounts = sorted(list_accounts(world), key=get_last_activity, reverse=True)
    account = next((item for item in accounts if item.id == chosen), accounts[0] if accounts else None)
    return render_page(
        "stripe/dashboard.html",
        accounts=[{"id": item.id, "key": item.publishable_key} for item in accounts],
        account=account,
        problem=problem,
        saved=[build_method_row(item) for item in list_newest(account, "payment_method") if item["customer"]],
        intents=[build_intent_row(account, item) for item in list_newest(account, "payment_intent")],
        events=[build_event_row(account, item) for item in list_newest(account, "event")],
        endpoints=list(account.table("webhook_endpoint").values()) if account else [],
    )


def get_last_activity(account: StripeAccount) -> int:
    """When an account last did anything."""
    return max(int(item["created"]) for item in (account.data, *account.table("event").values()))


def list_newest(account: StripeAccount | None, kind: str) -> list[Obj]:
    """The newest objects of a kind."""
    return list(islice(reversed(account.table(kind).values()), MAX_ROWS)) if account else []


def build_intent_row(account: StripeAccount | None, intent: Obj) -> Obj:
    """A line of the list of payments."""
    error = intent["last_payment_error"]
    charge = account.table("charge").get(intent["latest_charge"] or "") if account else None
    refunded = charge["amount_refunded"] if charge else 0
    paid = bool(charge and intent["status"] == "succeeded")
    remaining = charge["amount_captured"] - refunded if charge and paid else 0
    return {
        "left": remaining,
        "method": format_method(charge["payment_method_details"]) if charge else "",
        "can_refund": remaining > 0 and not (account and charge and find_blocking_dispute(account, charge)),
        "can_dispute": remaining > 0 and bool(charge and not charge["disputed"]),
        "refunds": [build_refund_row(item) for item in list_related(account, "refund", intent)],
        "disputes": [build_dispute_row(item) for item in list_related(account, "dispute", intent)],
        "id": intent["id"],
        "amount": format_amount(intent["amount"], intent["currency"]),
        "refunded": format_amount(refunded, intent["currency"]) if refunded else "",
        "disputed": bool(charge and charge["disputed"]),
        "status": intent["status"],
        "tone": STATUS_STYLES.get(intent["status"], ""),
        "error": error["message"] if error else "",
        "description": intent["description"] or "",
        "at": format_time(intent["created"]),
    }


def list_related(account: StripeAccount | None, kind: str, intent: Obj) -> list[Obj]:
    """The refunds or disputes of a payment, oldest first."""
    found = account.table(kind).values() if account else []
    return [item for item in found if item["payment_intent"] == intent["id"]]


def build_refund_row(refund: Obj) -> Obj:
    """A line of a payment's refunds."""
    return {
        "id": refund["id"],
        "amount": format_amount(refund["amount"], refund["currency"]),
        "status": refund["status"],
        "tone": STATUS_STYLES.get(refund["status"], ""),
    }


def build_dispute_row(dispute: Obj) -> Obj:
    """A line of a payment's disputes."""
    return {
        "id": dispute["id"],
        "reason": dispute["reason"].replace("_", " "),
        "status": dispute["status"].replace("_", " "),
        "tone": {"won": "good", "lost": "bad"}.get(dispute["status"], "warn"),
        "open": dispute["status"] not in CLOSED_STATUSES,
        "lost": dispute["status"] == "lost",
        "answered": dispute["status"] == "under_review",
    }


def build_method_row(method: Obj) -> Obj:
    """A line of the list of saved methods."""
    return {
        "id": method["id"],
        "shown": format_method(method),
        "card": method["type"] == "card",
        "customer": method["customer"],
        "name": method["billing_details"]["name"] or "",
    }


def format_method(method: Obj) -> str:
    """A payment method as text: its kind or brand, and the last four."""
    details = method[method["type"]]
    words = details.get("brand") or str(method["type"]).replace("_", " ")
    expiry = f", {details['exp_month']:02}/{details['exp_year'] % 100:02}" if "exp_year" in details else ""
    return f"{words} ending {details['last4']}{expiry}"


def build_event_row(account: StripeAccount | None, event: Obj) -> Obj:
    """A line of the list of events, with its deliveries."""
    deliveries = account.data["deliveries"].values() if account else []
    return {
        "id": event["id"],
        "type": event["type"],
        "about": event["data"]["object"].get("id", ""),
        "at": format_time(event["created"]),
        "deliveries": [
            {**item, "tone": STATUS_STYLES.get(item["state"], "")}
            for item in deliveries
            if item["event"] == event["id"]
        ],
    }


def format_time(epoch: int) -> str:
    """An epoch second for people."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%d %b %H:%M:%S")


def resend_event(world: World, name: str) -> str:
    """Send an event again to every endpoint; returns the account's id, raises a 404."""
    for account in list_accounts(world):
        event = account.table("event").get(name)
        if event:
            now = world.now().timestamp()
            for endpoint in account.table("webhook_endpoint").values():
                create_delivery(account, event, endpoint, now)
            return account.id
    raise HTTPException(404, "No such event")
