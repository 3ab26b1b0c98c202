"""Forms and pages of signing in that are ours and not django-allauth's."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import ConfirmLoginCodeForm, ResetPasswordForm
from allauth.account.stages import LoginByCodeStage, LoginStageController
from allauth.core import context
from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from wisepay.http import never_cached
from wisepay.login_code_limits import is_code_guess_limit_exceeded
from wisepay.models import User


class LoginCodeForm(ConfirmLoginCodeForm):  # type: ignore[misc]
    """Takes the mailed code; guesses are counted for the person, not only for the browser."""

    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )

    def clean_code(self) -> str:
        stage = LoginStageController.enter(context.request, LoginByCodeStage.key)
        if stage and stage.login.user and is_code_guess_limit_exceeded(stage.login.user):
            raise get_adapter().validation_error("too_many_login_attempts")
        return str(super().clean_code())


class PasswordResetForm(ResetPasswordForm):  # type: ignore[misc]
    """Mails a link only to the address that somebody signs in with, not to one that waits to be verified."""

    def clean_email(self) -> str:
        email = str(super().clean_email())
        found: list[User] = self.users  # type: ignore[has-type]
        self.users = [user for user in found if user.email.lower() == email.lower()]
        return email


@never_cached
@login_required
@require_GET
def offer_second_factor(request: HttpRequest) -> HttpResponse:
    """After a mailed code: an app could give the next one. What the person came for is remembered meanwhile."""
    wanted = request.GET.get("next", "")
    wanted = wanted if wanted and get_adapter().is_safe_url(wanted) else reverse("merchants:home")
    request.session["after_setup"] = wanted
    return render(request, "account/two_factor_offer.html", {"wanted": wanted})
