"""Disputes: the payer's bank takes a charge back, and how the quarrel ends."""

from __future__ import annotations

import re
from typing import Any

from sandbox.stripe import balance, shapes
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall, merge_metadata
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payment_methods.mandates import revoke_mandate
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
DISPUTE_FEE = 1500
CLOSED_STATUSES = ("won", "lost", "warning_closed")
EVIDENCE_OUTCOMES = {"winning_evidence": "won", "losing_evidence": "lost"}


def dispute_by_timer(account: StripeAccount, name: str) -> None:
    """The timer's way to `raise_dispute`: a charge that was disputed meanwhile is left alone."""
    charge = account.table("charge")[name]
    if not charge["disputed"]:
        create_dispute(account, charge)


def create_dispute(
    account: StripeAccount,
    charge: Obj,
    reason: str | None = None,
    *,
    part: int | None = None,
    is_inquiry: bool = False,
) -> Obj:
    """Take back a part or what is left of a charge; of a bank debit that is final. Raises StripeApiError.

    An inquiry of the bank about a card takes nothing yet.
    """
    amount = charge["amount_captured"] - charge["amount_refunded"]
    amount = amount if part is None else min(part, amount)
    if charge["disputed"] or charge["status"] != "succeeded" or amount < 1:
        raise StripeApiError(f"Nothing of {charge['id']} can be disputed.", code="charge_disputed", param="charge")
    method = account.table("payment_method")[charge["payment_method"]]
    usual = "fraudulent" if method["type"] == "card" else "debit_not_authorized"
    item = shapes.build_dispute(account.world.id("dp"), account.now(), charge, amount, reason or usual, method)
    if is_inquiry:
        item["status"] = "warning_needs_response"
        item["is_charge_refundable"] = True
        account.add(item)
        create_event(account, "charge.dispute.created", item)
        return item
    record_dispute_in_balance(account, item, -amount, DISPUTE_FEE)
    account.add(item)
    charge["disputed"] = True
    create_event(account, "charge.dispute.created", item)
    create_event(account, "charge.dispute.funds_withdrawn", item)
    if item["status"] == "lost":
        create_event(account, "charge.dispute.closed", item)
    revoke_mandate(account, method)
    return item


def escalate_inquiry(account: StripeAccount, item: Obj) -> Obj:
    """Turn an inquiry, also a closed one, into a dispute that takes the money. Raises StripeApiError."""
    if not item["status"].startswith("warning_"):
        raise StripeApiError(f"This dispute has the status {item['status']}: it is no inquiry.")
    before = {"status": item["status"]}
    item["status"], item["is_charge_refundable"] = "needs_response", False
    account.table("charge")[item["charge"]]["disputed"] = True
    record_dispute_in_balance(account, item, -item["amount"], DISPUTE_FEE)
    create_event(account, "charge.dispute.updated", item, before)
    create_event(account, "charge.dispute.funds_withdrawn", item)
    return item


def record_dispute_in_balance(account: StripeAccount, item: Obj, amount: int, fee: int) -> None:
    """A line in the balance for the dispute, in minor units."""
    category = "dispute" if amount < 0 else "dispute_reversal"
    line = balance.record_balance_transaction(account, item, amount, kind="adjustment", category=category, fee=fee)
    item["balance_transactions"] = [*item["balance_transactions"], line]


def submit_evidence(account: StripeAccount, item: Obj) -> Obj:
    """The merchant's answer is with the bank; raises StripeApiError when the dispute is over."""
    check_open(item)
    before = {"status": item["status"]}
    item["status"] = "under_review"
    item["evidence_details"] |= {
        "has_evidence": True,
        "submission_count": item["evidence_details"]["submission_count"] + 1,
    }
    create_event(account, "charge.dispute.updated", item, before)
    return item


def close_with_outcome(account: StripeAccount, item: Obj, outcome: str) -> Obj:
    """The bank decided: `won` returns the money, `lost` does not. Raises StripeApiError."""
    check_open(item)
    before = {"status": item["status"]}
    if outcome == "warning_closed" and item["status"].startswith("warning_"):
        item["status"] = outcome
        create_event(account, "charge.dispute.closed", item, before)
        return item
    if outcome not in ("won", "lost"):
        raise StripeApiError("A dispute is won or lost, an inquiry closed.", param="outcome")
    item["status"] = outcome
    create_event(account, "charge.dispute.closed", item, before)
    if outcome == "won":
        item["is_charge_refundable"] = True
        record_dispute_in_balance(account, item, item["amount"], 0)
        create_event(account, "charge.dispute.funds_reinstated", item)
    return item


def reinstate(account: StripeAccount, item: Obj) -> Obj:
    """The payer's bank gives back after all what a lost dispute took. Raises StripeApiError."""
    if item["status"] != "lost":
        raise StripeApiError(f"This dispute has the status {item['status']}: nothing was lost by it.")
    item["status"] = "needs_response"
    return close_with_outcome(account, item, "won")


def check_open(item: Obj) -> None:
    """Raise when a dispute takes no more evidence."""
    if item["status"] in CLOSED_STATUSES:
        raise StripeApiError(f"This dispute is already closed with the status {item['status']}.")


def find_blocking_dispute(account: StripeAccount, charge: Obj) -> Obj | None:
    """The dispute that keeps a charge from being refunded: any that was not won."""
    found = (item for item in account.table("dispute").values() if item["charge"] == charge["id"])
    return next((item for item in found if item["status"] not in ("won", "warning_closed")), None)


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/disputes/{id}."""
    return call.account.find("dispute", call.path["id"], "dispute")


def update(call: StripeCall) -> Obj:
    """POST /v1/disputes/{id}: evidence, which is handed in at once unless `submit` is false."""
    item, given = retrieve(call), call.params
    merge_metadata(item, given.get("metadata"))
    if "evidence" not in given:
        return item
    check_open(item)
    item["evidence"] = {**item["evidence"], **(given["evidence"] or {})}
    item["evidence_details"]["has_evidence"] = True
    if given.get("submit", True):
        submit_evidence(call.account, item)
        verdict = EVIDENCE_OUTCOMES.get(re.sub(r"\W", "", str(item["evidence"].get("uncategorized_text") or "")))
        if verdict:
            close_with_outcome(call.account, item, verdict)
    return item


def close(call: StripeCall) -> Obj:
    """POST /v1/disputes/{id}/close: the merchant gives in."""
    return close_with_outcome(call.account, retrieve(call), "lost")
