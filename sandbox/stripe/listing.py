"""Lists of objects a page at a time, and the expansion of ids into objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError

Obj = dict[str, Any]
OBJECT_BY_PREFIX = {
    "ch": "charge",
    "cus": "customer",
    "dp": "dispute",
    "mandate": "mandate",
    "pi": "payment_intent",
    "pm": "payment_method",
    "po": "payout",
    "re": "refund",
    "seti": "setup_intent",
    "txn": "balance_transaction",
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda left, right: left > right,
    "gte": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "lte": lambda left, right: left <= right,
}


def build_list_operation(kind: str, url: str, *filters: str) -> Callable[[StripeCall], Obj]:
    """An operation that lists objects of a kind, newest first, filtered by fields of the same name."""

    def operation(call: StripeCall) -> Obj:
        items = list(reversed(call.account.table(kind).values()))
        for name in filters:
            if name in call.params:
                items = [item for item in items if item.get(name) == call.params[name]]
        if types := call.params.get("types"):
            items = [item for item in items if item["type"] in types]
        items = [item for item in items if matches_time(item, call.params.get("created"))]
        return build_page(items, call.params, url, kind)

    return operation


def matches_time(item: Obj, condition: Any) -> bool:
    """Whether an object was created at, or in, the requested time."""
    if condition is None:
        return True
    if isinstance(condition, int):
        return bool(item["created"] == condition)
    return all(COMPARISONS[verb](item["created"], int(limit)) for verb, limit in condition.items())


def build_page(items: list[Obj], params: Obj, url: str, kind: str) -> Obj:
    """The page that limit, starting_after and ending_before name."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise StripeApiError(f"This value must be between 1 and 100: {limit}", param="limit")
    ids = [item["id"] for item in items]
    first = 0
    for cursor in ("starting_after", "ending_before"):
        if cursor in params and params[cursor] not in ids:
            raise StripeApiError(f"No such {kind}: '{params[cursor]}'", code="resource_missing", param=cursor)
    if "starting_after" in params:
        first = ids.index(params["starting_after"]) + 1
    if "ending_before" in params:
        items = items[: ids.index(params["ending_before"])]
        first = max(0, len(items) - limit)
        return {"object": "list", "url": url, "has_more": first > 0, "data": items[first:]}
    data = items[first : first + limit]
    return {"object": "list", "url": url, "has_more": len(items) > first + limit, "data": data}


def expand_fields(account: StripeAccount, answer: Obj, paths: list[str]) -> Obj:
    """A copy of the answer in which the named fields hold objects instead of ids."""
    for path in paths:
        answer = expand_path(account, answer, path.split("."), path)
    return answer


def expand_path(account: StripeAccount, item: Any, parts: list[str], path: str) -> Any:
    """Follow one path; raises StripeApiError when it leads nowhere."""
    if not parts or item is None:
        return item
    if isinstance(item, list):
        return [expand_path(account, member, parts, path) for member in item]
    if not isinstance(item, dict) or parts[0] not in item:
        raise StripeApiError(f"This property cannot be expanded ({path}).", param="expand")
    value = item[parts[0]]
    if isinstance(value, str):
        kind = OBJECT_BY_PREFIX.get(value.split("_", 1)[0])
        if kind is None:
            raise StripeApiError(f"This property cannot be expanded ({path}).", param="expand")
        value = account.table(kind).get(value, value)
    if not isinstance(value, str):
        value = expand_path(account, value, parts[1:], path)
    return {**item, parts[0]: value}
