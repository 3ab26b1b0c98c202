"""Browsers in which somebody has signed in before: a guesser elsewhere cannot lock them out."""

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse

from wisepay import clock
from wisepay.budgets import Budget, count, count_for_network, spend, spend_for_network
from wisepay.models import User

KNOWN_BROWSER = f"{settings.COOKIE_PREFIX}known_browser"  # the cookie's name
MAX_AGE = 90 * 24 * 3600  # seconds
signer = TimestampSigner(salt="wisepay.known_browser")


def remember_browser(response: HttpResponse, user: User) -> None:
    """Let this browser prove later that `user` has signed in with it; it opens nothing by itself."""
    response.set_cookie(
        KNOWN_BROWSER,
        signer.sign(user.email.lower()),
        MAX_AGE,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )


def is_known_browser(request: HttpRequest, email: str) -> bool:
    """Whether the person of that address has signed in with this browser."""
    try:
        return bool(email) and signer.unsign(request.COOKIES.get(KNOWN_BROWSER, ""), max_age=MAX_AGE) == email
    except BadSignature:
        return False


def record_sign_in_failure(email: str, *, ip: str) -> None:
    """Count a wrong password for the address, wherever it was typed, and for the network that it was typed in."""
    now = clock.now()
    spend(Budget.SIGN_IN_FAILURES, email, now=now)
    spend_for_network(Budget.SIGN_IN_FAILURES_OF_NETWORK, ip, now=now)


def is_guessing_stopped(email: str, *, ip: str) -> bool:
    """Whether so many wrong passwords came for the address, or from the network, that only known browsers go on."""
    now = clock.now()
    for_address = count(Budget.SIGN_IN_FAILURES, email, now=now)
    of_network = count_for_network(Budget.SIGN_IN_FAILURES_OF_NETWORK, ip, now=now)
    is_address_attacked = for_address >= int(settings.SIGN_IN_FAILURES_PER_ADDRESS_HOUR)
    return is_address_attacked or of_network >= int(settings.SIGN_IN_FAILURES_PER_NETWORK_HOUR)
