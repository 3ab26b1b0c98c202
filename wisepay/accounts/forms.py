"""The forms of signing in that differ from django-allauth's."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import ConfirmLoginCodeForm, ResetPasswordForm
from allauth.account.stages import LoginByCodeStage, LoginStageController
from allauth.core import context
from django import forms

from wisepay.accounts.services import is_code_guess_limit_exceeded
from wisepay.models import User


class LoginCodeForm(ConfirmLoginCodeForm):  # type: ignore[misc]
    """The mailed code; guesses are counted per user, not only per browser."""

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
    """A link by e-mail, to the address that somebody signs in with and not to one that waits to be verified."""

    def clean_email(self) -> str:
        email = str(super().clean_email())
        found: list[User] = self.users  # type: ignore[has-type]
        self.users = [user for user in found if user.email.lower() == email.lower()]
        return email
