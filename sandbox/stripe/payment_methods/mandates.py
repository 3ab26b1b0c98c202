"""Mandates: the payer's consent to debits, given once or for good, and ended by a dispute."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes_customers
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]


def get_or_create_mandate(account: StripeAccount, intent: Obj, method: Obj) -> str:
    """The id of a mandate for this debit, new or standing; raises StripeApiError when nobody consented."""
    options, hidden = account.private_data(intent["id"]), account.private_data(method["id"])
    if named := options.get("mandate"):
        known = account.find("mandate", named, "mandate")
    else:
        known = account.table("mandate").get(hidden.get("mandate") or "", {})
    if known and is_valid_mandate(known, method):
        return str(known["id"])
    if known and (named or not options.get("mandate_data")):
        raise build_invalid_mandate_error(intent)
    if not options.get("mandate_data"):
        raise StripeApiError("Missing required param: mandate_data.", code="parameter_missing", param="mandate_data")
    multi_use = intent["object"] == "setup_intent" or bool(intent["setup_future_usage"])
    acceptance = build_acceptance(account, options["mandate_data"])
    mandate = shapes_customers.build_mandate(account.world.id("mandate"), method, acceptance, multi_use=multi_use)
    account.add(mandate)
    hidden["mandate"] = mandate["id"]
    return str(mandate["id"])


def is_valid_mandate(mandate: Obj, method: Obj) -> bool:
    """Whether the payer's consent to debits of this method goes on."""
    lasting = mandate["type"] == "multi_use" and mandate["status"] == "active"
    return lasting and bool(mandate["payment_method"] == method["id"])


def build_invalid_mandate_error(intent: Obj) -> StripeApiError:
    """The refusal of a mandate that ended, or that was good for one debit only."""
    kind = intent["object"]
    words = "payment intent" if kind == "payment_intent" else "setup intent"
    return StripeApiError(
        f"The provided mandate is invalid and can not be used for the {words}.",
        code=f"{kind}_mandate_invalid",
        param="mandate",
    )


def build_acceptance(account: StripeAccount, given: Obj) -> Obj:
    """How, when and from where the payer consented."""
    acceptance = given.get("customer_acceptance") or {}
    kind = acceptance.get("type") or "online"
    body: Obj = {"accepted_at": acceptance.get("accepted_at") or account.now(), "type": kind}
    online = acceptance.get("online") or {}
    if kind == "online":
        body["online"] = {field: online.get(field) or None for field in ("ip_address", "user_agent")}
    else:
        body["offline"] = {}
    return body


def revoke_mandate(account: StripeAccount, method: Obj) -> Obj | None:
    """The payer's consent ends: by a dispute, or at the bank."""
    mandate = account.table("mandate").get(account.private_data(method["id"]).get("mandate") or "")
    if mandate and mandate["status"] == "active":
        mandate["status"] = "inactive"
        create_event(account, "mandate.updated", mandate, {"status": "active"})
    return mandate


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/mandates/{id}."""
    return call.account.find("mandate", call.path["id"], "mandate")
