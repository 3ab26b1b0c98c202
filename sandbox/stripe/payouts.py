"""Payouts to the account's bank: one a day and currency by themselves, or now; they arrive a day later, or fail."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import Account
from sandbox.stripe.balance import DAY, is_paid_out
from sandbox.stripe.calls import Call
from sandbox.stripe.errors import ApiError
from sandbox.stripe.events import emit
from sandbox.stripe.listing import lister
from sandbox.stripe.timers import later

Obj = dict[str, Any]
LOST = {"code": "account_closed", "message": "The bank account has been closed."}


def pay_out(account: Account, name: str) -> Obj | None:
    """Pay out what is available in a currency at an epoch second, both named as `currency:second`.

    Nothing happens while that sum is not positive, or where `stripe_payouts` in the config is "manual".
    """
    currency, _, second = name.partition(":")
    if account.world.config.get("stripe_payouts") == "manual":
        return None
    ready = [line for line in waiting(account) if line["currency"] == currency and line["available_on"] <= int(second)]
    return make(account, currency, ready, at=int(second))


def waiting(account: Account) -> list[Obj]:
    """The lines that no payout took along."""
    return [line for line in account.table("balance_transaction").values() if not is_paid_out(account, line)]


def make(account: Account, currency: str, lines: list[Obj], *, at: int) -> Obj | None:
    """A payout of these lines at that second, if they come to anything."""
    total = sum(line["net"] for line in lines)
    if total <= 0:
        return None
    payout = account.add(shapes.payout(account.world.id("po"), at, at + DAY, total, currency))
    line = own_line(account, payout, -total, "payout")
    payout["balance_transaction"] = line["id"]
    account.data["paid_out"].update({one["id"]: payout["id"] for one in (*lines, line)})
    emit(account, "payout.created", payout)
    emit(account, "payout.reconciliation_completed", payout)
    later(account, at + DAY - account.world.now().timestamp(), "land_payout", payout["id"])
    return payout


def own_line(account: Account, payout: Obj, amount: int, kind: str) -> Obj:
    """A payout's own line in the balance."""
    account.data.setdefault("paid_out", {})
    name, at = account.world.id("txn"), payout["created"]
    return account.add(shapes.balance_transaction(name, at, at, payout, amount=amount, fee=0, kind=kind))


def land(account: Account, name: str) -> None:
    """The bank has the money."""
    payout = account.table("payout")[name]
    if payout["status"] == "in_transit":
        payout["status"] = "paid"
        emit(account, "payout.paid", payout)


def fail(account: Account, payout: Obj) -> Obj:
    """The bank sent the money back: it is in the balance again. Raises ApiError."""
    if payout["status"] not in ("in_transit", "paid"):
        raise ApiError(f"{payout['id']} is {payout['status']}.")
    line = own_line(account, payout, payout["amount"], "payout_failure")
    payout.update(status="failed", failure_code=LOST["code"], failure_message=LOST["message"])
    payout["failure_balance_transaction"] = line["id"]
    emit(account, "payout.failed", payout)
    return payout


def pay_out_all(account: Account) -> list[Obj]:
    """Everything that there is now, one payout a currency, available or not."""
    lines = waiting(account)
    made = [
        make(account, code, [line for line in lines if line["currency"] == code], at=account.now())
        for code in sorted({line["currency"] for line in lines})
    ]
    return [payout for payout in made if payout]


def retrieve(call: Call) -> Obj:
    """GET /v1/payouts/{id}."""
    return call.account.find("payout", call.path["id"], "payout")


list_payouts = lister("payout", "/v1/payouts", "status")
