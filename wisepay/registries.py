"""Lists of functions that upper floors register in `AppConfig.ready`, so that a lower floor can call up."""

from collections.abc import Callable
from typing import Any


def add_once[F: Callable[..., Any]](registry: list[Any], function: F) -> F:
    """Append the function to the registry. Raises ValueError if one of the same dotted name is there."""
    name = get_dotted_name(function)
    if name in map(get_dotted_name, registry):
        raise ValueError(f"{name} is registered already")
    registry.append(function)
    return function


def get_dotted_name(function: Callable[..., Any]) -> str:
    """The function's module and name: "payers.policies.is_second_factor_needed"."""
    return f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}"
