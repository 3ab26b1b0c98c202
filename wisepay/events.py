"""How a floor calls the floors above: registries of functions, and events that become outbox messages.

The floor that announces an event declares it, and floors above subscribe, each in its `AppConfig.ready`:
INSTALLED_APPS lists the floors from the ground up, so an event is declared before anybody subscribes to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wisepay import clock, outbox


@dataclass(frozen=True, slots=True)
class Subscription:
    """The outbox handler that an event calls, under which key, and whether that key is a standing message."""

    handler: str
    key: str
    is_standing: bool


SUBSCRIPTIONS: dict[str, list[Subscription]] = {}  # by event


def declare(event: str) -> None:
    """Allow the event "<app>.<noun>.<participle>" to be announced. Raises ValueError if it is declared already."""
    if event in SUBSCRIPTIONS:
        raise ValueError(f"the event {event} is declared already")
    SUBSCRIPTIONS[event] = []


def subscribe(event: str, handler: str, *, key: str, is_standing: bool = False) -> None:
    """Have the outbox handler called with the event's ids whenever it is announced.

    `key` names the message by the event's ids, as in "attempt:{attempt_id}:draft". A standing message is made due
    again by every event; any other is delivered once.
    Raises ValueError if the event is not declared, the handler not registered, or subscribed already.
    """
    subscriptions = get_subscriptions(event)
    outbox.check_handler(handler)
    if any(one.handler == handler for one in subscriptions):
        raise ValueError(f"{handler} subscribes to {event} already")
    subscriptions.append(Subscription(handler, key, is_standing))


def announce(event: str, *, now: datetime | None = None, **ids: int | str) -> None:
    """Put a message with these ids into the outbox for each subscriber. Raises ValueError if it is not declared."""
    for subscription in get_subscriptions(event):
        key = subscription.key.format(**ids)
        if subscription.is_standing:
            outbox.schedule(key, subscription.handler, now=now or clock.now(), **ids)
        else:
            outbox.enqueue(key, subscription.handler, run_after=None, **ids)


def get_subscriptions(event: str) -> list[Subscription]:
    """The subscriptions to the event. Raises ValueError if it is not declared."""
    if event not in SUBSCRIPTIONS:
        raise ValueError(f"the event {event} is not declared")
    return SUBSCRIPTIONS[event]


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
