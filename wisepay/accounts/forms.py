"""The forms of signing in that differ from django-allauth's."""

import structlog
from allauth.account.adapter import get_adapter
from allauth.account.forms import ConfirmLoginCodeForm, ResetPasswordForm
from allauth.account.stages import LoginByCodeStage, LoginStageController
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP
from django import forms
from django.utils.translation import gettext_lazy as _

from wisepay.accounts.factor_secrets import secrets_of
from wisepay.accounts.services import is_code_guess_limit_exceeded
from wisepay.forms import WordsField
from wisepay.models import User
from wisepay.secrets import UndecipherableSecret

logger = structlog.get_logger(__name__)


class OwnNameForm(forms.Form):
    """What a person is called, as everybody reads it whom they work with."""

    name = WordsField(
        label=_("Name"),
        max_length=120,
        help_text=_("Shown beside what you do."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


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


class OwnSecretsMixin:
    """Compares a code with this person's own secrets; one that belongs to somebody else accepts nothing."""

    def clean_code(self) -> str:
        person: User = self.user  # type: ignore[attr-defined]
        try:
            with secrets_of(person.pk):
                return str(super().clean_code())  # type: ignore[misc]
        except UndecipherableSecret as error:
            logger.exception("factor_of_another", user=person.pk)
            raise get_mfa_adapter().validation_error("incorrect_code") from error


class FactorCodeForm(OwnSecretsMixin, AuthenticateForm):  # type: ignore[misc]
    """The code of an app, or a recovery code, at sign-in."""


class FactorCodeAgainForm(OwnSecretsMixin, ReauthenticateForm):  # type: ignore[misc]
    """The same, to confirm who is there."""


class ActivateAppForm(ActivateTOTPForm):  # type: ignore[misc]
    """The first code of an app; like any other it works once, and does not sign in afterwards."""

    def clean_code(self) -> str:
        code = str(super().clean_code())
        if not TOTP(Authenticator(user=self.user, type=Authenticator.Type.TOTP))._mark_code_used(code):
            raise get_mfa_adapter().validation_error("incorrect_code")
        return code


class PasswordResetForm(ResetPasswordForm):  # type: ignore[misc]
    """A link by e-mail, to the address that somebody signs in with and not to one that waits to be verified."""

    def clean_email(self) -> str:
        email = str(super().clean_email())
        found: list[User] = self.users  # type: ignore[has-type]
        self.users = [user for user in found if user.email.lower() == email.lower()]
        return email
