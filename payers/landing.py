"""Where a payer goes after a detour: the page they came from while it still makes sense, else their portal.

A floor above knows what its own pages are about, and says so by registering a voter.
"""

from collections.abc import Callable
from datetime import datetime

from payers.access import PORTAL, local_path

Voter = Callable[[str, datetime], bool | None]
VOTERS: list[Voter] = []


def landing_voter(function: Voter) -> Voter:
    """Register a function that says whether a path still makes sense; None when it is not its page."""
    if function not in VOTERS:
        VOTERS.append(function)
    return function


def landing_path(wanted: str, *, now: datetime) -> str:
    """`wanted` if it is a page of ours that nobody advises against, else the portal."""
    path = local_path(wanted)
    votes = [voter(path, now) for voter in VOTERS] if path else [False]
    return PORTAL if False in votes else path
