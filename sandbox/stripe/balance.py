"""The lines of an account's balance: written by whatever moves money, listed, and summed."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import Account
from sandbox.stripe.calls import Call
from sandbox.stripe.errors import missing_object
from sandbox.stripe.listing import in_time, page
from sandbox.stripe.timers import later

Obj = dict[str, Any]
DAY = 86400
FILTERS = ("source", "type", "currency")


def book(
    account: Account, source: Obj, amount: int, *, kind: str, category: str = "", fee: int = 0, days: int = 0
) -> Obj:
    """A new line about `source`, in minor units, that can be paid out after `days`; it awaits the next payout.

    `kind` is Stripe's `type`; `category` its `reporting_category`, where that says more.
    """
    now = account.now()
    line = shapes.balance_transaction(
        account.world.id("txn"), now, now + days * DAY, source, amount=amount, fee=fee, kind=kind
    )
    line["reporting_category"] = category or kind
    return await_payout(account, account.add(line))


def await_payout(account: Account, line: Obj) -> Obj:
    """Let the line be paid out at the first midnight (UTC) after it is available, as automatic payouts are."""
    at = (line["available_on"] // DAY + 1) * DAY
    name = f"{line['currency']}:{at}"
    if not any((timer["do"], timer["id"]) == ("pay_out", name) for timer in account.data["timers"]):
        later(account, at - account.world.now().timestamp(), "pay_out", name)
    return line


def is_paid_out(account: Account, line: Obj) -> bool:
    """Whether a payout took the line along; a payout's own line counts as paid out."""
    return payout_of(account, line) != ""


def payout_of(account: Account, line: Obj) -> str:
    """The id of the payout that took the line along, or nothing."""
    found: dict[str, str] = account.data.setdefault("paid_out", {})
    return found.get(line["id"], "")


def list_lines(call: Call) -> Obj:
    """GET /v1/balance_transactions, newest first; with `payout`, the lines of one automatic payout and its own."""
    account, given = call.account, call.params
    items = sorted(account.table("balance_transaction").values(), key=created, reverse=True)
    if wanted := given.get("payout"):
        if wanted not in account.table("payout"):
            raise missing_object("payout", wanted, "payout")
        items = [line for line in items if payout_of(account, line) == wanted]
    for name in FILTERS:
        items = [line for line in items if name not in given or line[name] == given[name]]
    items = [line for line in items if in_time(line, given.get("created"))]
    return page(items, given, "/v1/balance_transactions", "balance_transaction")


def created(line: Obj) -> int:
    """When a line was written."""
    return int(line["created"])
