"""The call budget's terms: each provider's limits, priorities, accounts, what is left, and the refusal."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, Self

from django.conf import settings

from wisepay.errors import Unavailable

Priority = Literal["interactive", "company", "service"]

REFUSAL_MESSAGES = {
    "minute": "The calls of this minute are used up",
    "day": "The calls of this day are used up",
    "appminute": "Too many calls of all organisations in this minute",
    "second": "The calls of this second are used up",
    "concurrent": "As many calls as allowed are on their way",
    "company": "Work that people wait for goes first",
    "outage": "Calls are counted slowly, because the shared count is not reachable",
}


class BudgetOwner(Protocol):
    """One app at one organisation, whose calls are counted together. A Connection is one."""

    @property
    def provider(self) -> str: ...

    @property
    def client_id(self) -> str: ...

    @property
    def organisation_id(self) -> str: ...


@dataclass(slots=True)
class BudgetAccount:
    """A budget owner without a database, for adapters. `was_accepted` once the provider accepted its credentials."""

    provider: str
    client_id: str
    organisation_id: str
    was_accepted: bool = False

    @classmethod
    def from_owner(cls, owner: BudgetOwner) -> Self:
        """The account on which a connection's calls are counted."""
        return cls(owner.provider, owner.client_id, owner.organisation_id)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What a provider allows one app at one organisation; 0 means that there is no such limit.

    The margins stay unused until a window is expected to turn: the first call of the next window is tried with them.
    """

    minute: int
    day: int
    in_flight: int
    second: int = 0
    app_minute: int = 0
    minute_margin: int = 1
    day_margin: int = 30
    reserve: int = 10  # calls of a minute that only interactive work may use
    headers: int = 1  # whether answers say how many calls are left
    lease: int = 30  # seconds after which the worker of a call counts as dead


@dataclass(frozen=True, slots=True)
class RemainingCalls:
    """The calls that an answer says are left of each budget; None where it says nothing."""

    minute: int | None = None
    day: int | None = None
    app_minute: int | None = None
    problem: str = "minute"
    retry_after: float = 60.0


@dataclass(frozen=True, slots=True)
class BudgetUsage:
    """What is left of a budget, for a page; None where it is not known."""

    minute_left: int | None
    minute_limit: int
    day_left: int | None
    day_limit: int
    in_flight: int | None = None
    resets_in_seconds: int | None = None
    queue_note: str = ""


class OutOfBudget(Unavailable):
    """Nothing was sent: the budget has no call for this priority now. The provider itself is available."""

    def __init__(self, reason: str, *, retry_after: float) -> None:
        message = REFUSAL_MESSAGES.get(reason, f"The {reason} limit is reached")
        super().__init__(message, retry_after=retry_after, maybe_done=False)
        self.reason = reason


def get_rate_limits(provider: str) -> RateLimits:
    """Get the limits of a provider. Raises KeyError for an unknown one."""
    a_second = settings.QUICKBOOKS_A_SECOND
    table = {
        "xero": RateLimits(minute=60, day=settings.XERO_DAY_LIMIT, in_flight=5, app_minute=10_000),
        "quickbooks": RateLimits(minute=500, day=0, in_flight=10, second=a_second, reserve=40, headers=0),
        # Each of its batches is one of the calls above as well.
        "quickbooks-batches": RateLimits(minute=40, day=0, in_flight=10, reserve=4, headers=0),
    }
    return table[provider]


def render_rate_limits(limits: RateLimits) -> str:
    """Render the limits as JSON for the script."""
    return json.dumps(asdict(limits))


def parse_remaining_calls(headers: Mapping[str, str]) -> RemainingCalls:
    """Parse an answer's headers; None for what is missing or no number."""
    found = {name.lower(): value for name, value in headers.items()}
    return RemainingCalls(
        minute=_parse_integer(found.get("x-minlimit-remaining")),
        day=_parse_integer(found.get("x-daylimit-remaining")),
        app_minute=_parse_integer(found.get("x-appminlimit-remaining")),
        problem=found.get("x-rate-limit-problem", "minute").lower(),
        retry_after=float(_parse_integer(found.get("retry-after")) or 60),
    )


def _parse_integer(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None
