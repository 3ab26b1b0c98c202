"""Form of the accounts that postings use."""

from typing import cast

from django import forms

from accounting.models import AccountingSettings, LedgerAccount, LedgerTaxCode
from merchants.models import Merchant


class AccountsForm(forms.Form):
    """Choices read from the accounting package; nothing is typed."""

    clearing_account = forms.ChoiceField(
        label="Account for Clearing Payments",
        help_text="A bank account, or a current asset with payments enabled. Normally “Wise-Pay Clearing”.",
    )
    prepayments_account = forms.ChoiceField(
        label="Account for Prepayments", help_text="Normally “Wise-Pay Prepayments”, a current liability."
    )
    tax_code = forms.ChoiceField(label="Overpayment Tax Code", help_text="Only 0 % codes can be chosen.")

    def __init__(self, *args: object, merchant: Merchant, **kwargs: object) -> None:
        chosen = AccountingSettings.objects.filter(merchant=merchant).first()
        if chosen:
            kwargs["initial"] = {name: getattr(chosen, name) for name in self.base_fields}
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        accounts = list(LedgerAccount.objects.filter(merchant=merchant).order_by("code"))
        codes = LedgerTaxCode.objects.filter(merchant=merchant, rate=0).order_by("name")
        self._offer("clearing_account", [(a.code, str(a)) for a in accounts if a.takes_payments])
        self._offer("prepayments_account", [(a.code, str(a)) for a in accounts if a.kind != "BANK"])
        self._offer("tax_code", [(c.code, str(c)) for c in codes])
        self.is_read = bool(accounts)

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = cast(forms.ChoiceField, self.fields[name])
        field.choices = [("", "Choose…"), *choices]
