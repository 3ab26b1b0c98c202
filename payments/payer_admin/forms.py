"""Forms of Payer Admin."""

from django import forms

from payers.models import PayerAccess
from wisepay.forms import MailField, WordsField

CONTACT_ID = r"^[A-Za-z0-9-]{1,60}$"


class CompanyForm(forms.Form):
    """A payer company, by its name and, where one was picked, the accounting contact that it is."""

    # The accounting package's contacts are asked for with this field alone, and `q` is what they listen to.
    q = WordsField(
        label="Payer Company Name",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "known-companies"}),
    )
    contact_id = forms.RegexField(CONTACT_ID, required=False, widget=forms.HiddenInput)


class AddPayerForm(CompanyForm):
    """Add Payer."""

    email = MailField(label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    name = WordsField(label="Full name", max_length=120, widget=forms.TextInput(attrs={"autocomplete": "off"}))


class RenameCompanyForm(forms.Form):
    """What a company is called."""

    name = WordsField(label="Company name", max_length=200)


class AccessScopeForm(forms.Form):
    """How much of a company a payer may see."""

    scope = forms.ChoiceField(choices=PayerAccess.Scope.choices)
