"""Forms of Pay Now and of the gateway's keys."""

from typing import Any

from django import forms

from payers.models import PayerAccess
from payments.choices import BANK_DEBIT, CARD, Choice, Person
from payments.models import SavedMethod

CONFIRMATION = r"^ctoken_[A-Za-z0-9_]{6,200}$"


class ChoiceForm(forms.Form):
    """How somebody wants to pay or what they save: the gateway's token of a new method, or a kept one."""

    method = forms.ChoiceField(choices=[(CARD, "Card"), (BANK_DEBIT, "Bank debit")], required=False)
    confirmation_token = forms.RegexField(CONFIRMATION, required=False, widget=forms.HiddenInput)
    saved_method = forms.SlugField(max_length=20, required=False)
    saves = forms.BooleanField(required=False)
    accepted_terms = forms.IntegerField(required=False)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not self.errors and bool(found.get("confirmation_token")) == bool(found.get("saved_method")):
            self.add_error("confirmation_token", "Choose how to pay, and try again.")
        return found

    def choice(self, kept: SavedMethod | None) -> Choice:
        """The choice, of a valid form; `kept` is the row that `saved_method` names."""
        found = self.cleaned_data
        return Choice(
            method=found["method"] or CARD,
            confirmation_token=found["confirmation_token"],
            saved_method=kept,
            saves=found["saves"],
            accepted_terms=found["accepted_terms"],
        )


class AttemptForm(ChoiceForm):
    """What the pay page posts: the payer, the amount they were shown, and how they pay."""

    name = forms.CharField(max_length=120, label="Full name")
    email = forms.EmailField(max_length=254, label="E-mail")
    phone = forms.CharField(max_length=40, required=False, label="Phone")
    amount = forms.IntegerField(min_value=1, widget=forms.HiddenInput)

    def person(self, *, ip: str, user_agent: str, access: PayerAccess | None, is_signed_in: bool) -> Person:
        """The payer, of a valid form."""
        found = self.cleaned_data
        return Person(
            found["name"],
            found["email"],
            found["phone"],
            ip=ip,
            user_agent=user_agent,
            access=access,
            is_signed_in=is_signed_in,
        )


class SetupForm(AttemptForm):
    """The same where nothing is due and a method is only saved."""

    amount = forms.IntegerField(required=False, widget=forms.HiddenInput)


class RegisterForm(forms.Form):
    """Payer Information of somebody who wants an account."""

    name = forms.CharField(max_length=120, label="Full name")
    email = forms.EmailField(max_length=254, label="E-mail")
    phone = forms.CharField(max_length=40, required=False, label="Phone")
    accepted_terms = forms.IntegerField(error_messages={"required": "Please read the terms and accept them."})


class GatewayForm(forms.Form):
    """Stripe's keys: written, tested, and never shown again."""

    publishable_key = forms.RegexField(
        r"^pk_(test|live)_\w{8,240}$",
        error_messages={"invalid": "A publishable key begins with pk_test_ or pk_live_."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    secret_key = forms.RegexField(
        r"^(sk|rk)_(test|live)_\w{8,240}$",
        error_messages={"invalid": "A secret key begins with sk_test_, sk_live_, rk_test_ or rk_live_."},
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Stored encrypted and never shown again.",
    )
    webhook_secret = forms.RegexField(
        r"^whsec_[A-Za-z0-9_+/=]{8,240}$",
        error_messages={"invalid": "A webhook secret begins with whsec_."},
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Of the webhook endpoint that you make for the address above.",
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        publishable, secret = found.get("publishable_key", ""), found.get("secret_key", "")
        if publishable and secret and ("_live_" in publishable) != ("_live_" in secret):
            self.add_error("secret_key", "One key is a test key and the other is live: use two of the same kind.")
        return found
