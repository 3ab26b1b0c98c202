"""Forms of the tenant's own settings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from merchants.members import RoleContents
from merchants.models import EventNotification, Membership, Merchant, PayNowLink, Role
from merchants.rights import Right
from wisepay.forms import AmountField, MailField, ParagraphsField, WordsField
from wisepay.models import User
from wisepay.money import Money

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


class RoleChoiceForm(forms.Form):
    """A form that chooses one of these roles."""

    role = forms.ChoiceField(error_messages={"invalid_choice": "Choose one of the roles."})

    def __init__(self, *args: Any, roles: Sequence[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.roles = {role.reference: role for role in roles}
        cast(forms.ChoiceField, self.fields["role"]).choices = [(role.reference, role.name) for role in roles]

    def get_role(self) -> Role:
        """The role that the valid form chose."""
        return self.roles[self.cleaned_data["role"]]


class MemberForm(RoleChoiceForm):
    """What one of the merchant's people may do."""

    def __init__(self, *args: Any, member: Membership, **kwargs: Any) -> None:
        # A form for each person stands on the page: their fields are told apart.
        fresh = {"initial": {"role": member.role.reference}, "auto_id": f"id_{member.user.reference}_%s"}
        super().__init__(*args, **kwargs | fresh)


class InvitationForm(RoleChoiceForm):
    """Whom the merchant invites, and to which role; the least is chosen until somebody chooses more."""

    email = MailField(label="E-mail address")

    def __init__(self, *args: Any, roles: Sequence[Role], **kwargs: Any) -> None:
        least = next((role.reference for role in roles if role.kind == Role.Kind.READER), "")
        super().__init__(*args, **{"initial": {"role": least}} | kwargs, roles=roles)


class RoleForm(forms.Form):
    """What a role is made of; of a built-in one only whether it requires a second factor."""

    name = WordsField(max_length=60)
    rights = forms.MultipleChoiceField(
        choices=[(right.value, right.label) for right in Right if right != Right.SEE],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    # Amounts are counted in minor units; which currency they are of says each payment.
    refund_limit = AmountField(
        "USD",
        minimum=1,
        required=False,
        label="Refund limit",
        help_text="The most that one refund may be, such as 500.00, in the currency of its payment (of yen, which have "
        "no cents, 500.00 are 50,000). Empty for no limit.",
        error_messages={"min_amount": "Enter more than 0, or nothing for no limit."},
    )
    requires_second_factor = forms.BooleanField(
        required=False,
        label="Requires a second factor",
        help_text="Who has none yet sets up an authenticator app or a passkey before any page here opens.",
    )

    def __init__(self, *args: Any, role: Role | None = None, **kwargs: Any) -> None:
        initial = build_role_values(role) if role else {}
        super().__init__(*args, **kwargs | {"initial": initial})
        if role is not None and not role.is_own:
            for name in ("name", "rights", "refund_limit"):
                del self.fields[name]

    def clean_refund_limit(self) -> str:
        """The limit as a plain number, which is of no currency; empty for none."""
        limit: Money | None = self.cleaned_data["refund_limit"]
        return limit.plain if limit else ""

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("refund_limit") and Right.REFUND not in found.get("rights", ()):
            self.add_error("refund_limit", "Only a role with the right Refund has a limit.")
        return found

    def get_contents(self) -> RoleContents:
        """What the valid form says."""
        found = self.cleaned_data
        limit = found.get("refund_limit")
        return RoleContents(
            name=found.get("name", ""),
            rights=frozenset({Right.SEE.value, *found.get("rights", ())}),
            refund_limit=Money.parse(limit, "USD").amount if limit else None,
            requires_second_factor=found["requires_second_factor"],
        )


def build_role_values(role: Role) -> dict[str, Any]:
    """A role as its form shows it."""
    return {
        "name": role.name,
        "rights": [right.value for right in Right if right in role.rights and right != Right.SEE],
        "refund_limit": Money(role.refund_limit, "USD").plain if role.refund_limit else "",
        "requires_second_factor": role.requires_second_factor,
    }


class JoinForm(forms.Form):
    """Name and password of somebody who was invited and has no account yet."""

    name = WordsField(label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        label=_("New password"),
        strip=False,
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 12 characters."),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        """The password, if the house's rules take it. Raises ValidationError."""
        password: str = self.cleaned_data["password"]
        validate_password(password, self.user)
        return password


class PayNowLinkForm(forms.Form):
    """Whether a PayNow Link works, how long what it opens can be followed, and as whom it acts."""

    is_enabled = forms.BooleanField(
        required=False, label="Switched on", help_text="While it is off, whoever follows it is told so."
    )
    expires_days = forms.IntegerField(required=False, min_value=1, max_value=3650, label="Days until it expires")
    acts_as = forms.ChoiceField(label="PayNow Link User", help_text="When this person is disabled, the link stops.")
    takes_prepayments = forms.BooleanField(
        required=False,
        label="Offer a prepayment",
        help_text="Who types a number and an amount that fit no invoice may pay the amount as a prepayment under that "
        "reference.",
    )

    def __init__(self, data: Any, *, link: PayNowLink) -> None:
        names = ("is_enabled", "expires_days", "takes_prepayments")
        super().__init__(data, initial={n: getattr(link, n) for n in names} | {"acts_as": link.acts_as.reference})
        people = link.merchant.members.filter(is_active=True).order_by("email")
        self.people = {person.reference: person for person in people}
        field = cast(forms.ChoiceField, self.fields["acts_as"])
        field.choices = [(reference, f"{person} ({person.email})") for reference, person in self.people.items()]
        counted = "the mail" if link.kind == PayNowLink.Kind.EVENT_NOTIFICATION else "the date of the invoice"
        self.fields["expires_days"].help_text = f"Counted from {counted}. Leave it empty for links that never expire."
        if link.kind != PayNowLink.Kind.QUICK_LINK:
            del self.fields["takes_prepayments"]

    @property
    def changes(self) -> dict[str, Any]:
        """What a valid form asks for."""
        found = self.cleaned_data
        return {
            "is_enabled": found["is_enabled"],
            "expires_days": found["expires_days"],
            "takes_prepayments": found.get("takes_prepayments", False),
            "acts_as": self.people[found["acts_as"]],
        }


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


class SavedViewForm(forms.Form):
    """A view of a list that somebody saves under a name, or removes."""

    act = forms.ChoiceField(choices=[("save", "Save"), ("remove", "Remove")])
    name = WordsField(max_length=40, required=False)
    old = WordsField(max_length=40, required=False)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("act") == "save" and not found.get("name") and "name" not in self.errors:
            self.add_error("name", "Give the view a name of at most 40 characters.")
        return found
