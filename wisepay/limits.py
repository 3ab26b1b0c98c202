"""How often codes may be mailed and guessed; counted in the database, so that parallel guesses count too."""

from datetime import timedelta

from django.utils import timezone

from wisepay.http import seconds_over_limit
from wisepay.models import RateWindow, User

HOUR = timedelta(hours=1)
CODES_PER_HOUR = 8  # that nobody answered
GUESSES_PER_HOUR = 30


def is_one_code_too_many(email: str) -> bool:
    """Count one code mailed to `email`."""
    return over(f"code:{email.lower()}"[:120], CODES_PER_HOUR)


def is_one_guess_too_many(user: User) -> bool:
    """Count one guess at a code of `user`."""
    return over(f"guess:{user.pk}", GUESSES_PER_HOUR)


def forget_codes(user: User) -> None:
    """Begin anew after the right code."""
    RateWindow.objects.filter(key__in=[f"code:{user.email.lower()}"[:120], f"guess:{user.pk}"]).delete()


def over(key: str, limit: int) -> bool:
    """Whether this use of `key` is one too many for this hour."""
    return seconds_over_limit(key, limit=limit, per=HOUR, now=timezone.now()) > 0
