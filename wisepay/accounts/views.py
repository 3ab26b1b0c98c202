"""The page of signing in that django-allauth does not have: the offer of a second factor."""

from allauth.account.adapter import get_adapter
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET


@login_required
@require_GET
def offer_second_factor(request: HttpRequest) -> HttpResponse:
    """Offer an authenticator app after a mailed code; the session keeps where the person wanted to go."""
    requested = request.GET.get("next", "")
    next_url = requested if requested and get_adapter().is_safe_url(requested) else reverse("merchants:home")
    request.session["after_setup"] = next_url
    return render(request, "account/two_factor_offer.html", {"next_url": next_url})
