"""Forms of Pay Now and of the gateway's keys."""

from typing import Any

from django import forms

from payments.services import Payer


class AttemptForm(forms.Form):
    """What the pay page posts: the payer, the amount they were shown, the gateway's token."""

    name = forms.CharField(max_length=120, label="Full name")
    email = forms.EmailField(max_length=254, label="E-mail")
    phone = forms.CharField(max_length=40, required=False, label="Phone")
    amount = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    confirmation_token = forms.RegexField(r"^ctoken_[A-Za-z0-9_]{6,200}$", widget=forms.HiddenInput)

    def payer(self, *, ip: str, user_agent: str) -> Payer:
        """The payer, of a valid form."""
        found = self.cleaned_data
        return Payer(found["name"], found["email"], found["phone"], ip=ip, user_agent=user_agent)


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
