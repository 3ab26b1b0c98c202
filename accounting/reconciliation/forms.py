"""The form of an acknowledgement."""

from django import forms

from accounting.reconciliation.acknowledgements import MAX_REASON_LENGTH
from wisepay.forms import WordsField


class AcknowledgementForm(forms.Form):
    """A difference that is known, and why; `shown` is what `sign_difference` returned."""

    shown = forms.CharField(max_length=8000, widget=forms.HiddenInput)
    reason = WordsField(max_length=MAX_REASON_LENGTH)
