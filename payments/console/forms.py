"""Forms of the merchant's payment pages."""

from typing import Any

from django import forms


class GatewayKeysForm(forms.Form):
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
        required=False,
        error_messages={"invalid": "A webhook secret begins with whsec_."},
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Leave it empty: Wise-Pay makes the endpoint. Only for an endpoint that you made yourself.",
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        publishable, secret = found.get("publishable_key", ""), found.get("secret_key", "")
        if publishable and secret and ("_live_" in publishable) != ("_live_" in secret):
            self.add_error("secret_key", "One key is a test key and the other is live: use two of the same kind.")
        return found
