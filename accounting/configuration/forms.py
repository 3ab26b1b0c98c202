"""Form of the accounts that postings use."""

from typing import Any, cast

from django import forms

from accounting.configuration.services import ITEM_NAME, NEW_ITEM
from accounting.ledger_session import get_ledger_info
from accounting.models import AccountingSettings, LedgerAccount, LedgerItem, LedgerTaxCode
from connections.models import Connection, Tier
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
        connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
        organisation_id = connection.organisation_id if connection else ""
        if chosen and chosen.is_for(organisation_id):
            kwargs["initial"] = {name: getattr(chosen, name) for name in self.base_fields}
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        # Another organisation's lists are not offered while this one's are being read.
        is_read = chosen is not None and (not organisation_id or chosen.lists_of in ("", organisation_id))
        of = {"merchant": merchant if is_read else None}
        accounts = list(LedgerAccount.objects.filter(**of).order_by("number", "name"))
        codes = LedgerTaxCode.objects.filter(**of, rate=0).order_by("name")
        self.offered: dict[str, list[str]] = {}
        self._offer("clearing_account", [(a.code, str(a)) for a in accounts if a.takes_payments])
        self._offer("prepayments_account", [(a.code, str(a)) for a in accounts if a.holds_prepayments])
        self._offer("tax_code", [(c.code, str(c)) for c in codes])
        self.items = {i.code: i for i in LedgerItem.objects.filter(**of).order_by("name")}
        ledger = get_ledger_info(merchant)
        if ledger is not None and ledger.needs_item:
            self._offer("item", [(NEW_ITEM, f"Make one: “{ITEM_NAME}”"), *((c, str(i)) for c, i in self.items.items())])
        else:
            del self.fields["item"]
        self.is_read = bool(accounts)

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = cast(forms.ChoiceField, self.fields[name])
        field.choices = [("", "Choose…"), *choices]
        self.offered[name] = [code for code, _ in choices]

    @property
    def unusable_fields(self) -> list[str]:
        """The labels of the fields whose saved choice cannot be chosen any more."""
        lost = [name for name, codes in self.offered.items() if self.initial.get(name, "") not in ("", *codes)]
        return [str(self.fields[name].label) for name in lost] if self.is_read else []

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        item, account = self.items.get(found.get("item", "")), found.get("prepayments_account")
        if account and account == found.get("clearing_account"):
            self.add_error("prepayments_account", "Choose another account than for clearing: the two are kept apart.")
        if item is not None and account and item.account != account:
            self.add_error("item", "This item's income account is another one than the account for prepayments.")
        return found
