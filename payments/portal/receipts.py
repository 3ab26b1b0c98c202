"""What a receipt contains: who paid whom how much for what, and what was refunded or reversed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404

from payments.models import Attempt, Payment, Refund
from payments.portal.view_models import list_paid_attempts
from wisepay.money import Money

REFUND_STATE_TEXTS = {"processing": "on its way", "succeeded": "refunded", "failed": "could not be given back"}


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
    words = f"Refund, {REFUND_STATE_TEXTS[refund.state]}"
    return ReceiptLine(refund.state_at, words, Money(refund.amount, payment.currency))
