"""The pages of a person's account that django-allauth does not have: the offer of a second factor, and the name."""

from typing import cast

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from wisepay.accounts.forms import OwnNameForm
from wisepay.audit import record_account_audit
from wisepay.audit_log.changes import describe_values
from wisepay.models import User


@login_required
@require_GET
def offer_second_factor(request: HttpRequest) -> HttpResponse:
    """Offer an authenticator app after a mailed code; the session keeps where the person wanted to go."""
    requested = request.GET.get("next", "")
    next_url = requested if requested and get_adapter().is_safe_url(requested) else reverse("merchants:home")
    request.session["after_setup"] = next_url
    return render(request, "account/two_factor_offer.html", {"next_url": next_url})


@login_required
@require_http_methods(["GET", "POST"])
def change_own_name(request: HttpRequest) -> HttpResponse:
    """What the person is called."""
    person = cast(User, request.user)
    form = OwnNameForm(request.POST if request.method == "POST" else None, initial={"name": person.name})
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        if name != person.name:
            detail = describe_values(name=(person.name, name))
            User.objects.filter(pk=person.pk).update(name=name)
            record_account_audit(request, "account.renamed", person=person, detail=detail)
        messages.success(request, _("Saved."))
        return redirect("own_name")
    return render(request, "account/own_name.html", {"form": form}, status=422 if form.errors else 200)
