"""Early fraud warnings: a card's issuer reports that a charge may be fraud, before anybody disputes it."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
KIND = "radar.early_fraud_warning"


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
