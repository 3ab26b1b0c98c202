"""How often codes may be mailed and guessed; counted in the database, so that parallel guesses count too."""

from datetime import timedelta

from wisepay import clock
from wisepay.http import record_rate_limited_use
from wisepay.models import RateWindow, User

HOUR = timedelta(hours=1)
CODES_PER_HOUR = 8  # that nobody answered
GUESSES_PER_HOUR = 30


def is_mailed_code_limit_exceeded(email: str) -> bool:
    """Count one code mailed to `email`."""
    return is_hourly_limit_exceeded(f"code:{email.lower()}"[:120], CODES_PER_HOUR)


def is_code_guess_limit_exceeded(user: User) -> bool:
    """Count one guess at a code of `user`."""
    return is_hourly_limit_exceeded(f"guess:{user.pk}", GUESSES_PER_HOUR)


def reset_code_limits(user: User) -> None:
    """Begin anew after the right code."""
    RateWindow.objects.filter(key__in=[f"code:{user.email.lower()}"[:120], f"guess:{user.pk}"]).delete()


def is_hourly_limit_exceeded(key: str, limit: int) -> bool:
    """Whether this use of `key` is one too many for this hour."""
    return record_rate_limited_use(key, limit=limit, per=HOUR, now=clock.now()) > 0
