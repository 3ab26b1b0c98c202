"""Form of the accounts that postings use."""

from typing import Any, cast

from django import forms

from accounting.configuration.services import ITEM_NAME, NEW_ITEM
from accounting.ledger_session import get_ledger_info
from accounting.models import AccountingSettings, LedgerAccount, LedgerItem, LedgerTaxCode
from merchants.models import Merchant


class AccountsForm(forms.Form):
    """Accounts, tax code and item, chosen from what was read; an item only where the ledger needs one."""

    clearing_account = forms.ChoiceField(
        label="Account for Clearing Payments",
        help_text="A bank account, or a current asset with payments enabled. Normally “Wise-Pay Clearing”.",
    )
    prepayments_account = forms.ChoiceField(
        label="Account for Prepayments", help_text="Normally “Wise-Pay Prepayments”, a current liability."
    )
    item = forms.ChoiceField(
        label="Item for Prepayments",
        help_text="What the lines of PF invoices and credit memos sell. Its income account is the one above.",
    )
    tax_code = forms.ChoiceField(label="Overpayment Tax Code", help_text="Only 0 % codes can be chosen.")

    def __init__(self, *args: object, merchant: Merchant, **kwargs: object) -> None:
        chosen = AccountingSettings.objects.filter(merchant=merchant).first()
        if chosen:
            kwargs["initial"] = {name: getattr(chosen, name) for name in self.base_fields}
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        accounts = list(LedgerAccount.objects.filter(merchant=merchant).order_by("number", "name"))
        codes = LedgerTaxCode.objects.filter(merchant=merchant, rate=0).order_by("name")
        self._offer("clearing_account", [(a.code, str(a)) for a in accounts if a.takes_payments])
        self._offer("prepayments_account", [(a.code, str(a)) for a in accounts if a.holds_prepayments])
        self._offer("tax_code", [(c.code, str(c)) for c in codes])
        self.items = {i.code: i for i in LedgerItem.objects.filter(merchant=merchant).order_by("name")}
        ledger = get_ledger_info(merchant)
        if ledger is not None and ledger.needs_item:
            self._offer("item", [(NEW_ITEM, f"Make one: “{ITEM_NAME}”"), *((c, str(i)) for c, i in self.items.items())])
        else:
            del self.fields["item"]
        self.is_read = bool(accounts)

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = cast(forms.ChoiceField, self.fields[name])
        field.choices = [("", "Choose…"), *choices]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        item, account = self.items.get(found.get("item", "")), found.get("prepayments_account")
        if item is not None and account and item.account != account:
            self.add_error("item", "This item's income account is another one than the account for prepayments.")
        return found
