"""Mandates: the payer's consent to debits, and disputes, which end it."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes, shapes_people
from sandbox.stripe.accounts import Account
from sandbox.stripe.calls import Call
from sandbox.stripe.errors import ApiError
from sandbox.stripe.events import emit

Obj = dict[str, Any]


def consent(account: Account, intent: Obj, method: Obj) -> str:
    """The id of a mandate for this debit, new or standing; raises ApiError when nobody consented."""
    options, hidden = account.private(intent["id"]), account.private(method["id"])
    standing = account.table("mandate").get(options.get("mandate") or hidden.get("mandate") or "")
    if standing and standing["status"] == "active":
        return str(standing["id"])
    if standing and not options.get("mandate_data"):
        raise ApiError(
            "The mandate of this PaymentMethod is no longer active.",
            code="payment_method_invalid_parameter",
            param="mandate",
        )
    if not options.get("mandate_data"):
        raise ApiError("Missing required param: mandate_data.", code="parameter_missing", param="mandate_data")
    multi_use = intent["object"] == "setup_intent" or bool(intent["setup_future_usage"])
    acceptance = acceptance_of(account, options["mandate_data"])
    mandate = shapes_people.mandate(account.world.id("mandate"), method, acceptance, multi_use=multi_use)
    account.add(mandate)
    hidden["mandate"] = mandate["id"]
    return str(mandate["id"])


def acceptance_of(account: Account, given: Obj) -> Obj:
    """How, when and from where the payer consented."""
    said = given.get("customer_acceptance") or {}
    kind = said.get("type") or "online"
    body: Obj = {"accepted_at": said.get("accepted_at") or account.now(), "type": kind}
    online = said.get("online") or {}
    if kind == "online":
        body["online"] = {field: online.get(field) or None for field in ("ip_address", "user_agent")}
    else:
        body["offline"] = {}
    return body


def dispute(account: Account, name: str) -> None:
    """The payer's bank takes the money of a charge back."""
    charge = account.table("charge")[name]
    method = account.table("payment_method")[charge["payment_method"]]
    reason = "fraudulent" if method["type"] == "card" else "debit_not_authorized"
    item = shapes.dispute(account.world.id("dp"), account.now(), charge, reason, method)
    taken = shapes.balance_transaction(
        account.world.id("txn"),
        account.now(),
        account.now(),
        item,
        amount=-charge["amount"],
        fee=1500,
        kind="adjustment",
    )
    account.add(taken)
    item["balance_transactions"] = [taken]
    account.add(item)
    charge["disputed"] = True
    emit(account, "charge.dispute.created", item)
    emit(account, "charge.dispute.funds_withdrawn", item)
    if item["status"] == "lost":
        emit(account, "charge.dispute.closed", item)
    end_mandate(account, method)


def end_mandate(account: Account, method: Obj) -> None:
    """A disputed debit kills the payer's consent."""
    mandate = account.table("mandate").get(account.private(method["id"]).get("mandate") or "")
    if mandate and mandate["status"] == "active":
        mandate["status"] = "inactive"
        emit(account, "mandate.updated", mandate)


def retrieve(call: Call) -> Obj:
    """GET /v1/mandates/{id}."""
    return call.account.find("mandate", call.path["id"], "mandate")


def retrieve_dispute(call: Call) -> Obj:
    """GET /v1/disputes/{id}."""
    return call.account.find("dispute", call.path["id"], "dispute")
