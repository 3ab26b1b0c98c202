"""Checking parameters against the typed ones of the Stripe library, and turning text into values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import stripe
import typing_extensions

from sandbox.stripe.errors import StripeParameterError
from sandbox.stripe.forms import list_values

# The library imports these names for type checkers only.
UNRESOLVED_TYPES: dict[str, Any] = {"StripeContext": Any, "Mapping": Mapping}
MISSING_MESSAGE = "Missing required param: {0}."
UNKNOWN_MESSAGE = "Received unknown parameter: {0}"
EMPTY_MESSAGE = "You passed an empty string for '{0}', which cannot be unset. Leave it out or give it a value."


def parse_params(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the operation `name` as typed values; raises BadParameterError."""
    return parse_object(getattr(stripe.params, name), given, "")


def parse_object(kind: Any, given: dict[str, Any], where: str) -> dict[str, Any]:
    """One object of the given typed dictionary."""
    known = get_type_hints_of(kind)
    for key in given:
        if key not in known:
            raise StripeParameterError(
                UNKNOWN_MESSAGE.format(format_parameter_name(where, key)),
                code="parameter_unknown",
                param=format_parameter_name(where, key),
            )
    for key in sorted(kind.__required_keys__):
        if key not in given:
            raise StripeParameterError(
                MISSING_MESSAGE.format(format_parameter_name(where, key)),
                code="parameter_missing",
                param=format_parameter_name(where, key),
            )
    return {key: convert_value(known[key], value, format_parameter_name(where, key)) for key, value in given.items()}


@cache
def get_type_hints_of(kind: Any) -> dict[str, list[Any]]:
    """Each parameter's possible types; the library's own request options are no parameters."""
    options = stripe.RequestOptions.__annotations__
    found = typing_extensions.get_type_hints(kind, localns=UNRESOLVED_TYPES)
    return {key: list_union_members(value) for key, value in found.items() if key not in options}


def list_union_members(kind: Any) -> list[Any]:
    """A union taken apart, all the way down."""
    if get_origin(kind) in (Union, UnionType):
        return [part for option in get_args(kind) for part in list_union_members(option)]
    return [kind]


def format_parameter_name(where: str, key: str) -> str:
    """A nested parameter's name as Stripe writes it."""
    return f"{where}[{key}]" if where else key


def convert_value(kinds: list[Any], value: Any, where: str) -> Any:
    """The value as the first of `kinds` that can hold it."""
    if isinstance(value, dict):
        return convert_nested_value(kinds, value, where)
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if value == "":
        if "" in words:
            return ""
        raise StripeParameterError(EMPTY_MESSAGE.format(where), code="parameter_invalid_empty", param=where)
    if bool in kinds and value in ("true", "false"):
        return value == "true"
    if int in kinds or float in kinds:
        return convert_number(kinds, words, value, where)
    return convert_text(kinds, words, value, where)


def convert_nested_value(kinds: list[Any], value: dict[str, Any], where: str) -> Any:
    """A list, a free dictionary or an object."""
    for kind in kinds:
        origin = get_origin(kind)
        if origin is list:
            inner = list_union_members(get_args(kind)[0])
            return [convert_value(inner, item, f"{where}[{n}]") for n, item in enumerate(list_values(value))]
        if origin is dict:
            return {key: str(item) for key, item in value.items()}
        if typing_extensions.is_typeddict(kind):
            return parse_object(kind, value, where)
    raise StripeParameterError(f"Invalid string: {where} was given as an object", param=where)


def convert_number(kinds: list[Any], words: list[Any], value: str, where: str) -> Any:
    """An integer, or one of the words allowed in its place."""
    if value in words:
        return value
    try:
        return int(value)
    except ValueError:
        if str in kinds:
            return value
        raise StripeParameterError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=where) from None


def convert_text(kinds: list[Any], words: list[Any], value: str, where: str) -> str:
    """A string; one of a closed set of words when there is such a set."""
    allowed = [word for word in words if word]
    if allowed and value not in allowed:
        named = ", ".join(allowed[:40]) + (", …" if len(allowed) > 40 else "")
        raise StripeParameterError(f"Invalid {where}: must be one of {named}", param=where)
    if bool in kinds and not allowed:
        raise StripeParameterError(f"Invalid boolean: {value}", param=where)
    if str not in kinds and not allowed:
        noun = "array" if any(get_origin(kind) is list for kind in kinds) else "object"
        raise StripeParameterError(f"Invalid {noun}", param=where)
    return value
