"""Forms of Pay Now."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from merchants.forms import AcceptedTermsField
from payments.models import SavedMethod
from payments.payment_pages.element import CONFIRMATION_TOKEN
from payments.saved_methods.choices import BANK_DEBIT, CARD, PaymentChoice, Person
from wisepay.forms import MailField, WordsField

RADAR_SESSION = re.compile(r"rse_[A-Za-z0-9]{1,60}")
MISSING_METHOD = gettext_noop(
    "Nothing was charged: no card or bank details came with this. They are typed into Stripe's secure form; "
    "wait until it shows, or reload this page if it does not."
)


class MethodChoiceForm(forms.Form):
    """How somebody wants to pay or what they save: the gateway's token of a new method, or a saved one.

    `paying_as` says for whom the page was made, see `payments.access.get_visitor_mark`.
    """

    method = forms.ChoiceField(choices=[(CARD, "Card"), (BANK_DEBIT, "Bank debit")], required=False)
    confirmation_token = forms.RegexField(CONFIRMATION_TOKEN, required=False, widget=forms.HiddenInput)
    saved_method = forms.SlugField(max_length=20, required=False)
    saves = forms.BooleanField(required=False)
    shares = forms.BooleanField(required=False)
    accepted_terms = AcceptedTermsField(required=False)
    agreed_schedule = WordsField(max_length=60, required=False, widget=forms.HiddenInput)
    paying_as = WordsField(max_length=64, required=False, widget=forms.HiddenInput)
    is_confirmed = forms.BooleanField(required=False)
    radar_session = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_radar_session(self) -> str:
        """The id of the session; what is none is left out, since nobody typed it and a payment goes without."""
        found = str(self.cleaned_data["radar_session"])
        return found if RADAR_SESSION.fullmatch(found) else ""

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not self.errors and bool(found.get("confirmation_token")) == bool(found.get("saved_method")):
            self.add_error("confirmation_token", _(MISSING_METHOD))
        return found

    def get_choice(self, saved_method: SavedMethod | None) -> PaymentChoice:
        """The choice of a valid form, with the row that its field `saved_method` names."""
        found = self.cleaned_data
        return PaymentChoice(
            method=found["method"] or CARD,
            confirmation_token=found["confirmation_token"],
            saved_method=saved_method,
            saves=found["saves"],
            shares=found["shares"],
            accepted_terms=found["accepted_terms"],
            agreed_schedule=found["agreed_schedule"],
            radar_session_id=found["radar_session"],
        )


class AttemptForm(MethodChoiceForm):
    """What the pay page posts: the payer, the amount and the mark of what they were shown, and how they pay."""

    name = WordsField(max_length=120, label="Full name")
    email = MailField(label="E-mail")
    phone = WordsField(max_length=40, required=False, label="Phone")
    amount = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    shown = WordsField(max_length=64, required=False, widget=forms.HiddenInput)

    def get_guest(self, *, ip: str, user_agent: str) -> Person:
        """Who pays as a guest, as they say."""
        found = self.cleaned_data
        return Person(found["name"], found["email"], found["phone"], ip=ip, user_agent=user_agent)


class SetupForm(AttemptForm):
    """The same where nothing is due and a method is only saved."""

    amount = forms.IntegerField(required=False, widget=forms.HiddenInput)


class RegisterForm(forms.Form):
    """Payer Information of somebody who wants an account."""

    name = WordsField(max_length=120, label="Full name")
    email = MailField(label="E-mail")
    phone = WordsField(max_length=40, required=False, label="Phone")
    accepted_terms = AcceptedTermsField()
