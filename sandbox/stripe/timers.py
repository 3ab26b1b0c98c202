"""Things that happen by themselves when the sandbox's clock gets there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.stripe.accounts import Account, every_account
from sandbox.world import World

Obj = dict[str, Any]
Action = Callable[[Account, str], None]
ROUNDS = 3  # so often what a timer set is looked at in the same moment


def later(account: Account, seconds: float, what: str, name: str) -> None:
    """Do the action registered as `what` to the object `name` after so many seconds."""
    account.data["timers"].append({"at": account.world.now().timestamp() + seconds, "do": what, "id": name})
    account.world.changed()


def forget(account: Account, what: str, name: str) -> None:
    """Take back what was set for `later`."""
    account.data["timers"] = [timer for timer in account.data["timers"] if (timer["do"], timer["id"]) != (what, name)]


def run_due(world: World, actions: dict[str, Action]) -> None:
    """Do what is due, in the order of the clock; an action may set further timers, which may be due as well."""
    now = world.now().timestamp()
    for account in every_account(world):
        for _ in range(ROUNDS):
            due = sorted((timer for timer in account.data["timers"] if timer["at"] <= now), key=due_at)
            for timer in due:
                account.data["timers"].remove(timer)
                actions[timer["do"]](account, timer["id"])


def due_at(timer: Obj) -> float:
    """When a timer is due."""
    return float(timer["at"])
