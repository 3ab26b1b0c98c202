"""Forms of automatic payments."""

from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy

from accounting.autopay.terms import list_current_terms
from accounting.models import AutoPaySettings, BillingTerm, LedgerTerm
from accounting.models.autopay import AutoPayLimits
from merchants.forms import AcceptedTermsField
from merchants.models import Merchant
from payments.models import SavedMethod
from wisepay.forms import AmountField, WordsField
from wisepay.money import Money

ALL_TERMS_CHOICE = "all"


class LimitField(AmountField):
    """An optional amount; cleans to minor units."""

    def __init__(self, currency: str, amount: int | None, **kwargs: Any) -> None:
        initial = "" if amount is None else Money(amount, currency).plain
        super().__init__(currency, required=False, initial=initial, **kwargs)

    def clean(self, value: Any) -> int | None:  # type: ignore[override]
        money = super().clean(value)
        return None if money is None else money.amount


class AutoPaySettingsForm(forms.Form):
    """A merchant's settings of automatic payments, and the limits of each currency."""

    is_enabled = forms.BooleanField(
        label="Is Enabled", required=False, help_text="When off, nothing is charged. What is scheduled waits."
    )
    processing_delay_hours = forms.IntegerField(
        label="Payment Processing Delay (in hours)",
        min_value=0,
        max_value=240,
        help_text="Time to correct an invoice before its card is charged in real time.",
    )
    notice_days = forms.IntegerField(
        label="Notice (in days)",
        min_value=0,
        max_value=60,
        help_text="Payers are mailed the amount, the day and the method this long before each automatic payment; what "
        "is scheduled later than that is moved. With 0 the mail goes out at once and nothing waits for it.",
    )
    maximum_retries = forms.IntegerField(
        label="Maximum Retries",
        min_value=0,
        max_value=8,
        help_text="Tries after a soft failure, some days apart. Stolen, closed or expired methods are never retried.",
    )
    schedules_past_due = forms.BooleanField(
        label="Schedule past due payments",
        required=False,
        help_text="Invoices past their due date run after 3 pm on the following day.",
    )
    maximum_days_past_due = forms.IntegerField(label="Maximum Days Past Due", min_value=0, max_value=3650)
    from_quotes = forms.ChoiceField(
        label="Mapping from a quote that recurs",
        choices=AutoPaySettings.FromQuotes.choices,
        help_text="With the payment method that was saved when the quote was paid.",
    )

    def __init__(self, data: Any = None, *, chosen: AutoPaySettings, limits: AutoPayLimits) -> None:
        super().__init__(data, initial={name: getattr(chosen, name) for name in self.base_fields})
        self.currencies = list(limits)
        for currency, (minimum, maximum) in limits.items():
            self.fields[f"minimum_{currency}"] = LimitField(currency, minimum, label=f"Minimum Amount in {currency}")
            self.fields[f"maximum_{currency}"] = LimitField(
                currency,
                maximum,
                label=f"Maximum Amount in {currency}",
                help_text="Larger invoices are listed under Unmatched Auto-Payments instead of charged.",
            )

    def clean(self) -> dict[str, Any]:
        """The settings, and as `limits` the minimum and the maximum of each currency, in this order."""
        found = super().clean() or {}
        limits = {c: (found.pop(f"minimum_{c}", None), found.pop(f"maximum_{c}", None)) for c in self.currencies}
        for currency, (minimum, maximum) in limits.items():
            if minimum is not None and maximum is not None and minimum > maximum:
                self.add_error(f"maximum_{currency}", "The maximum can't be below the minimum.")
        return found | {"limits": limits}


class BillingTermForm(forms.Form):
    """Add Billing Term."""

    name = WordsField(label="Name", max_length=80)
    description = WordsField(label="Description", max_length=200, required=False)
    processing = forms.ChoiceField(label="Processing Method", choices=BillingTerm.Processing.choices)
    mode = forms.ChoiceField(label="Scheduling Mode", choices=BillingTerm.Mode.choices)
    days = forms.IntegerField(
        label="Scheduling Period (In Days)",
        min_value=0,
        max_value=365,
        initial=0,
        help_text="Days after the invoice date, or the day of the month. The 31st is the last day of shorter months.",
    )
    keyword = WordsField(
        label="Keyword in the reference",
        max_length=40,
        required=False,
        help_text="Invoices that say it in their reference or a custom field are charged by this billing term, "
        "whatever their terms in the accounting package are.",
    )
    takes_cards = forms.BooleanField(label="Accept Credit Card Payments", required=False, initial=True)
    takes_debits = forms.BooleanField(label="Accept Bank Payments", required=False, initial=True)
    covers = forms.ModelMultipleChoiceField(
        label="Terms of the accounting package",
        queryset=LedgerTerm.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Invoices with one of these are charged by this billing term.",
    )

    def __init__(self, *args: Any, merchant: Merchant, term: BillingTerm | None = None, **kwargs: Any) -> None:
        if term is not None:
            kwargs["initial"] = {name: getattr(term, name) for name in self.base_fields if name != "covers"}
            covered = list_current_terms(merchant).filter(billing_term=term)
            kwargs["initial"]["covers"] = list(covered.values_list("pk", flat=True))
        super().__init__(*args, **kwargs)
        self.merchant, self.term = merchant, term
        current = list_current_terms(merchant)
        offered = current.filter(Q(billing_term=None) | Q(billing_term=term) if term else Q(billing_term=None))
        field = self.fields["covers"]
        assert isinstance(field, forms.ModelMultipleChoiceField)  # noqa: S101 (declared above)
        field.queryset = offered.order_by("name", "pk")

    def clean(self) -> dict[str, Any]:
        """A day of the month is 1 to 31, and no other active term has the name or the keyword."""
        found = super().clean() or {}
        if found.get("mode") == BillingTerm.Mode.DAY_OF_MONTH and not 1 <= (found.get("days") or 0) <= 31:
            self.add_error("days", "Choose a day from 1 to 31.")
        active = BillingTerm.objects.filter(merchant=self.merchant, is_active=True)
        others = active.exclude(pk=self.term.pk) if self.term else active
        if others.filter(name=found.get("name", "")).exists():
            self.add_error("name", "Another billing term has this name.")
        keyword = found.get("keyword", "")
        if keyword and others.filter(keyword__iexact=keyword).exists():
            self.add_error("keyword", "Another billing term has this keyword.")
        return found


class MappingForm(forms.Form):
    """Auto-Payment Mapping."""

    terms = forms.MultipleChoiceField(label="Auto-Payment Terms", widget=forms.CheckboxSelectMultiple)
    primary = forms.ModelChoiceField(label="Primary Payment Method", queryset=SavedMethod.objects.none())
    secondary = forms.ModelChoiceField(
        label="Secondary Payment Method",
        queryset=SavedMethod.objects.none(),
        required=False,
        empty_label="None",
        help_text="Charged when the primary one can't pay.",
    )
    includes_older = forms.BooleanField(
        label=gettext_lazy("Also pay invoices that were written before today"), required=False, initial=False
    )
    accepted_terms = AcceptedTermsField()

    def __init__(
        self, *args: Any, methods: list[SavedMethod], terms: list[BillingTerm], only_all: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.methods = methods
        self.by_reference = {term.reference: term for term in terms}
        choices = [(ALL_TERMS_CHOICE, "All Automatic Payment Terms")]
        choices += [] if only_all else [(term.reference, term.name) for term in terms]
        chosen = self.fields["terms"]
        assert isinstance(chosen, forms.MultipleChoiceField)  # noqa: S101 (declared above)
        chosen.choices = choices
        chosen.initial = [ALL_TERMS_CHOICE]
        rows = SavedMethod.objects.filter(pk__in=[method.pk for method in methods]).order_by("-is_default", "pk")
        for name in ("primary", "secondary"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 (declared above)
            field.queryset = rows
        if len(methods) == 1:
            self.fields["primary"].initial = methods[0].pk

    @property
    def chosen_terms(self) -> list[BillingTerm | None]:
        """The chosen terms; None stands for all."""
        chosen = self.cleaned_data["terms"]
        return [None] if ALL_TERMS_CHOICE in chosen else [self.by_reference[reference] for reference in chosen]


class ProposalForm(MappingForm):
    """The same as the merchant's people propose it; the payer accepts the terms."""

    # Django's way to leave fields of the base form out.
    accepted_terms = None  # type: ignore[assignment]
    includes_older = None  # type: ignore[assignment]


class AnswerForm(forms.Form):
    """What somebody of the company answers to a proposal."""

    ACCEPT, DECLINE = "accept", "decline"
    answer = forms.ChoiceField(
        choices=[(ACCEPT, "Accept"), (DECLINE, "Decline")],
        error_messages=dict.fromkeys(("required", "invalid_choice"), gettext_lazy("Choose Accept or Decline.")),
    )
    accepted_terms = AcceptedTermsField(required=False)
    includes_older = forms.BooleanField(required=False)

    @property
    def problem(self) -> str:
        """The first thing that is wrong, in words."""
        return str(next((errors[0] for errors in self.errors.values()), ""))


class ResolveForm(forms.Form):
    """Mark as Resolved."""

    note = WordsField(
        label="What was done", max_length=300, error_messages={"required": "Say in a few words what was done."}
    )


class AcceptProposalForm(forms.Form):
    """Accept a proposal as far as its payer agreed to it, or ask the payer for all terms or for one."""

    term = forms.ChoiceField(required=False)
    includes_older = forms.BooleanField(required=False)
    confirmed = forms.BooleanField(required=False)

    def __init__(self, *args: Any, merchant: Merchant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        terms = BillingTerm.objects.filter(merchant=merchant, is_active=True)
        self.by_reference: dict[str, BillingTerm | None] = {term.reference: term for term in terms}
        self.by_reference[ALL_TERMS_CHOICE] = None
        field = self.fields["term"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 (declared above)
        field.choices = [(reference, reference) for reference in self.by_reference]

    @property
    def is_wider(self) -> bool:
        """Whether more is chosen than what the payer agreed to."""
        return bool(self.cleaned_data["term"])

    @property
    def chosen_term(self) -> BillingTerm | None:
        """The term that the payer is asked for; None stands for all."""
        return self.by_reference[self.cleaned_data["term"]]
