"""How long the audit log of each merchant is stored, as the floor that knows merchants says."""

from collections.abc import Callable, Mapping

from django.conf import settings

from wisepay.events import add_once

SHORTEST_MONTHS, LONGEST_MONTHS = 12, 240  # the shortest is PCI DSS 10.5.1's

RetentionPolicy = Callable[[], Mapping[int, int]]
RETENTION_POLICIES: list[RetentionPolicy] = []


def register_retention_policy(policy: RetentionPolicy) -> RetentionPolicy:
    """Register who knows the months that entries are stored, by the merchant's primary key."""
    return add_once(RETENTION_POLICIES, policy)


def list_retention_months() -> dict[int, int]:
    """The months that each merchant's entries are stored; whoever is not named has those of the settings."""
    found = {chain: months for policy in RETENTION_POLICIES for chain, months in policy().items()}
    return {chain: max(SHORTEST_MONTHS, months) for chain, months in found.items()}


def get_usual_months() -> int:
    """The months that entries of no merchant are stored."""
    return max(SHORTEST_MONTHS, int(settings.AUDIT_RETENTION_MONTHS))
