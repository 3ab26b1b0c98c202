"""Disputes: the payer's bank takes a charge back, and how the quarrel ends."""

from __future__ import annotations

import re
from typing import Any

from sandbox.stripe import balance, shapes
from sandbox.stripe.accounts import Account
from sandbox.stripe.calls import Call, merge_metadata
from sandbox.stripe.errors import ApiError
from sandbox.stripe.events import emit
from sandbox.stripe.mandates import end_mandate

Obj = dict[str, Any]
FEE = 1500
OVER = ("won", "lost", "warning_closed")
VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}


def dispute(account: Account, name: str) -> None:
    """The timer's way to `raise_dispute`: a charge that was disputed meanwhile is left alone."""
    charge = account.table("charge")[name]
    if not charge["disputed"]:
        raise_dispute(account, charge)


def raise_dispute(account: Account, charge: Obj, reason: str | None = None) -> Obj:
    """Take back what is left of a charge; of a bank debit that is the last word. Raises ApiError."""
    amount = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"] or charge["status"] != "succeeded" or amount < 1:
        raise ApiError(f"Nothing of {charge['id']} can be disputed.", code="charge_disputed", param="charge")
    method = account.table("payment_method")[charge["payment_method"]]
    usual = "fraudulent" if method["type"] == "card" else "debit_not_authorized"
    item = shapes.dispute(account.world.id("dp"), account.now(), charge, amount, reason or usual, method)
    move_money(account, item, -amount, FEE)
    account.add(item)
    charge["disputed"] = True
    emit(account, "charge.dispute.created", item)
    emit(account, "charge.dispute.funds_withdrawn", item)
    if item["status"] == "lost":
        emit(account, "charge.dispute.closed", item)
    end_mandate(account, method)
    return item


def move_money(account: Account, item: Obj, amount: int, fee: int) -> None:
    """A line in the balance for the dispute, in minor units."""
    category = "dispute" if amount < 0 else "dispute_reversal"
    line = balance.book(account, item, amount, kind="adjustment", category=category, fee=fee)
    item["balance_transactions"] = [*item["balance_transactions"], line]


def submit(account: Account, item: Obj) -> Obj:
    """The merchant's answer is with the bank; raises ApiError when the dispute is over."""
    refuse_closed(item)
    before = {"status": item["status"]}
    item["status"] = "under_review"
    item["evidence_details"] |= {
        "has_evidence": True,
        "submission_count": item["evidence_details"]["submission_count"] + 1,
    }
    emit(account, "charge.dispute.updated", item, before)
    return item


def settle(account: Account, item: Obj, outcome: str) -> Obj:
    """The bank decided: `won` gives the money back, `lost` keeps it. Raises ApiError."""
    refuse_closed(item)
    if outcome not in ("won", "lost"):
        raise ApiError("A dispute is won or lost.", param="outcome")
    before = {"status": item["status"]}
    item["status"] = outcome
    emit(account, "charge.dispute.closed", item, before)
    if outcome == "won":
        item["is_charge_refundable"] = True
        move_money(account, item, item["amount"], 0)
        emit(account, "charge.dispute.funds_reinstated", item)
    return item


def reinstate(account: Account, item: Obj) -> Obj:
    """The payer's bank gives back after all what a lost dispute took. Raises ApiError."""
    if item["status"] != "lost":
        raise ApiError(f"This dispute has the status {item['status']}: nothing was lost by it.")
    item["status"] = "needs_response"
    return settle(account, item, "won")


def refuse_closed(item: Obj) -> None:
    """Raise when nothing can be said to a dispute any more."""
    if item["status"] in OVER:
        raise ApiError(f"This dispute is already closed with the status {item['status']}.")


def standing_against(account: Account, charge: Obj) -> Obj | None:
    """The dispute that keeps a charge from being refunded: any that was not won."""
    found = (item for item in account.table("dispute").values() if item["charge"] == charge["id"])
    return next((item for item in found if item["status"] not in ("won", "warning_closed")), None)


def retrieve(call: Call) -> Obj:
    """GET /v1/disputes/{id}."""
    return call.account.find("dispute", call.path["id"], "dispute")


def update(call: Call) -> Obj:
    """POST /v1/disputes/{id}: evidence, which is handed in at once unless `submit` is false."""
    item, given = retrieve(call), call.params
    merge_metadata(item, given.get("metadata"))
    if "evidence" not in given:
        return item
    refuse_closed(item)
    item["evidence"] = {**item["evidence"], **(given["evidence"] or {})}
    item["evidence_details"]["has_evidence"] = True
    if given.get("submit", True):
        submit(call.account, item)
        verdict = VERDICTS.get(re.sub(r"\W", "", str(item["evidence"].get("uncategorized_text") or "")))
        if verdict:
            settle(call.account, item, verdict)
    return item


def close(call: Call) -> Obj:
    """POST /v1/disputes/{id}/close: the merchant gives in."""
    return settle(call.account, retrieve(call), "lost")
