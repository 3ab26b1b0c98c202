"""Refunds of charges, whole or in part."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import balance, cards, shapes
from sandbox.stripe.accounts import Account
from sandbox.stripe.calls import Call, merge_metadata
from sandbox.stripe.disputes import standing_against
from sandbox.stripe.errors import ApiError
from sandbox.stripe.events import emit
from sandbox.stripe.timers import forget, later

Obj = dict[str, Any]


def charge_of(account: Account, given: Obj) -> Obj:
    """The charge to give back; raises ApiError."""
    if name := given.get("charge"):
        return account.find("charge", name, "charge")
    if name := given.get("payment_intent"):
        intent = account.find("payment_intent", name, "payment_intent")
        if intent["status"] != "succeeded":
            raise ApiError(
                f"This PaymentIntent ({name}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
                param="payment_intent",
            )
        return account.find("charge", intent["latest_charge"], "charge")
    raise ApiError("One of the following params should be provided: payment_intent, charge.")


def check(account: Account, charge: Obj, amount: int) -> None:
    """Raise unless so much can be given back of this charge."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if standing_against(account, charge):
        raise ApiError(f"Charge {charge['id']} has been charged back.", code="charge_disputed")
    if charge["refunded"]:
        raise ApiError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["status"] != "succeeded":
        raise ApiError(f"Charge {charge['id']} did not succeed.", param="charge")
    if amount < 1:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        raise ApiError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
            param="amount",
        )


def create(call: Call) -> Obj:
    """POST /v1/refunds."""
    return give_back(call.account, charge_of(call.account, call.params), call.params)


def give_back(account: Account, charge: Obj, given: Obj) -> Obj:
    """Refund `amount` of the charge, or all that is left; raises ApiError."""
    amount = given.get("amount", charge["amount_captured"] - charge["amount_refunded"])
    check(account, charge, amount)
    kind = charge["payment_method_details"]["type"]
    refund = shapes.refund(account.world.id("re"), account.now(), charge, amount, kind)
    refund["reason"] = given.get("reason")
    merge_metadata(refund, given.get("metadata"))
    take_back(account, charge, refund)
    account.add(refund)
    known = account.private(charge["payment_method"]).get("card") or ""
    late = cards.behaviour_of(known).late
    if late == "refund_pends" or kind != "card":
        refund["status"] = "pending"
        later(account, account.world.config.get("stripe_refund_delay", 5), "settle_refund", refund["id"])
    elif late == "refund_fails":
        later(account, account.world.config.get("stripe_refund_delay", 5), "fail_refund", refund["id"])
    emit(account, "refund.created", refund)
    emit(account, "charge.refunded", charge)
    return refund


def take_back(account: Account, charge: Obj, refund: Obj) -> None:
    """Move a refund's amount out of the balance."""
    charge["amount_refunded"] += refund["amount"]
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    refund["balance_transaction"] = balance.book(account, refund, -refund["amount"], kind="refund")["id"]


def settle_refund(account: Account, name: str) -> None:
    """A slow refund arrived."""
    refund = account.table("refund")[name]
    if refund["status"] == "pending":
        refund["status"] = "succeeded"
        emit(account, "refund.updated", refund)
        emit(account, "charge.refund.updated", refund)


def fail_refund(account: Account, name: str) -> None:
    """The payer's bank sent a refund back: the money is the merchant's again."""
    refund = account.table("refund")[name]
    if refund["status"] not in ("pending", "succeeded"):
        return
    for timer in ("settle_refund", "fail_refund"):
        forget(account, timer, name)
    charge = account.table("charge")[refund["charge"]]
    refund["status"] = "failed"
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    balance.book(account, refund, refund["amount"], kind="refund_failure")
    emit(account, "refund.updated", refund)
    emit(account, "charge.refund.updated", refund)
    emit(account, "refund.failed", refund)


def retrieve(call: Call) -> Obj:
    """GET /v1/refunds/{id}."""
    return call.account.find("refund", call.path["id"], "id")


def update(call: Call) -> Obj:
    """POST /v1/refunds/{id}: metadata only."""
    refund = retrieve(call)
    merge_metadata(refund, call.params.get("metadata"))
    return refund
