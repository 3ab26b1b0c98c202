"""Forms of paying invoices: how much of one invoice, and how much of each of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from accounting.invoices.selectors import OutstandingInvoice
from accounting.invoices.services import InvoiceAmount
from payments.gateways import get_charge_limits
from wisepay.forms import AmountField

CONFIRM_LABEL = "Pay anyway"


def build_amount_field(row: OutstandingInvoice, *, minimum: int = 1, **kwargs: Any) -> AmountField:
    """The field for how much of the invoice is paid: at most what can be paid now."""
    messages = {"min_amount": "Pay at least %(limit)s.", "max_amount": "At most %(limit)s can be paid."}
    limits = {"minimum": minimum, "maximum": row.balance.payable}
    field = AmountField(row.invoice.currency, **limits, error_messages=messages, **kwargs)
    field.initial = row.payable.plain
    return field


class ConfirmationForm(forms.Form):
    """A form whose payer confirms to pay although something else may pay the invoices already."""

    confirmed = forms.BooleanField(required=False, label=CONFIRM_LABEL)


class PayInvoiceForm(ConfirmationForm):
    """How much of an invoice is paid now."""

    def __init__(self, data: Any, *, row: OutstandingInvoice) -> None:
        super().__init__(data)
        self.row = row
        least, _ = get_charge_limits(row.invoice.currency)
        self.fields["amount"] = build_amount_field(row, minimum=least.amount, label="Amount to Pay")

    def build_amounts(self) -> list[InvoiceAmount]:
        """The amounts that a valid form allocates."""
        return [InvoiceAmount(self.row.invoice, self.cleaned_data["amount"].amount)]


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
            amount = build_amount_field(row, required=False)
            amount.widget.attrs |= {"data-allocated": mark, "aria-label": f"Allocated to invoice {row.invoice}"}
            self.fields[f"amount-{mark}"] = amount

    @property
    def lines(self) -> list[BatchLine]:
        """The lines of the page."""
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
        """The amounts that a valid form allocates."""
        found = self.cleaned_data
        chosen = [row for row in self.rows if found[f"pick-{row.invoice.reference}"]]
        return [InvoiceAmount(row.invoice, found[f"amount-{row.invoice.reference}"].amount) for row in chosen]
