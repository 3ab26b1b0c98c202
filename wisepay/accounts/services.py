"""What a person has to prove: the address, a second factor, a mailed code, and again before a secret is shown."""

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from wisepay import clock
from wisepay.budgets import Budget, spend, spend_for_network
from wisepay.events import add_once
from wisepay.http import record_rate_limited_use
from wisepay.models import RateWindow, User

SecondFactorPolicy = Callable[[User], bool | None]
SECOND_FACTOR_POLICIES: list[SecondFactorPolicy] = []
SECOND_FACTOR_TYPES = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
HOUR = timedelta(hours=1)
CODES_PER_HOUR = 8  # that were mailed and not entered
GUESSES_PER_HOUR = 30


def sync_email_address(user: User, *, verified: bool = False) -> None:
    """Create or update allauth's row of the address that `user` signs in with.

    `verified` when they came by a link mailed to it; an address is never marked unverified.
    """
    email = user.email.lower()
    row = EmailAddress.objects.filter(user=user, email=email).first()
    if row is None:
        is_first = not EmailAddress.objects.filter(user=user, primary=True).exists()
        EmailAddress.objects.create(user=user, email=email, primary=is_first, verified=verified)
    elif verified and not row.verified:
        EmailAddress.objects.filter(pk=row.pk).update(verified=True)


def register_second_factor_policy(policy: SecondFactorPolicy) -> SecondFactorPolicy:
    """Register who says whether a user needs a second factor: True, False, or None for no opinion."""
    return add_once(SECOND_FACTOR_POLICIES, policy)


def needs_second_factor(user: User) -> bool:
    """Whether a second factor is asked for: if any policy says so, or if none says that it is not needed."""
    opinions = {policy(user) for policy in SECOND_FACTOR_POLICIES}
    return True in opinions or False not in opinions


def has_second_factor(user: User) -> bool:
    """Whether the user has an authenticator app or a key, which is then asked for instead of a mailed code."""
    return bool(is_mfa_enabled(user, SECOND_FACTOR_TYPES))


def list_people_with_second_factor(users: Iterable[User]) -> set[int]:
    """The primary keys of those users who have an authenticator app or a key. One query."""
    found = Authenticator.objects.filter(user__in=users, type__in=SECOND_FACTOR_TYPES)
    return set(found.values_list("user_id", flat=True))


def has_reauthenticated(request: HttpRequest) -> bool:
    """Whether the person re-authenticated in the last minutes; a sign-in alone does not count."""
    oldest = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    records = get_authentication_records(request, request.user)
    return any(r.get("reauthenticated") and r["at"] > oldest for r in records)


def redirect_to_reauthentication(request: HttpRequest, *, next_path: str = "") -> HttpResponse:
    """Redirect to the re-authentication page, which leads back to this one, or to `next_path`."""
    query = urlencode({"next": next_path or request.get_full_path()})
    return redirect(f"{reverse('account_reauthenticate')}?{query}")


def ask_for_proof(request: HttpRequest, *, then: str = "") -> HttpResponse | None:
    """Send a person who has not proved their identity in the last minutes to do so; None if they have.

    For acts that replace a key. They come back to `then`, or to this page: what its form held is not kept, since
    keys belong into no session.
    """
    if has_reauthenticated(request):
        return None
    words = "Confirm that it is you. Nothing was changed yet: you come back to the form and fill it in once more."
    messages.info(request, words)
    return redirect_to_reauthentication(request, next_path=then)


# Codes are counted in the database, so that parallel guesses count too.
def is_mailed_code_limit_exceeded(email: str) -> bool:
    """Count one code mailed to `email`; True when it is one too many for this hour."""
    return is_hourly_limit_exceeded(f"code:{email.lower()}"[:120], CODES_PER_HOUR)


def is_mail_limit_exceeded(email: str, *, ip: str) -> bool:
    """Count one mail that somebody at `ip` has us write to `email`; True when it is one too many."""
    now = clock.now()
    return bool(
        spend(Budget.MAILS_TO_ADDRESS, email, now=now) or spend_for_network(Budget.MAILS_FROM_NETWORK, ip, now=now)
    )


def is_code_guess_limit_exceeded(user: User) -> bool:
    """Count one guess at a code of `user`; True when it is one too many for this hour."""
    return is_hourly_limit_exceeded(f"guess:{user.pk}", GUESSES_PER_HOUR)


def is_hourly_limit_exceeded(key: str, limit: int) -> bool:
    """Count one use of `key`; True when it is more than `limit` allows for this hour."""
    return record_rate_limited_use(key, limit=limit, per=HOUR, now=clock.now()) > 0


def reset_code_limits(user: User) -> None:
    """Forget the codes and guesses of `user` after the right code."""
    RateWindow.objects.filter(key__in=[f"code:{user.email.lower()}"[:120], f"guess:{user.pk}"]).delete()
