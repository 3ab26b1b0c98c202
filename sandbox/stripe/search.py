"""Stripe's search language over payment intents, charges and customers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError

Obj = dict[str, Any]
CLAUSE = re.compile(
    r"""\s*(-?)([a-z_.]+)(?:\[(['"])((?:\\.|(?!\3).)*)\3\])?\s*(:|~|>=|<=|>|<)\s*"""
    r"""(?:(['"])((?:\\.|(?!\6).)*)\6|([\w.]+))\s*""",
)


def build_search_operation(kind: str, url: str) -> Callable[[StripeCall], Obj]:
    """An operation that searches objects of a kind, newest first.

    With `stripe_search_lag` in the config, objects younger than so many seconds are not found yet.
    """

    def operation(call: StripeCall) -> Obj:
        tests, any_of = parse_query(call.params["query"])
        latest = call.account.now() - call.account.world.config.get("stripe_search_lag", 0)
        joined = any if any_of else all
        found = [
            item
            for item in reversed(call.account.table(kind).values())
            if item["created"] <= latest and joined(test(item) for test in tests)
        ]
        limit, first = call.params.get("limit", 10), int(call.params.get("page") or 0)
        more = len(found) > first + limit
        return {
            "object": "search_result",
            "url": url,
            "has_more": more,
            "next_page": str(first + limit) if more else None,
            "data": found[first : first + limit],
        }

    return operation


def parse_query(query: str) -> tuple[list[Callable[[Obj], bool]], bool]:
    """The query's clauses as tests, and whether one of them is enough; raises StripeApiError."""
    tests: list[Callable[[Obj], bool]] = []
    words: set[str] = set()
    place = 0
    while place < len(query):
        match = CLAUSE.match(query, place)
        if match is None:
            raise StripeApiError(f"We were unable to parse your search query at {query[place:][:40]!r}.", param="query")
        tests.append(build_clause(match))
        joint = re.compile(r"(AND|OR)\s+", re.IGNORECASE).match(query, match.end())
        place = joint.end() if joint else match.end()
        words |= {joint[1].upper()} if joint else {"AND"} if place < len(query) else set()
    if len(words) > 1:
        raise StripeApiError("A search query can join its clauses with AND or with OR, not both.", param="query")
    return tests, words == {"OR"}


def build_clause(match: re.Match[str]) -> Callable[[Obj], bool]:
    """One comparison."""
    negated, name, key, sign = match[1] == "-", match[2], match[4], match[5]
    operand = re.sub(r"\\(.)", r"\1", match[7] if match[7] is not None else match[8])

    def test(item: Obj) -> bool:
        value = item.get(name)
        if key is not None:
            value = (value or {}).get(key)
        return matches_value(value, sign, operand) != negated

    return test


def matches_value(value: Any, sign: str, operand: str) -> bool:
    """Whether a field's value fits; `null` means that there is none."""
    if operand == "null":
        return value is None
    if value is None:
        return False
    if sign == "~":
        return operand.lower() in str(value).lower()
    if sign == ":":
        return str(value).lower() == operand.lower()
    try:
        left, right = int(value), int(operand)
    except ValueError:
        raise StripeApiError(f"{sign} compares numbers only.", param="query") from None
    return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[sign]
