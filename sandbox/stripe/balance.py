"""The lines of an account's balance: written by whatever moves money, listed, and summed."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import build_missing_object_error
from sandbox.stripe.listing import build_page, matches_time
from sandbox.stripe.timers import schedule_timer

Obj = dict[str, Any]
DAY = 86400
FILTERS = ("source", "type", "currency")


def record_balance_transaction(
    account: StripeAccount, source: Obj, amount: int, *, kind: str, category: str = "", fee: int = 0, days: int = 0
) -> Obj:
    """A new line about `source`, in minor units, that can be paid out after `days`; it awaits the next payout.

    `kind` is Stripe's `type`; `category` its `reporting_category`, where that differs.
    """
    now = account.now()
    line = shapes.build_balance_transaction(
        account.world.id("txn"), now, now + days * DAY, source, amount=amount, fee=fee, kind=kind
    )
    line["reporting_category"] = category or kind
    return schedule_payout(account, account.add(line))


def schedule_payout(account: StripeAccount, line: Obj) -> Obj:
    """Let the line be paid out at the first midnight (UTC) after it is available, as automatic payouts are."""
    at = (line["available_on"] // DAY + 1) * DAY
    name = f"{line['currency']}:{at}"
    if not any((timer["do"], timer["id"]) == ("pay_out", name) for timer in account.data["timers"]):
        schedule_timer(account, at - account.world.now().timestamp(), "pay_out", name)
    return line


def is_paid_out(account: StripeAccount, line: Obj) -> bool:
    """Whether a payout took the line along; a payout's own line counts as paid out."""
    return get_payout_id(account, line) != ""


def get_payout_id(account: StripeAccount, line: Obj) -> str:
    """The id of the payout that took the line along, or nothing."""
    found: dict[str, str] = account.data.setdefault("sum_paid_out", {})
    return found.get(line["id"], "")


def list_balance_transactions(call: StripeCall) -> Obj:
    """GET /v1/balance_transactions, newest first; with `payout`, the lines of one automatic payout and its own."""
    account, given = call.account, call.params
    items = sorted(account.table("balance_transaction").values(), key=get_created, reverse=True)
    if payout_id := given.get("payout"):
        if payout_id not in account.table("payout"):
            raise build_missing_object_error("payout", payout_id, "payout")
        items = [line for line in items if get_payout_id(account, line) == payout_id]
    for name in FILTERS:
        items = [line for line in items if name not in given or line[name] == given[name]]
    items = [line for line in items if matches_time(line, given.get("created"))]
    return build_page(items, given, "/v1/balance_transactions", "balance_transaction")


def get_created(line: Obj) -> int:
    """When a line was written."""
    return int(line["created"])
