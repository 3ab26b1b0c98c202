"""Forms of the tenant's own settings."""

from typing import TYPE_CHECKING, Any, cast
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from merchants.models import EventNotification, Membership, Merchant
from wisepay.forms import MailField, ParagraphsField, WordsField

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Merchant]
else:
    ModelForm = forms.ModelForm


# Where tzdata's zones are named by places. Etc/GMT+10 has its sign turned round; US/…, Canada/… are names of before.
REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def is_place(zone: str) -> bool:
    """Whether a time zone is named by a place, or is UTC."""
    return zone == "UTC" or (zone.partition("/")[0] in REGIONS and "/" in zone)


class MerchantDetailsForm(ModelForm):
    """Name, time zone, how payers reach the merchant, and whether payments are taken at all."""

    name = WordsField(max_length=120)
    contact_email = MailField(
        required=False, label="Contact e-mail", help_text="Payers are given this address when they need help."
    )
    contact_phone = WordsField(required=False, max_length=40, label="Contact phone")
    postal_address = ParagraphsField(required=False, max_length=300, widget=forms.Textarea(attrs={"rows": 3}))
    tax_number = WordsField(required=False, max_length=40)
    time_zone = forms.ChoiceField(choices=[(z, z) for z in sorted(available_timezones()) if is_place(z)])

    class Meta:
        model = Merchant
        fields = [
            "name",
            "time_zone",
            "contact_email",
            "contact_phone",
            "postal_address",
            "tax_number",
            "two_factor_mode",
            "takes_payments",
        ]
        labels = {
            "takes_payments": "Payments enabled",
            "two_factor_mode": "2FA Mode",
        }
        help_texts = {
            "takes_payments": "Account Merchant Payment Status. When off, nothing can be paid.",
            "two_factor_mode": "Whether your people and your payers prove a second thing at sign-in: "
            "a mailed code, an authenticator app or a passkey.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field, saved = cast(forms.ChoiceField, self.fields["time_zone"]), self.instance.time_zone
        if saved and not is_place(saved):
            field.choices = [
                (saved, saved),
                *((zone, zone) for zone in sorted(available_timezones()) if is_place(zone)),
            ]


class PrivacyForm(ModelForm):
    """After how long people are signed out, and how long what is known of them is stored."""

    class Meta:
        model = Merchant
        fields = [
            "staff_idle_minutes",
            "payer_idle_days",
            "keeps_unproved_days",
            "keeps_device_months",
            "keeps_audit_months",
        ]
        labels = {
            "staff_idle_minutes": "Minutes until your people are signed out",
            "payer_idle_days": "Days until your payers are signed out",
            "keeps_unproved_days": "Days that an unanswered invitation or registration is stored",
            "keeps_device_months": "Months that a payment's network address and browser are stored",
            "keeps_audit_months": "Months that the audit log is stored",
        }
        help_texts = {
            "staff_idle_minutes": "From 5 to 720, counted from the last thing they did.",
            "payer_idle_days": "From 1 to 14. Who pays at several merchants has the shortest.",
            "keeps_unproved_days": "From 7 to 365. Then it is deleted, if nothing was paid.",
            "keeps_device_months": "From 3 to 84. You may need them in a dispute.",
            "keeps_audit_months": "From 12 to 240. Older months are deleted whole, for good; what is left can "
            "still be verified.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of a field whose default is a function Django sends the initial value along in a hidden input.
        self.fields["keeps_audit_months"].show_hidden_initial = False


class MemberForm(forms.Form):
    """What one of the merchant's people may do."""

    role = forms.ChoiceField(choices=Membership.Role.choices)
    may_add_payers = forms.BooleanField(
        required=False,
        label="May add payers",
        help_text="Add payers, say what they see, and remove them. Merchant admins always may.",
    )

    def __init__(self, *args: Any, member: Membership, **kwargs: Any) -> None:
        rights = {"role": member.role, "may_add_payers": member.may_add_payers}
        # A form for each person stands on the page: their fields are told apart.
        super().__init__(*args, **kwargs | {"initial": rights, "auto_id": f"id_{member.user.reference}_%s"})

    @property
    def makes_admin(self) -> bool:
        """Whether the person becomes a merchant admin; of a valid form."""
        return "role" in self.changed_data and bool(self.cleaned_data["role"] == Membership.Role.ADMIN)


class EventsForm(forms.Form):
    """Which events the merchant is notified of."""

    events = forms.MultipleChoiceField(
        choices=EventNotification.Event.choices, required=False, widget=forms.CheckboxSelectMultiple
    )


class TermsForm(forms.Form):
    """The next version of a text that payers accept."""

    text = ParagraphsField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 16}),
        help_text="Write {merchant}, {contact}, {email} or {phone} where your name and contact belong.",
    )


class AcceptedTermsField(forms.Field):
    """The ids of the texts that were ticked, one value each; cleans to a tuple of them, possibly of nonsense ids."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {
        "required": _("Please read the terms and accept them."),
        "invalid": _("The terms have changed since you opened this page. Please read them again and accept them."),
    }
    MAX_TEXTS = 10  # more than any page shows

    def to_python(self, value: Any) -> tuple[int, ...]:
        """The ids. Raises ValidationError for what is no id, and for the same one twice."""
        texts = [text.strip() for text in value or ()]
        if len(texts) > self.MAX_TEXTS or not all(t.isascii() and t.isdigit() and len(t) < 19 for t in texts):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        ids = tuple(int(text) for text in texts)
        if len(set(ids)) != len(ids):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return ids
