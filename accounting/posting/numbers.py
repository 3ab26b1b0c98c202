"""The permanent numbers of our documents, built from references; a ledger refuses a second document of a number.

The shortest field that one of the ledgers has for them holds 21 characters: a prefix of at most six, twelve of the
reference (60 random bits), and "-2" to "-99"; a part of a payment for several invoices is "/1" to "/99" of it.
"""

from accounting.models import CreditMatch, PaymentAllocation
from accounting.models.posting_kinds import KIND_TRAITS, Kind
from payments.models import Payment, Refund

STEM_LENGTH = 12
# The longer ones were created before there was a second ledger.
PF_INVOICE_PATTERN = rf"^{KIND_TRAITS[Kind.INVOICE].prefix}-[0-9A-Z]{{12}}([0-9A-Z]{{8}})?$"


def build_invoice_number(payment: Payment) -> str:
    """The number of the payment's only PF invoice."""
    return _build_stem(Kind.INVOICE, payment)


def build_payment_number(payment: Payment, *, nth: int) -> str:
    """The number of the ledger payment of the payment's `nth` credited attempt."""
    return _add_ordinal(_build_stem(Kind.PAYMENT, payment), nth)


def build_credit_note_number(payment: Payment, *, nth: int) -> str:
    """The number of the payment's `nth` credit note."""
    return _add_ordinal(_build_stem(Kind.CREDIT_NOTE, payment), nth)


def build_invoice_payment_number(allocation: PaymentAllocation, *, position: int, nth: int) -> str:
    """The number of a part's `nth` payment of its invoice; `position` counts the parts of the payment from 1."""
    return _add_ordinal(f"{_build_stem(Kind.INVOICE_PAYMENT, allocation.payment)}/{position}", nth)


def build_refund_number(refund: Refund) -> str:
    """The number of a refund out of a credit note."""
    return _build_stem(Kind.REFUND, refund)


def build_credit_allocation_number(match: CreditMatch, *, nth: int) -> str:
    """The number of the `nth` allocation of a credit to its invoice."""
    return _add_ordinal(_build_stem(Kind.ALLOCATION, match), nth)


def _build_stem(kind: Kind, row: Payment | Refund | CreditMatch) -> str:
    return f"{KIND_TRAITS[kind].prefix}-{row.reference[:STEM_LENGTH].upper()}"


def _add_ordinal(stem: str, nth: int) -> str:
    return stem if nth == 1 else f"{stem}-{nth}"
