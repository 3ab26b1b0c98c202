"""The permanent numbers of our documents, made from references; the books refuse a second document of a number."""

from payments.models import Payment, Refund


def invoice_number(payment: Payment) -> str:
    """Of the PF invoice, which is made once."""
    return f"PF-{payment.reference.upper()}"


def payment_number(payment: Payment, *, nth: int) -> str:
    """Of the money that the `nth` attempt brought."""
    return _numbered(invoice_number(payment), nth)


def note_number(payment: Payment, *, nth: int) -> str:
    """Of the credit that the `nth` attempt left."""
    return _numbered(f"PF_CR-{payment.reference.upper()}", nth)


def refund_number(refund: Refund) -> str:
    """Of money that went back."""
    return f"PF_RF-{refund.reference.upper()}"


def _numbered(stem: str, nth: int) -> str:
    return stem if nth == 1 else f"{stem}-{nth}"
