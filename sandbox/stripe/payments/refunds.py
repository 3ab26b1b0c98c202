"""Refunds of charges, whole or in part."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import balance, shapes
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall, merge_metadata
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payment_methods import cards
from sandbox.stripe.payments.disputes import find_blocking_dispute
from sandbox.stripe.timers import cancel_timer, schedule_timer
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]


def get_charge(account: StripeAccount, given: Obj) -> Obj:
    """The charge to give back; raises StripeApiError."""
    if name := given.get("charge"):
        return account.find("charge", name, "charge")
    if name := given.get("payment_intent"):
        intent = account.find("payment_intent", name, "payment_intent")
        if intent["status"] != "succeeded":
            raise StripeApiError(
                f"This PaymentIntent ({name}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
                param="payment_intent",
            )
        return account.find("charge", intent["latest_charge"], "charge")
    raise StripeApiError("One of the following params should be provided: payment_intent, charge.")


def check_refundable(account: StripeAccount, charge: Obj, amount: int) -> None:
    """Raise unless so much can be given back of this charge."""
    remaining = charge["amount_captured"] - charge["amount_refunded"]
    if find_blocking_dispute(account, charge):
        raise StripeApiError(f"Charge {charge['id']} has been charged back.", code="charge_disputed")
    if charge["refunded"]:
        raise StripeApiError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["status"] != "succeeded":
        raise StripeApiError(f"Charge {charge['id']} did not succeed.", param="charge")
    if amount < 1:
        raise StripeApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > remaining:
        raise StripeApiError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({remaining}).",
            param="amount",
        )


def create(call: StripeCall) -> Obj:
    """POST /v1/refunds."""
    return create_refund(call.account, get_charge(call.account, call.params), call.params)


def create_refund(account: StripeAccount, charge: Obj, given: Obj) -> Obj:
    """Refund `amount` of the charge, or all that is left; raises StripeApiError."""
    amount = given.get("amount", charge["amount_captured"] - charge["amount_refunded"])
    check_refundable(account, charge, amount)
    kind = charge["payment_method_details"]["type"]
    refund = shapes.build_refund(account.world.id("re"), account.now(), charge, amount, kind)
    refund["reason"] = given.get("reason")
    merge_metadata(refund, given.get("metadata"))
    record_refund_in_balance(account, charge, refund)
    account.add(refund)
    known = account.private_data(charge["payment_method"]).get("card") or ""
    late = cards.get_behaviour(known).later_event
    if late == "refund_pends" or kind != "card":
        refund["status"] = "pending"
        schedule_timer(account, account.world.config.get("stripe_refund_delay", 5), "settle_refund", refund["id"])
    elif late == "refund_fails":
        schedule_timer(account, account.world.config.get("stripe_refund_delay", 5), "fail_refund", refund["id"])
    create_event(account, "refund.created", refund)
    create_event(account, "charge.refunded", charge)
    return refund


def record_refund_in_balance(account: StripeAccount, charge: Obj, refund: Obj) -> None:
    """Move a refund's amount out of the balance."""
    charge["amount_refunded"] += refund["amount"]
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    refund["balance_transaction"] = balance.record_balance_transaction(
        account, refund, -refund["amount"], kind="refund"
    )["id"]


def settle_refund(account: StripeAccount, name: str) -> None:
    """A slow refund arrived."""
    refund = account.table("refund")[name]
    if refund["status"] == "pending":
        refund["status"] = "succeeded"
        create_event(account, "refund.updated", refund)
        create_event(account, "charge.refund.updated", refund)


def fail_refund(account: StripeAccount, name: str) -> None:
    """The payer's bank sent a refund back: the money is the merchant's again."""
    refund = account.table("refund")[name]
    if refund["status"] not in ("pending", "succeeded"):
        return
    for timer in ("settle_refund", "fail_refund"):
        cancel_timer(account, timer, name)
    charge = account.table("charge")[refund["charge"]]
    refund["status"] = "failed"
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    balance.record_balance_transaction(account, refund, refund["amount"], kind="refund_failure")
    create_event(account, "refund.updated", refund)
    create_event(account, "charge.refund.updated", refund)
    create_event(account, "refund.failed", refund)


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/refunds/{id}."""
    return call.account.find("refund", call.path["id"], "id")


def update(call: StripeCall) -> Obj:
    """POST /v1/refunds/{id}: metadata only."""
    refund = retrieve(call)
    merge_metadata(refund, call.params.get("metadata"))
    return refund
