"""Where a payer goes after a detour: the page they came from while it still makes sense, else their portal.

A floor above knows what its own pages are about, and says so by registering a voter.
"""

from collections.abc import Callable
from datetime import datetime

from payers.access import PORTAL_PATH
from wisepay.addresses import get_local_path
from wisepay.registries import add_once

LandingPolicy = Callable[[str, datetime], bool | None]
LANDING_POLICIES: list[LandingPolicy] = []


def register_landing_policy(function: LandingPolicy) -> LandingPolicy:
    """Register a function that says whether a path still makes sense; None when it is not its page."""
    return add_once(LANDING_POLICIES, function)


def get_landing_path(wanted: str, *, now: datetime) -> str:
    """`wanted` if it is a page of ours that nobody advises against, else the portal."""
    path = get_local_path(wanted)
    votes = [voter(path, now) for voter in LANDING_POLICIES] if path else [False]
    return PORTAL_PATH if False in votes else path
