"""Who must prove a second thing at sign-in: a vote of the floors above, and what a person has enrolled."""

from collections.abc import Callable

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled

from wisepay.models import User

Voter = Callable[[User], bool | None]
ENROLLED = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
_voters: list[Voter] = []


def two_factor_voter(voter: Voter) -> Voter:
    """Let `voter(user)` vote: True for needed, False for not needed, None for no opinion."""
    _voters.append(voter)
    return voter


def needs_second_factor(user: User) -> bool:
    """One True wins; without any, one False frees the person; where nobody has an opinion it is needed."""
    opinions = {voter(user) for voter in _voters}
    return True in opinions or False not in opinions


def has_second_factor(user: User) -> bool:
    """Whether an authenticator app or a key of theirs is enrolled, which then asks instead of a mailed code."""
    return bool(is_mfa_enabled(user, ENROLLED))
