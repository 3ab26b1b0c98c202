"""What a receipt contains: who paid whom how much for what, and what was refunded or reversed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from payments.models import Attempt, Payment, Refund
from payments.portal.view_models import list_paid_attempts
from wisepay.clock import format_instant
from wisepay.money import Money

REFUND_LABELS = {
    "processing": gettext_noop("Refund, on its way"),
    "succeeded": gettext_noop("Refunded"),
    "failed": gettext_noop("Refund that could not be given back"),
}


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """Money that was paid or went back: when, in words, how much."""

    at: datetime
    words: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything that the page and the PDF print; `net_amount` is what the merchant still has of it."""

    payment: Payment
    attempt: Attempt
    paid_at: datetime
    paid: Money
    payments: Sequence[ReceiptLine]
    refunds: Sequence[ReceiptLine]
    reversed_at: datetime | None
    net_amount: Money

    @property
    def reference(self) -> str:
        """What people call the thing that was paid, for example "Q1042-1"."""
        return str(self.payment.details.get("reference") or self.payment.reference)

    @property
    def net_label(self) -> str:
        """What the last line is called: refunds and reversals are named only where there were any."""
        is_plain = not self.refunds and self.reversed_at is None and len(self.payments) == 1
        return _("Total paid") if is_plain else _("Paid after refunds and reversals")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Who paid whom for what, and how: label and value, as page, PDF and mail show them. Values may have lines."""
        payment, attempt, merchant = self.payment, self.attempt, self.payment.merchant
        details = payment.details
        found = [
            (_("Paid to"), "\n".join([merchant.name, *merchant.address_lines])),
            (_("Tax number"), merchant.tax_number),
            (_("Paid for"), payment.company.name),
            (_("Paid by"), attempt.payer_name),
            (_("For"), payment.purpose),
            (_("Purchase order"), str(details.get("purchase_order") or "")),
            *((str(label), str(amount)) for label, amount in details.get("rows", ())),
            (_("Paid on"), format_instant(self.paid_at, merchant.time_zone)),
            (_("Method"), str(attempt.method or _("Card"))),
            (_("Reference"), self.reference),
            (_("Payment reference"), payment.reference),
        ]
        return [(label, value) for label, value in found if value]

    @property
    def filename(self) -> str:
        """A file name for the document that is safe everywhere."""
        safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in self.reference)
        return f"receipt-{safe}-{self.payment.reference}.pdf"

    @property
    def title(self) -> str:
        """The heading."""
        return "Receipt" if self.reversed_at is None else "Receipt of a reversed payment"


def get_receipt(payment: Payment) -> Receipt:
    """The receipt of what was paid last; earlier payments that were reversed are lines. Raises Http404 when unpaid."""
    attempts = list_paid_attempts([payment]).get(payment.pk, [])
    if not attempts or payment.paid_at is None or payment.paid is None:
        raise Http404
    newest = attempts[0]
    refunds = list(payment.refunds.order_by("pk"))
    is_reversed = newest.state == "reversed"
    back = sum(refund.amount for refund in refunds if refund.attempt_id == newest.pk and refund.state == "succeeded")
    return Receipt(
        payment=payment,
        attempt=newest,
        paid_at=payment.paid_at,
        paid=newest.money,
        payments=[line for attempt in reversed(attempts) for line in build_attempt_lines(attempt, payment, newest)],
        refunds=[build_refund_line(refund, payment) for refund in refunds],
        reversed_at=newest.state_at if is_reversed else None,
        net_amount=Money(0 if is_reversed else newest.amount - back, payment.currency),
    )


def build_attempt_lines(attempt: Attempt, payment: Payment, newest: Attempt) -> list[ReceiptLine]:
    """The line of what one attempt charged, and a second one if it was reversed."""
    at = payment.paid_at if attempt.pk == newest.pk and payment.paid_at else attempt.created_at
    lines = [ReceiptLine(at, f"Paid with {attempt.method or 'a payment method'}", attempt.money)]
    if attempt.state == "reversed":
        lines.append(ReceiptLine(attempt.state_at, "Reversed: the bank took it back", attempt.money))
    return lines


def build_refund_line(refund: Refund, payment: Payment) -> ReceiptLine:
    """A refund and how it stands."""
    return ReceiptLine(refund.state_at, _(REFUND_LABELS[refund.state]), Money(refund.amount, payment.currency))
