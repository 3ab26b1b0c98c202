"""Forms of PayNow Links: which invoice by number and amount, and how much of it is paid how."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.invoices.balances import InvoiceBalance
from accounting.models import LedgerInvoice
from payments.gateways import find_amount_problem, get_charge_limits
from wisepay.forms import AmountField, WordsField
from wisepay.money import InvalidAmount, Money

GUEST, ACCOUNT = "guest", "account"
UNFILLED = ("[", "]", "{", "}", "%", "#", "NUMBER", "AMOUNT")  # of a variable that a mail's template left as it was


class FindInvoiceForm(forms.Form):
    """Number and amount as they stand on an invoice; the currency only where a link says it."""

    invoice = WordsField(
        max_length=60,
        label=gettext_lazy("Invoice number"),
        help_text=gettext_lazy("As it stands on the invoice, for example INV-1042."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    amount = WordsField(
        max_length=40,
        label=gettext_lazy("Amount"),
        help_text=gettext_lazy("The total, or what is due, as it stands there."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "decimal", "class": "num"}),
    )
    currency = WordsField(max_length=3, required=False, widget=forms.HiddenInput)

    @classmethod
    def read_query(cls, query: Any) -> dict[str, str]:
        """What an address filled in; a variable that was not replaced counts as nothing."""
        found = {name: str(query.get(name, ""))[:60] for name in ("invoice", "amount", "currency")}
        return {name: "" if any(mark in text for mark in UNFILLED) else text for name, text in found.items()}


class PayLinkedInvoiceForm(forms.Form):
    """How much of the invoice is paid, and whether as a guest or with an account; `shown` is what was due then."""

    confirmed = forms.BooleanField(required=False, label=gettext_lazy("Pay anyway"))
    way = forms.ChoiceField(choices=[(GUEST, GUEST), (ACCOUNT, ACCOUNT)])
    shown = forms.IntegerField(min_value=1, max_value=2**62, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, invoice: LedgerInvoice, balance: InvoiceBalance) -> None:
        super().__init__(data, initial={"shown": balance.payable})
        least, _most = get_charge_limits(invoice.currency)
        messages = {"min_amount": _("Pay at least %(limit)s."), "max_amount": _("At most %(limit)s can be paid.")}
        limits = {"minimum": least.amount, "maximum": balance.payable}
        label = _("Amount to pay")
        field = AmountField(invoice.currency, **limits, label=label, error_messages=messages)
        field.initial = Money(balance.payable, invoice.currency).plain
        self.fields["amount"] = field


class PrepaymentForm(forms.Form):
    """An amount that is paid under a reference, and for which company."""

    reference = WordsField(max_length=60, widget=forms.HiddenInput)
    company = WordsField(
        max_length=120,
        label=gettext_lazy("Your company's name"),
        help_text=gettext_lazy("As it stands on your invoices."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    currency = forms.ChoiceField(label=gettext_lazy("Currency"))
    amount = WordsField(max_length=40, label=gettext_lazy("Amount"))

    def __init__(self, data: Any, *, currencies: Sequence[str], **kwargs: Any) -> None:
        super().__init__(data, auto_id="id_prepayment_%s", **kwargs)
        self.fields["currency"].choices = [(code, code) for code in currencies]  # type: ignore[attr-defined]
        self.fields["amount"].widget.attrs |= {"autocomplete": "off", "inputmode": "decimal", "class": "num"}

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if "amount" not in found or "currency" not in found:
            return found
        try:
            money = Money.parse_typed(found["amount"].strip(), found["currency"])
        except InvalidAmount as error:
            self.add_error("amount", str(error))
            return found
        if problem := find_amount_problem(money):
            self.add_error("amount", problem)
        return found | {"money": money}
