"""How much work waits for each tier: the floors above register who counts it."""

from collections import Counter
from collections.abc import Callable, Mapping

from connections.models import Tier
from merchants.models import Merchant
from wisepay.registries import add_once

WaitingWorkCounter = Callable[[Merchant], Mapping[str, int]]
WAITING_WORK_COUNTERS: list[WaitingWorkCounter] = []


def register_waiting_work_counter(function: WaitingWorkCounter) -> WaitingWorkCounter:
    """Register a function that answers how many things of a merchant wait, by tier."""
    return add_once(WAITING_WORK_COUNTERS, function)


def count_waiting_work(merchant: Merchant) -> dict[str, int]:
    """What waits, by tier; the Wise-Pay connection has all of it while tiers are not divided."""
    total: Counter[str] = Counter()
    for counter in WAITING_WORK_COUNTERS:
        total.update(counter(merchant))
    if not merchant.has_multi_connection:
        return {Tier.WISE_PAY.value: sum(total.values())}
    return {tier.value: total[tier.value] for tier in Tier}
