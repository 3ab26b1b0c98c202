"""Stripe's form encoding: `a[b][0][c]=x` to nested dictionaries."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe.errors import StripeParameterError

KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decode_form(encoded: str) -> dict[str, Any]:
    """Nested dictionaries of strings; lists are dictionaries whose keys are `0`, `1`, …"""
    found: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        match = KEY.match(key)
        if match is None:
            raise StripeParameterError(f"Invalid parameter name: {key}", param=key)
        parts = [match[1], *(part[:-1] for part in match[2].split("[")[1:])]
        place_value(found, parts, value, key)
    return found


def place_value(found: dict[str, Any], parts: list[str], value: str, key: str) -> None:
    """Put one value where its name points; `[]` takes the next free number."""
    for depth, part in enumerate(parts):
        name = part if part or depth == 0 else str(len(found))
        if depth == len(parts) - 1:
            found[name] = value
            return
        deeper = found.setdefault(name, {})
        if not isinstance(deeper, dict):
            raise StripeParameterError(f"Invalid object: {key}", param=key)
        found = deeper


def list_values(found: Any) -> list[Any]:
    """The members of a decoded list, in order."""
    if not isinstance(found, dict):
        return [found]
    return [found[key] for key in sorted(found, key=lambda name: (len(name), name))]
