"""Forms of the PSA floor: the keys, who writes payments, and what a person decides."""

from typing import Any

from django import forms

from psa.models import DebitTiming, Writer
from wisepay.forms import WordsField


class PsaKeysForm(forms.Form):
    """Where the merchant's PSA is, and the keys of an API member."""

    site = WordsField(
        max_length=120,
        label="Site",
        help_text="The host name that you sign in at, for example na.myconnectwise.net.",
    )
    company = WordsField(max_length=60, label="Company", help_text="The company that you name when you sign in.")
    public_key = WordsField(max_length=120, label="Public key")
    private_key = WordsField(
        max_length=120,
        label="Private key",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Both keys belong to an API member. The private one is stored encrypted, and never shown again.",
    )

    def clean_company(self) -> str:
        company: str = self.cleaned_data["company"]
        return self._check_key(company)

    def clean_public_key(self) -> str:
        return self._check_key(self.cleaned_data["public_key"])

    def clean_private_key(self) -> str:
        return self._check_key(self.cleaned_data["private_key"])

    def _check_key(self, text: str) -> str:
        if not text.isascii() or any(character in "+:/?# " for character in text):
            raise forms.ValidationError("It holds no spaces and none of + : / ? #. Copy it again.")
        return text


class PsaSettingsForm(forms.Form):
    """Who writes payments to PSA and which, when a bank debit is written, and whose PDF payers see."""

    written_by = forms.ChoiceField(
        choices=Writer,
        label="Payments to ConnectWise PSA are written by",
        help_text="If your accounting sync carries payments to PSA, choose “Another tool”: two would write each twice.",
    )
    writes_debits = forms.ChoiceField(choices=DebitTiming, label="A bank debit is written")
    syncs_payments = forms.BooleanField(
        required=False,
        label="Payment Sync writes to ConnectWise PSA what was paid in the books",
        help_text="Only where Wise-Pay writes payments, and only what was not paid with Wise-Pay.",
    )
    shows_documents = forms.BooleanField(
        required=False,
        label="Payers see the PDF of ConnectWise PSA",
        help_text="Instead of the accounting package's, for invoices that are in both.",
    )


class JoinForm(forms.Form):
    """Which invoice of the books one of PSA is."""

    ledger_invoice = forms.SlugField(max_length=20)


class DecisionForm(forms.Form):
    """What a person decides; each field belongs to one act."""

    act = forms.ChoiceField(
        choices=[(act, act) for act in ("write", "again", "choose", "assign", "settle")],
        widget=forms.HiddenInput,
        error_messages={"required": "Press one of the buttons.", "invalid_choice": "Press one of the buttons."},
    )
    number = WordsField(max_length=40, required=False, label="Number of the invoice in ConnectWise PSA")
    invoice = forms.IntegerField(required=False, min_value=1, max_value=2**31, widget=forms.HiddenInput)
    payment = forms.IntegerField(required=False, min_value=1, max_value=2**31, widget=forms.HiddenInput)
    note = WordsField(max_length=300, required=False, label="What was done?")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("act") == "choose" and not data.get("number") and not data.get("invoice"):
            self.add_error("number", "Write the number of the invoice.")
        return data

    def clean_payment(self) -> int | None:
        payment: int | None = self.cleaned_data["payment"]
        if payment is None and self.cleaned_data.get("act") == "assign":
            raise forms.ValidationError("Choose one of the payments.")
        return payment

    def clean_note(self) -> str:
        note: str = self.cleaned_data["note"]
        if len(note) < 5 and self.cleaned_data.get("act") == "settle":
            raise forms.ValidationError("Say what was done in ConnectWise PSA, in a few words.")
        return note
