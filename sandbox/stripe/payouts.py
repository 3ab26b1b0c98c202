"""Payouts to the account's bank: one a day and currency by themselves, or now; they arrive a day later, or fail."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.balance import DAY, is_paid_out
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.listing import build_list_operation
from sandbox.stripe.timers import schedule_timer
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
PAYOUT_FAILURE = {"code": "account_closed", "message": "The bank account has been closed."}


def create_due_payout(account: StripeAccount, name: str) -> Obj | None:
    """Pay out what is available in a currency at an epoch second, both named as `currency:second`.

    Nothing happens while that sum is not positive, or where `stripe_payouts` in the config is "manual".
    """
    currency, _, second = name.partition(":")
    if account.world.config.get("stripe_payouts") == "manual":
        return None
    ready = [
        line
        for line in list_unpaid_transactions(account)
        if line["currency"] == currency and line["available_on"] <= int(second)
    ]
    return create_payout(account, currency, ready, at=int(second))


def list_unpaid_transactions(account: StripeAccount) -> list[Obj]:
    """The lines that no payout took along."""
    return [line for line in account.table("balance_transaction").values() if not is_paid_out(account, line)]


def create_payout(account: StripeAccount, currency: str, lines: list[Obj], *, at: int) -> Obj | None:
    """A payout of these lines at that second, if they come to anything."""
    total = sum(line["net"] for line in lines)
    if total <= 0:
        return None
    payout = account.add(shapes.build_payout(account.world.id("po"), at, at + DAY, total, currency))
    line = record_payout_transaction(account, payout, -total, "payout")
    payout["balance_transaction"] = line["id"]
    account.data["sum_paid_out"].update({one["id"]: payout["id"] for one in (*lines, line)})
    create_event(account, "payout.created", payout)
    create_event(account, "payout.reconciliation_completed", payout)
    schedule_timer(account, at + DAY - account.world.now().timestamp(), "land_payout", payout["id"])
    return payout


def record_payout_transaction(account: StripeAccount, payout: Obj, amount: int, kind: str) -> Obj:
    """A payout's own line in the balance."""
    account.data.setdefault("sum_paid_out", {})
    name, at = account.world.id("txn"), payout["created"]
    return account.add(shapes.build_balance_transaction(name, at, at, payout, amount=amount, fee=0, kind=kind))


def mark_arrived(account: StripeAccount, name: str) -> None:
    """The bank has the money."""
    payout = account.table("payout")[name]
    if payout["status"] == "in_transit":
        payout["status"] = "paid"
        create_event(account, "payout.paid", payout)


def fail_payout(account: StripeAccount, payout: Obj) -> Obj:
    """The bank sent the money back: it is in the balance again. Raises StripeApiError."""
    if payout["status"] not in ("in_transit", "paid"):
        raise StripeApiError(f"{payout['id']} is {payout['status']}.")
    line = record_payout_transaction(account, payout, payout["amount"], "payout_failure")
    payout.update(status="failed", failure_code=PAYOUT_FAILURE["code"], failure_message=PAYOUT_FAILURE["message"])
    payout["failure_balance_transaction"] = line["id"]
    create_event(account, "payout.failed", payout)
    return payout


def cancel_payout(account: StripeAccount, payout: Obj) -> Obj:
    """The merchant called it back before it left: it is in the balance again. Raises StripeApiError."""
    if payout["status"] != "in_transit":
        raise StripeApiError(f"{payout['id']} is {payout['status']}.")
    line = record_payout_transaction(account, payout, payout["amount"], "payout_cancel")
    payout.update(status="canceled", failure_balance_transaction=line["id"])
    create_event(account, "payout.canceled", payout)
    return payout


def create_payouts(account: StripeAccount) -> list[Obj]:
    """Everything that there is now, one payout a currency, available or not."""
    lines = list_unpaid_transactions(account)
    created = [
        create_payout(account, code, [line for line in lines if line["currency"] == code], at=account.now())
        for code in sorted({line["currency"] for line in lines})
    ]
    return [payout for payout in created if payout]


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/payouts/{id}."""
    return call.account.find("payout", call.path["id"], "payout")


list_payouts = build_list_operation("payout", "/v1/payouts", "status")
