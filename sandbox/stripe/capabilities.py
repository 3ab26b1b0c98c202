"""What the practice Stripe lets an account do, what it still wants of it, and its domains."""

from __future__ import annotations

import re
from typing import Any

from sandbox.stripe import shapes_customers
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
DOMAIN = re.compile(r"^(?=.*[a-z])[a-z0-9-]+(\.[a-z0-9-]+)+$", re.IGNORECASE)


def get_default_currency(account: StripeAccount) -> str:
    """The account's own currency."""
    return str(account.world.config.get("stripe_currency", "usd"))


def build_account(account: StripeAccount) -> Obj:
    """The account as its own key sees it."""
    missing = account.data.get("missing", [])
    shown = shapes_customers.build_account_object(
        account.id,
        account.data["created"],
        str(account.world.config.get("stripe_country", "US")),
        get_default_currency(account),
        "Practice business",
    )
    state = "inactive" if missing else "active"
    return {
        **shown,
        "capabilities": {"card_payments": state, "transfers": state},
        "charges_enabled": not missing,
        "payouts_enabled": not missing,
        "requirements": {
            "currently_due": missing,
            "disabled_reason": "requirements.past_due" if missing else None,
            "eventually_due": missing,
            "past_due": missing,
            "pending_verification": [],
        },
    }


def restrict_account(account: StripeAccount, missing: list[str]) -> Obj:
    """Switch charges and payouts off until Stripe has what is missing, or on again."""
    account.data["missing"] = missing
    shown = build_account(account)
    create_event(account, "account.updated", shown)
    state = shown["capabilities"]["card_payments"]
    capability = {"id": "card_payments", "object": "capability", "account": account.id, "requested": True}
    create_event(account, "capability.updated", {**capability, "status": state})
    return shown


def register_domain(call: StripeCall) -> Obj:
    """POST /v1/payment_method_domains; again it answers with the domain that is there."""
    name = call.params["domain_name"]
    if not DOMAIN.match(name):
        raise StripeApiError(f"{name} is no domain that Stripe can reach.", param="domain_name")
    known = (one for one in call.account.table("payment_method_domain").values() if one["domain_name"] == name)
    found = next(known, None)
    return found or call.account.add(
        {
            "id": call.account.world.id("pmd"),
            "object": "payment_method_domain",
            "apple_pay": {"status": "active"},
            "created": call.account.now(),
            "domain_name": name,
            "enabled": True,
            "google_pay": {"status": "active"},
            "link": {"status": "active"},
            "livemode": False,
            "paypal": {"status": "active"},
        }
    )
