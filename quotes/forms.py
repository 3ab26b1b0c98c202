"""Forms of the integrations: our own contract's, and the keys and settings of ConnectWise CPQ."""

from typing import Any

from django import forms

from quotes.models import CpqConnection, CpqWord
from quotes.providers.cpq import DATE_FIELDS, STATUS_FIELDS, CpqKeys
from quotes.services import HOST_PATTERN, find_url_problem
from wisepay.forms import ParagraphsField, WordsField
from wisepay.money import list_currencies
from wisepay.outbound import find_host_problem


class IntegrationForm(forms.Form):
    """The switch and the hosts that quotes live on, one a line."""

    is_enabled = forms.BooleanField(required=False, label="Is Enabled")
    hosts = ParagraphsField(
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        label="CPQ hosts",
        max_length=1000,
        help_text="Payers return only to these hosts. One a line; *.orderporter.com stands for all its subdomains.",
    )

    def clean_hosts(self) -> list[str]:
        hosts = [line.strip().lower() for line in self.cleaned_data["hosts"].splitlines() if line.strip()]
        wrong = [h for h in hosts if not HOST_PATTERN.fullmatch(h)]
        if wrong:
            raise forms.ValidationError(f"{wrong[0]} is not a host name. Write for example na1.orderporter.com.")
        for host in hosts:
            if problem := find_host_problem(host):
                raise forms.ValidationError(f"{host} {problem}. Write the public name of your CPQ.")
        return list(dict.fromkeys(hosts))


KEY = r"^[\x21-\x39\x3b-\x7e]{4,200}$"  # no colon, which ends the user's name in a Basic header
MEANINGS = {
    "interval": [(name, f"Every {name}") for name in ("week", "month", "quarter", "year")],
    "status": [("payable", "Can be paid"), ("dead", "Can't be paid")],
}


class CpqKeysForm(forms.Form):
    """The three keys: written, tested, and never shown again."""

    access_key = forms.RegexField(
        KEY,
        error_messages={"invalid": "An access key has no spaces and no colon."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="It stands in the address of CPQ after you signed in there: …/QuosalWeb/home?accesskey=…",
    )
    public_key = forms.RegexField(
        KEY,
        error_messages={"invalid": "A public key has no spaces and no colon."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    private_key = forms.RegexField(
        KEY,
        error_messages={"invalid": "A private key has no spaces and no colon."},
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="CPQ shows it once, when the keys are made. Stored encrypted and never shown again.",
    )

    def clean(self) -> dict[str, str]:
        found = super().clean() or {}
        for name in ("access_key", "public_key"):
            if "+" in found.get(name, ""):
                self.add_error(name, "This is one key only: write what stands before or after the plus sign.")
        return found

    def get_keys(self) -> CpqKeys:
        """The keys of a valid form."""
        return CpqKeys(**self.cleaned_data)


class CpqSettingsForm(forms.Form):
    """The switch, the form of the link, and where Order Porter's pages are; `hosts` are those that quotes live on."""

    is_enabled = forms.BooleanField(required=False, label="Is Enabled")
    is_polled = forms.BooleanField(required=False, label="Look for accepted quotes without a click, every few minutes")
    mails_links = forms.BooleanField(
        required=False,
        label="Mail the link to pay to whoever accepts a quote from now on",
        help_text="For quotes that are found without a click: one mail a version, to the quote's contact. "
        "What was accepted before is never mailed.",
    )
    status_field = forms.ChoiceField(
        required=False,
        label="Write how the payment stands into",
        choices=[("", "No field"), *((name, name) for name in STATUS_FIELDS)],
        help_text="A custom field of quotes in CPQ that nothing else uses. What stands in it is overwritten.",
    )
    date_field = forms.ChoiceField(
        required=False,
        label="Write the day of it into",
        choices=[("", "No field"), *((name, name) for name in DATE_FIELDS)],
    )
    link_form = forms.ChoiceField(choices=CpqConnection.LinkForm.choices, label="Form of the link")
    order_porter_url = forms.CharField(
        required=False,
        max_length=500,
        label="Order Porter's page",
        help_text="The address of a quote up to its question mark, for the way back after paying.",
    )

    def __init__(self, *args: object, hosts: list[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.hosts = hosts

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("mails_links") and not found.get("is_polled"):
            self.add_error("mails_links", "Links are mailed for quotes that are looked for: switch that on, too.")
        return found

    def clean_order_porter_url(self) -> str:
        url = str(self.cleaned_data["order_porter_url"]).strip().partition("?")[0]
        if url and (problem := find_url_problem(url, hosts=self.hosts)):
            raise forms.ValidationError(problem)
        return url


class LinkTestForm(forms.Form):
    """A link of a real quote, as the merchant has it before them."""

    link = WordsField(max_length=500, label="Address of an accepted quote")


class MeaningForm(forms.Form):
    """What a word of CPQ means."""

    meaning = forms.ChoiceField(required=False)

    def __init__(self, *args: object, word: CpqWord, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        currencies = [(code, code) for code in sorted(list_currencies())]
        known = MEANINGS.get(word.kind, currencies)
        self.fields["meaning"] = forms.ChoiceField(
            required=False, choices=[("", "Not known: quotes with it are refused"), *known], label=str(word)
        )
