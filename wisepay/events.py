"""Events: a floor announces what happened, and every floor above that subscribed gets an outbox message.

The floor that announces an event declares it, and floors above subscribe, each in its `AppConfig.ready`:
INSTALLED_APPS lists the floors from the ground up, so an event is declared before anybody subscribes to it.
"""

from wisepay import outbox

SUBSCRIPTIONS: dict[str, list[str]] = {}  # the names of outbox handlers, by event


def declare(event: str) -> None:
    """Allow the event "<app>.<noun>.<participle>" to be announced. Raises ValueError if it is declared already."""
    if event in SUBSCRIPTIONS:
        raise ValueError(f"the event {event} is declared already")
    SUBSCRIPTIONS[event] = []


def subscribe(event: str, handler: str) -> None:
    """Have the outbox handler called with the event's ids whenever it is announced.

    Raises ValueError if the event is not declared, the handler not registered, or subscribed already.
    """
    handlers = get_subscribers(event)
    outbox.check_handler(handler)
    if handler in handlers:
        raise ValueError(f"{handler} subscribes to {event} already")
    handlers.append(handler)


def announce(event: str, *, key: str, **ids: int | str) -> None:
    """Enqueue a message with these ids for each subscriber; the same key again changes nothing.

    Raises ValueError if the event is not declared.
    """
    for handler in get_subscribers(event):
        outbox.enqueue(f"{key}:{handler}", handler, run_after=None, **ids)


def get_subscribers(event: str) -> list[str]:
    """The handlers that subscribe to the event. Raises ValueError if it is not declared."""
    if event not in SUBSCRIPTIONS:
        raise ValueError(f"the event {event} is not declared")
    return SUBSCRIPTIONS[event]
