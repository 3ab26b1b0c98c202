"""Who must prove a second thing at sign-in: a vote of the floors above, and what a person has enrolled."""

from collections.abc import Callable

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled

from wisepay.models import User
from wisepay.registries import add_once

SecondFactorPolicy = Callable[[User], bool | None]
SECOND_FACTOR_TYPES = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
_policies: list[SecondFactorPolicy] = []


def register_second_factor_policy(policy: SecondFactorPolicy) -> SecondFactorPolicy:
    """Let `voter(user)` vote: True for needed, False for not needed, None for no opinion."""
    return add_once(_policies, policy)


def needs_second_factor(user: User) -> bool:
    """One True wins; without any, one False frees the person; where nobody has an opinion it is needed."""
    opinions = {voter(user) for voter in _policies}
    return True in opinions or False not in opinions


def has_second_factor(user: User) -> bool:
    """Whether an authenticator app or a key of theirs is enrolled, which then asks instead of a mailed code."""
    return bool(is_mfa_enabled(user, SECOND_FACTOR_TYPES))
