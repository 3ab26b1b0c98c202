"""The permanent numbers of our documents, made from references; the books refuse a second document of a number.

The shortest field that one of the ledgers has for them holds 21 characters: a prefix of at most six, twelve of the
reference (60 random bits), and "-2" to "-99"; a part of a payment for several invoices is "/1" to "/99" of it.
"""

from accounting.models import CreditMatch, PaymentAllocation
from payments.models import Payment, Refund

STEM_LENGTH = 12
PF_INVOICE_PATTERN = r"^PF-[0-9A-Z]{12}([0-9A-Z]{8})?$"  # the longer ones were made before there was a second ledger


def build_invoice_number(payment: Payment) -> str:
    """Of the PF invoice, which is made once."""
    return f"PF-{_stem(payment)}"


def build_payment_number(payment: Payment, *, nth: int) -> str:
    """Of the money that the `nth` attempt brought."""
    return _numbered(build_invoice_number(payment), nth)


def build_credit_note_number(payment: Payment, *, nth: int) -> str:
    """Of the credit that the `nth` attempt left."""
    return _numbered(f"PF_CR-{_stem(payment)}", nth)


def build_invoice_payment_number(allocation: PaymentAllocation, *, position: int, nth: int) -> str:
    """Of the `nth` time that a payment's part is put to its invoice; `place` counts the parts of the payment."""
    return _numbered(f"{build_invoice_number(allocation.payment)}/{position}", nth)


def build_refund_number(refund: Refund) -> str:
    """Of money that went back."""
    return f"PF_RF-{_stem(refund)}"


def build_credit_allocation_number(match: CreditMatch, *, nth: int) -> str:
    """Of the `nth` time that a credit is put to its invoice."""
    return _numbered(f"PF_AL-{_stem(match)}", nth)


def _stem(row: Payment | Refund | CreditMatch) -> str:
    return row.reference[:STEM_LENGTH].upper()


def _numbered(stem: str, nth: int) -> str:
    return stem if nth == 1 else f"{stem}-{nth}"
