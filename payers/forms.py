"""Forms of payers: their first password, their details, the terms."""

from collections.abc import Sequence
from typing import Any

from babel import Locale
from django import forms
from django.contrib.auth.password_validation import validate_password

from payers.completion import PayerDetails
from payers.models import Payer, PayerAccess
from wisepay.forms import WordsField
from wisepay.models import User

NO_COUNTRIES = {"EU", "EZ", "UN", "ZZ", "QO", "XA", "XB"}
COUNTRIES = sorted(
    ((code, name) for code, name in Locale("en").territories.items() if len(code) == 2 and code not in NO_COUNTRIES),
    key=lambda one: one[1],
)


class PasswordForm(forms.Form):
    """Create New Password: twice the same, and one that Django's validators accept."""

    password = forms.CharField(
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
    )
    confirm = forms.CharField(
        label="Confirm Password",
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if "password" in found and "confirm" in found and found["password"] != found["confirm"]:
            self.add_error("confirm", "The two passwords are not the same.")
        return found


def _text(label: str, most: int, autocomplete: str, *, required: bool = False) -> WordsField:
    """A line of text that browsers can fill in."""
    return WordsField(
        label=label,
        max_length=most,
        required=required,
        widget=forms.TextInput(attrs={"autocomplete": autocomplete}),
    )


class PayerDetailsForm(forms.Form):
    """Who the payer is and where they live."""

    name = _text("Full name", 120, "name", required=True)
    phone = _text("Phone", 40, "tel")
    job_title = _text("Job position", 80, "organization-title")
    line1 = _text("Address", 120, "address-line1")
    line2 = _text("Address, second line", 120, "address-line2")
    city = _text("City or suburb", 80, "address-level2")
    state = _text("State or region", 80, "address-level1")
    postal_code = _text("Postal code", 20, "postal-code")
    country = forms.ChoiceField(
        choices=[("", "Choose a country"), *COUNTRIES],
        required=False,
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )

    ADDRESS = ("line1", "line2", "city", "state", "postal_code", "country")

    @classmethod
    def for_payer(cls, payer: Payer, data: Any = None, accesses: Sequence[PayerAccess] = ()) -> "PayerDetailsForm":
        """The form filled with what is on record, or else with what was typed to ask for these accesses."""
        address = {name: str(payer.address.get(name, "")) for name in cls.ADDRESS}
        known = {"name": payer.user.name, "phone": payer.phone, "job_title": payer.job_title}
        for access in accesses:
            known["name"], known["phone"] = known["name"] or access.typed_name, known["phone"] or access.typed_phone
        return cls(data, initial=known | address)

    def get_details(self) -> PayerDetails:
        """What a valid form says."""
        found = self.cleaned_data
        return PayerDetails(
            name=" ".join(found["name"].split()),
            phone=found["phone"],
            job_title=found["job_title"],
            address={name: found[name] for name in self.ADDRESS if found[name]},
        )


class AgreementForm(forms.Form):
    """The tick at "I agree to the terms", with the ids of the texts that were shown."""

    terms = forms.RegexField(r"^\d+(,\d+)*$", max_length=400, widget=forms.HiddenInput)
    agree = forms.BooleanField(
        label="I agree to the terms", error_messages={"required": "Please read the terms and tick the box."}
    )

    def get_seen_terms(self) -> set[int]:
        """The ids of the texts, of a valid form."""
        return {int(one) for one in self.cleaned_data["terms"].split(",")}


class ReasonForm(forms.Form):
    """Why somebody looks at a payer's view; the payer reads it."""

    reason = WordsField(
        max_length=200,
        help_text="The payer is told, with this reason.",
        error_messages={"required": "Say in a few words why you look at what this payer sees."},
    )

    def clean_reason(self) -> str:
        return " ".join(self.cleaned_data["reason"].split())
