"""Forms of paying invoices: how much of one, and how much of each of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from accounting.invoices.selectors import OutstandingInvoice
from accounting.invoices.services import InvoiceAmount
from wisepay.money import InvalidAmount, Money

CONFIRM_LABEL = "Pay anyway"


class AmountField(forms.CharField):
    """An amount in a currency of at least one minor unit; cleans to minor units."""

    def __init__(self, currency: str, maximum: int, **kwargs: Any) -> None:
        self.currency, self.maximum = currency, maximum
        look = {"inputmode": "decimal", "autocomplete": "off", "class": "num"}
        super().__init__(max_length=20, widget=forms.TextInput(attrs=look), **kwargs)

    def clean(self, value: Any) -> int:
        text = str(super().clean(value)).replace(",", "").strip()
        if not text and not self.required:
            return 0
        try:
            amount = Money.parse(text, self.currency).amount
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None
        if amount < 1:
            raise forms.ValidationError(f"Pay at least {Money(1, self.currency)}.")
        if amount > self.maximum:
            raise forms.ValidationError(f"At most {Money(self.maximum, self.currency)} can be paid.")
        return amount


class ConfirmationForm(forms.Form):
    """A form with the tick of somebody who was told that something else may pay it already."""

    confirmed = forms.BooleanField(required=False, label=CONFIRM_LABEL)


class PayInvoiceForm(ConfirmationForm):
    """How much of an invoice is paid now."""

    def __init__(self, data: Any, *, row: OutstandingInvoice) -> None:
        super().__init__(data)
        self.row = row
        field = AmountField(row.invoice.currency, row.balance.payable, label="Amount to Pay")
        field.initial = row.payable.plain
        self.fields["amount"] = field

    def build_amounts(self) -> list[InvoiceAmount]:
        """What a valid form chose."""
        return [InvoiceAmount(self.row.invoice, self.cleaned_data["amount"])]


@dataclass(frozen=True, slots=True)
class BatchLine:
    """An invoice of a batch with its two bound fields."""

    row: OutstandingInvoice
    pick: forms.BoundField
    amount: forms.BoundField


class BatchForm(ConfirmationForm):
    """Which invoices of one company and currency are paid together, and how much is allocated to each."""

    def __init__(self, data: Any, *, rows: Sequence[OutstandingInvoice], picked: str = "") -> None:
        super().__init__(data)
        self.rows = rows
        for row in rows:
            mark = row.invoice.reference
            about = {"data-pick": mark, "aria-label": f"Pay invoice {row.invoice}"}
            self.fields[f"pick-{mark}"] = forms.BooleanField(
                required=False, initial=mark == picked, widget=forms.CheckboxInput(attrs=about)
            )
            amount = AmountField(row.invoice.currency, row.balance.payable, required=False)
            amount.initial = row.payable.plain
            amount.widget.attrs |= {"data-allocated": mark, "aria-label": f"Allocated to invoice {row.invoice}"}
            self.fields[f"amount-{mark}"] = amount

    @property
    def lines(self) -> list[BatchLine]:
        """The rows of the page."""
        return [
            BatchLine(row, self[f"pick-{row.invoice.reference}"], self[f"amount-{row.invoice.reference}"])
            for row in self.rows
        ]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        picked = [row for row in self.rows if found.get(f"pick-{row.invoice.reference}")]
        for row in self.rows:
            if row not in picked:
                self.errors.pop(f"amount-{row.invoice.reference}", None)
        for row in picked:
            name = f"amount-{row.invoice.reference}"
            if name not in self.errors and not found.get(name):
                self.add_error(name, f"Write how much is for invoice {row.invoice}, or take its tick away.")
        if not picked:
            self.add_error(None, "Choose at least one invoice.")
        return found

    def build_amounts(self) -> list[InvoiceAmount]:
        """What a valid form chose."""
        found = self.cleaned_data
        chosen = [row for row in self.rows if found[f"pick-{row.invoice.reference}"]]
        return [InvoiceAmount(row.invoice, found[f"amount-{row.invoice.reference}"]) for row in chosen]
