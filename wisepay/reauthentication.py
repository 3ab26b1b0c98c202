"""Asking a signed-in person to prove again who they are, before a secret is shown."""

import time

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode


def has_reauthenticated(request: HttpRequest) -> bool:
    """Whether this session holds a re-authentication that is young enough; a sign-in alone is none."""
    oldest = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    records = get_authentication_records(request, request.user)
    return any(r.get("reauthenticated") and r["at"] > oldest for r in records)


def redirect_to_reauthentication(request: HttpRequest) -> HttpResponse:
    """Send the person to the re-authentication page, and from there back to where they are."""
    return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': request.get_full_path()})}")
