"""Signing in with what a mailed link proved, through django-allauth, so that a second factor is still asked for."""

from typing import cast

from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.stages import LoginByCodeStage
from django.http import HttpRequest, HttpResponse

from wisepay.models import User


def sign_in_by_mailed_link(request: HttpRequest, user: User, *, next_path: str) -> HttpResponse:
    """Sign in somebody who chose a password behind a mailed link, and lead to `next_path`."""
    # allauth's public functions sign in by its own forms only; its flow is what keeps the second factor asked for.
    record_authentication(request, user, method="password", email=user.email)
    # The mailed link proved the address as a mailed code would, so no code is mailed right after it.
    state = {"stages": {LoginByCodeStage.key: {"handled": True}}}
    login = Login(user=user, redirect_url=next_path, email_verification=EmailVerificationMethod.NONE, state=state)
    return cast(HttpResponse, perform_login(request, login))
