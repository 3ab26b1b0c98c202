"""Which contact a company is to be."""

from django import forms


class ContactForm(forms.Form):
    """A contact of the connected accounting package, by its id there."""

    contact_id = forms.RegexField(r"^[A-Za-z0-9-]{1,60}$")
