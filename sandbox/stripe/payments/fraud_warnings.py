"""Radar: early fraud warnings of a card's issuer, before anybody disputes, and what a browser tells of its visitor."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
KIND = "radar.early_fraud_warning"
SESSION = "radar.session"


def create_warning(account: StripeAccount, charge: Obj, fraud_type: str) -> Obj:
    """Warn of a charge; `fraud_type` is the issuer's word."""
    item = account.add(
        {
            "id": account.world.id("issfr"),
            "object": KIND,
            "actionable": not charge["refunded"],
            "charge": charge["id"],
            "created": account.now(),
            "fraud_type": fraud_type or "made_with_stolen_card",
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    create_event(account, f"{KIND}.created", item)
    return item


def create_session(call: StripeCall) -> Obj:
    """POST /v1/radar/session, by a browser with its publishable key only."""
    if not call.browser:
        raise StripeApiError("Radar sessions are made in the browser, with the publishable key.", status=403)
    return call.account.add({"id": call.account.world.id("rse"), "object": SESSION, "created": call.account.now()})


def check_session(account: StripeAccount, given: Obj) -> None:
    """Raise StripeApiError where an intent names a session that nobody made."""
    name = (given.get("radar_options") or {}).get("session")
    if name and name not in account.table(SESSION):
        message, param = f"No such radar session: '{name}'", "radar_options[session]"
        raise StripeApiError(message, code="resource_missing", param=param)
