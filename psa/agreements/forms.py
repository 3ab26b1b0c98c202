"""Forms of PSA's agreements and billing terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from accounting.models import BillingTerm
from payers.models import PayerCompany, fold_name
from payments.models import SavedMethod
from psa.agreements.models import PsaBillingTerm
from wisepay.forms import WordsField

ACTS = ("link", "ask", "dismiss", "reopen")
NOT_CHARGED, UNDECIDED = "none", ""


class AgreementForm(forms.Form):
    """What a person decides about an agreement; each field belongs to one act."""

    act = forms.ChoiceField(
        choices=[(act, act) for act in ACTS],
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Press one of the buttons."),
    )
    company = WordsField(
        max_length=200,
        required=False,
        label="Payer company",
        widget=forms.TextInput(attrs={"list": "known-companies", "autocomplete": "off"}),
        help_text="As it is called here. It counts for every agreement and invoice of that company in ConnectWise PSA.",
    )
    shown = forms.CharField(max_length=50, required=False, widget=forms.HiddenInput)
    primary = forms.ModelChoiceField(
        label="Primary Payment Method", queryset=SavedMethod.objects.none(), required=False
    )
    secondary = forms.ModelChoiceField(
        label="Secondary Payment Method",
        queryset=SavedMethod.objects.none(),
        required=False,
        empty_label="None",
        help_text="Charged when the primary one can't pay.",
    )

    def __init__(
        self, data: Any = None, *, merchant_id: int, methods: Sequence[SavedMethod], company: PayerCompany | None = None
    ) -> None:
        super().__init__(data, initial={"company": company.name if company else ""})
        self.merchant_id = merchant_id
        for name in ("company", "primary"):  # each is needed for its own act, and not called optional
            self.fields[name].is_expected = True  # type: ignore[attr-defined]
        self.chosen_company: PayerCompany | None = None
        rows = SavedMethod.objects.filter(pk__in=[method.pk for method in methods]).order_by("-is_default", "pk")
        for name in ("primary", "secondary"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 (declared above)
            field.queryset = rows
        if len(methods) == 1:
            self.fields["primary"].initial = methods[0].pk

    def clean(self) -> dict[str, Any]:
        """The fields of the act; a company is known by its whole name, and stored by its id."""
        found = super().clean() or {}
        if found.get("act") == "link" and "company" in found:
            name = fold_name(found["company"])
            rows = PayerCompany.objects.filter(merchant=self.merchant_id, folded_name=name)
            self.chosen_company = rows.first() if name else None
            if self.chosen_company is None:
                self.add_error("company", "No payer company has this name. Choose one of Payer Admin.")
        if found.get("act") == "ask" and found.get("primary") and found.get("primary") == found.get("secondary"):
            self.add_error("secondary", "Choose another method than the primary one.")
        return found


class TermTableForm(forms.Form):
    """What each billing term of PSA means here; what is only proposed is chosen already and says so."""

    def __init__(
        self,
        data: Any = None,
        *,
        rows: Sequence[PsaBillingTerm],
        terms: Sequence[BillingTerm],
        proposed: Mapping[int, BillingTerm],
    ) -> None:
        super().__init__(data)
        self.rows = {f"term_{row.term_id}": row for row in rows}
        self.by_reference = {term.reference: term for term in terms}
        choices = [(UNDECIDED, "Not decided yet"), (NOT_CHARGED, "Not charged automatically")]
        choices += [(term.reference, term.name) for term in terms]
        for name, row in self.rows.items():
            term = row.billing_term or proposed.get(row.pk)
            initial = term.reference if term else UNDECIDED
            if initial not in self.by_reference:  # none was said, or its term is not there any more
                initial = NOT_CHARGED if row.decided_at else UNDECIDED
            self.fields[name] = forms.ChoiceField(
                label=row.name,
                choices=choices,
                required=False,
                initial=initial,
                help_text=describe_row(row, is_proposed=row.pk in proposed),
            )
            self.fields[name].is_expected = True  # type: ignore[attr-defined]

    @property
    def chosen(self) -> dict[PsaBillingTerm, BillingTerm | None]:
        """The rows that are decided, each with the billing term that it means; None is none."""
        answers = {row: self.cleaned_data[name] for name, row in self.rows.items()}
        return {row: self.by_reference.get(answer) for row, answer in answers.items() if answer != UNDECIDED}

    @property
    def undecided(self) -> list[PsaBillingTerm]:
        """The rows that somebody had decided, and that mean nothing any more."""
        sent = [(row, self.cleaned_data[name]) for name, row in self.rows.items() if name in self.data]
        return [row for row, answer in sent if answer == UNDECIDED and row.decided_at]


def describe_row(row: PsaBillingTerm, *, is_proposed: bool) -> str:
    """What PSA says of a term, and whether its meaning is only proposed."""
    days = "" if row.due_days is None else f"Due after {row.due_days} days in ConnectWise PSA. "
    gone = "It is not there any more. " if row.is_gone else ""
    return (
        f"{days}{gone}{'Proposed because the names are the same: it counts once you save it.' if is_proposed else ''}"
    )
