"""What the call budget speaks of: the limits of each provider, lanes, accounts, what is left, and the refusal."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, Self

from django.conf import settings

from wisepay.errors import Unavailable

Lane = Literal["interactive", "company", "service"]

REASONS = {
    "minute": "The calls of this minute are used up",
    "day": "The calls of this day are used up",
    "appminute": "Too many calls of all organisations in this minute",
    "second": "The calls of this second are used up",
    "concurrent": "As many calls as allowed are on their way",
    "company": "Work that people wait for goes first",
    "outage": "Calls are counted slowly, because the shared count is not reachable",
}


class Budgeted(Protocol):
    """Whose calls are counted together: one app at one organisation. A Connection is one."""

    @property
    def provider(self) -> str: ...

    @property
    def client_id(self) -> str: ...

    @property
    def organisation_id(self) -> str: ...


@dataclass(slots=True)
class Account:
    """A Budgeted without a database: what an adapter may hold. `was_accepted` once a call was answered to it."""

    provider: str
    client_id: str
    organisation_id: str
    was_accepted: bool = False

    @classmethod
    def of(cls, budgeted: Budgeted) -> Self:
        """The account that a connection's calls are counted on."""
        return cls(budgeted.provider, budgeted.client_id, budgeted.organisation_id)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider allows one app at one organisation; 0 means that there is no such limit.

    The margins stay unused: they are what the first call of the next window is tried with.
    """

    minute: int
    day: int
    in_flight: int
    second: int = 0
    app_minute: int = 0
    minute_margin: int = 1
    day_margin: int = 30
    reserve: int = 10  # calls of a minute that are kept for people
    headers: int = 1  # whether answers say what is left
    lease: int = 30  # seconds after which the worker of a call is taken for dead


@dataclass(frozen=True, slots=True)
class Remaining:
    """What an answer says is left of each budget; None where it says nothing."""

    minute: int | None = None
    day: int | None = None
    app_minute: int | None = None
    problem: str = "minute"
    retry_after: float = 60.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What is left of a budget, for people; None where nobody knows."""

    minute_left: int | None
    minute_limit: int
    day_left: int | None
    day_limit: int
    in_flight: int | None = None
    resets_in_seconds: int | None = None
    queue_note: str = ""


class OutOfBudget(Unavailable):
    """Nothing was sent: the budget has no call for this lane now. The provider is well."""

    def __init__(self, reason: str, *, retry_after: float) -> None:
        words = REASONS.get(reason, f"The {reason} limit is reached")
        super().__init__(words, retry_after=retry_after, maybe_done=False)
        self.reason = reason


def limits_of(provider: str) -> Limits:
    """The limits of a provider. Raises KeyError."""
    a_second = settings.QUICKBOOKS_A_SECOND
    table = {
        "xero": Limits(minute=60, day=settings.XERO_DAY_LIMIT, in_flight=5, app_minute=10_000),
        "quickbooks": Limits(minute=500, day=0, in_flight=10, second=a_second, reserve=40, headers=0),
        # Each of its batches is one of the calls above as well.
        "quickbooks-batches": Limits(minute=40, day=0, in_flight=10, reserve=4, headers=0),
    }
    return table[provider]


def as_json(limits: Limits) -> str:
    """The limits as the script reads them."""
    return json.dumps(asdict(limits))


def remaining_of(headers: Mapping[str, str]) -> Remaining:
    """What an answer's headers say; what is missing or no number says nothing."""
    found = {name.lower(): value for name, value in headers.items()}
    return Remaining(
        minute=_whole(found.get("x-minlimit-remaining")),
        day=_whole(found.get("x-daylimit-remaining")),
        app_minute=_whole(found.get("x-appminlimit-remaining")),
        problem=found.get("x-rate-limit-problem", "minute").lower(),
        retry_after=float(_whole(found.get("retry-after")) or 60),
    )


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None
