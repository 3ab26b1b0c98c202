"""Forms of Sync Invoices."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms

from accounting.models import LedgerTaxCode
from merchants.models import Merchant
from payers.models import PayerCompany, fold_name
from psa.invoice_sync import books
from psa.invoice_sync.models import InvoiceSyncSettings, PsaTaxCode
from wisepay.forms import WordsField

EARLIEST = date(2000, 1, 1)
ACTS = ("confirm", "drop", "refresh", "link")


class StartForm(forms.Form):
    """From which day on invoices are read."""

    since = forms.DateField(label="Invoices from", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any = None, *, today: date, initial: date | None = None) -> None:
        super().__init__(data, initial={"since": initial})
        self.today = today

    def clean_since(self) -> date:
        """A day that has come."""
        found: date = self.cleaned_data["since"]
        if not EARLIEST <= found <= self.today:
            raise forms.ValidationError("Choose a day that has come, from the year 2000 on.")
        return found


class SyncSettingsForm(forms.Form):
    """Whether Sync Invoices is on, and what lines are booked to."""

    is_enabled = forms.BooleanField(label="Sync Invoices is on", required=False)
    account = forms.ChoiceField(label="Income account", required=False, help_text="Each line is booked to it.")
    item = forms.ChoiceField(label="Item", required=False, help_text="What each line sells.")

    def __init__(self, data: Any = None, *, merchant: Merchant, chosen: InvoiceSyncSettings, is_read: bool) -> None:
        initial = {"is_enabled": chosen.is_enabled, "account": chosen.account, "item": chosen.item}
        super().__init__(data, initial=initial)
        self.name = "item" if books.needs_item(merchant) else "account"
        del self.fields["account" if self.name == "item" else "item"]
        rows: Sequence[Any] = (books.list_items if self.name == "item" else books.list_income_accounts)(merchant)
        field = self.fields[self.name]
        field.is_expected = True  # type: ignore[attr-defined]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 (declared above)
        field.choices = [("", "Choose…"), *((row.code, str(row)) for row in (rows if is_read else ()))]

    def clean(self) -> dict[str, Any]:
        """Both names, and what lines are booked to once it is on."""
        found = super().clean() or {}
        if found.get("is_enabled") and not found.get(self.name) and self.name not in self.errors:
            self.add_error(self.name, "Choose what the lines are booked to.")
        return {"account": "", "item": "", **found}


class TaxTableForm(forms.Form):
    """Which tax code of the books each of PSA's is, with tax and without."""

    def __init__(self, data: Any = None, *, rows: Sequence[PsaTaxCode], merchant: Merchant, is_read: bool) -> None:
        super().__init__(data)
        self.rows = {f"tax_{row.tax_code_id}_{int(row.is_taxed)}": row for row in rows}
        offered = {taxed: books.list_tax_codes(merchant, is_taxed=taxed) if is_read else [] for taxed in (True, False)}
        for name, row in self.rows.items():
            self.fields[name] = forms.ChoiceField(
                label=str(row),
                required=False,
                choices=[("", "Choose…"), *((code.code, str(code)) for code in offered[row.is_taxed])],
                initial=self._find_choice(row, offered[row.is_taxed]),
            )
            self.fields[name].is_expected = True  # type: ignore[attr-defined]

    @staticmethod
    def _find_choice(row: PsaTaxCode, offered: Sequence[LedgerTaxCode]) -> str:
        return row.ledger_code if row.ledger_code in {code.code for code in offered} else ""

    @property
    def chosen(self) -> dict[PsaTaxCode, str]:
        """The rows for which a code was chosen, each with it."""
        answers = {row: self.cleaned_data[name] for name, row in self.rows.items()}
        return {row: code for row, code in answers.items() if code}


class SyncDecisionForm(forms.Form):
    """What a person decides about a run."""

    act = forms.ChoiceField(
        choices=[(act, act) for act in ACTS],
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Press one of the buttons."),
    )
    seen = forms.CharField(max_length=16, required=False, widget=forms.HiddenInput)
    psa_company = forms.IntegerField(required=False, min_value=1, max_value=2**53, widget=forms.HiddenInput)
    company = WordsField(
        max_length=200,
        required=False,
        label="Payer company",
        widget=forms.TextInput(attrs={"list": "known-companies", "autocomplete": "off"}),
        help_text="As it is called here. It counts for every agreement and invoice of that company in ConnectWise PSA.",
    )

    def __init__(self, data: Any = None, *, merchant: Merchant) -> None:
        super().__init__(data)
        self.merchant = merchant
        self.chosen_company: PayerCompany | None = None

    def clean(self) -> dict[str, Any]:
        """The company of the act, known by its whole name."""
        found = super().clean() or {}
        if found.get("act") == "link" and "company" in found:
            name = fold_name(found["company"])
            rows = PayerCompany.objects.filter(merchant=self.merchant, folded_name=name)
            self.chosen_company = rows.first() if name else None
            if self.chosen_company is None:
                self.add_error("company", "No payer company has this name. Choose one of Payer Admin.")
        return found
