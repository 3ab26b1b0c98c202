"""Things that happen by themselves when the sandbox's clock gets there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.core.world import World
from sandbox.stripe.accounts import StripeAccount, list_accounts

Obj = dict[str, Any]
TimerAction = Callable[[StripeAccount, str], None]
MAX_ROUNDS = 3  # so often what a timer set is looked at in the same moment


def schedule_timer(account: StripeAccount, seconds: float, what: str, name: str) -> None:
    """Do the action registered as `what` to the object `name` after so many seconds."""
    account.data["timers"].append({"at": account.world.now().timestamp() + seconds, "do": what, "id": name})
    account.world.mark_changed()


def cancel_timer(account: StripeAccount, what: str, name: str) -> None:
    """Take back what was set for `later`."""
    account.data["timers"] = [timer for timer in account.data["timers"] if (timer["do"], timer["id"]) != (what, name)]


def run_due_timers(world: World, actions: dict[str, TimerAction]) -> None:
    """Do what is due, in the order of the clock; an action may set further timers, which may be due as well."""
    now = world.now().timestamp()
    for account in list_accounts(world):
        for _ in range(MAX_ROUNDS):
            due = sorted((timer for timer in account.data["timers"] if timer["at"] <= now), key=get_due_time)
            for timer in due:
                account.data["timers"].remove(timer)
                actions[timer["do"]](account, timer["id"])


def get_due_time(timer: Obj) -> float:
    """When a timer is due."""
    return float(timer["at"])
